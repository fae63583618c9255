/** The key exchange key has this name in each vault, so no key of the user's can. */
export const kekName = "keymgmt-kek";

/**
 * Why Azure Key Vault refuses `name` for a key; undefined if it takes it.
 * Source: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates (1-127 of 0-9, a-z, A-Z, -)
 */
export function keyNameProblem(name: string): string | undefined {
    if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) {
        return "a key's name in Azure Key Vault has 1 to 127 of the characters 0-9 a-z A-Z -";
    }
    if (foldName(name) === kekName) {
        return `${kekName} is the name of the key exchange key`;
    }
    return undefined;
}

/**
 * Why Azure refuses `name` for a vault; undefined if it takes it.
 * Source: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules (Microsoft.KeyVault)
 */
export function vaultNameProblem(name: string): string | undefined {
    return /^[a-zA-Z](?!.*--)[0-9a-zA-Z-]{1,22}[0-9a-zA-Z]$/.test(name)
        ? undefined
        : "a vault's name has 3 to 24 of the characters 0-9 a-z A-Z -, starts with a letter, ends with a letter or digit and has no -- in it";
}

/** Azure compares names of vaults and keys without case. */
export function foldName(name: string): string {
    return name.toLowerCase();
}

/**
 * Why a vault can't move to another region; undefined if it doesn't.
 * Source: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview (a deleted vault keeps its name until it is purged)
 */
export function moveProblem(
    vault: { name: string; location?: string },
    to: { name: string; location?: string },
): string | undefined {
    const region = (location: string) => location.replaceAll(" ", "").toLowerCase();
    const moves =
        foldName(vault.name) === foldName(to.name) &&
        vault.location !== undefined &&
        to.location !== undefined &&
        region(vault.location) !== region(to.location);
    return moves
        ? `vault ${vault.name} is in ${vault.location} and can't move to ${to.location}: its name would stay taken there by what was deleted here. Give the vault in ${to.location} another name; its keys follow`
        : undefined;
}
