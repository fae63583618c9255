import type { Protection } from "../../keys/keyType";

/** Source: https://learn.microsoft.com/azure/templates/microsoft.keyvault/vaults (Permissions.keys) */
export const allKeyPermissions = [
    "get",
    "list",
    "create",
    "import",
    "update",
    "delete",
    "recover",
    "purge",
    "backup",
    "restore",
    "encrypt",
    "decrypt",
    "sign",
    "verify",
    "wrapKey",
    "unwrapKey",
    "release",
    "rotate",
    "getrotationpolicy",
    "setrotationpolicy",
] as const;
export type KeyPermission = (typeof allKeyPermissions)[number];

/**
 * The key permissions that distributing takes, and no more: `list` and `get` to compare, `import` to bring versions in, `update` for
 * purposes and for enabling, `delete` to end a distribution, `recover` to take a name up again after that; `create` only for
 * the key exchange key, so only where a copy is HSM-protected.
 * @param protections those of the copies in the vault
 */
export function keyPermissions(protections: readonly Protection[]): KeyPermission[] {
    const all: KeyPermission[] = ["get", "list", "import", "update", "delete", "recover"];
    return protections.includes("hsm") ? [...all, "create"] : all;
}
