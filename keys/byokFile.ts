import { KeymgmtError } from "./errors";

/** Where a .byok file belongs. */
export interface ByokTarget {
    /** The key exchange key's versioned id (URL). */
    kid: string;
    /** The host of its vault, as in the id: the only one that can open the file. */
    vaultHost: string;
}

/** Ten times what an RSA key of 4096 bits needs. */
const mostBytes = 64 * 1024;

const keyVersionId = /^https:\/\/[^/?#@\\\s]+\/keys\/[0-9A-Za-z-]{1,127}\/[0-9A-Za-z]+$/;

/**
 * Reads what a .byok file that was made elsewhere tells without the vault's key: its form is that of
 * https://learn.microsoft.com/azure/key-vault/keys/byok-specification.
 * @param what where it was found and what it is to be, as in "file:hsm.byok for version 2 of key rsa-1"
 * @throws KeymgmtError KEY_MATERIAL
 */
export function parseByokFile(bytes: Uint8Array, what: string): ByokTarget {
    if (bytes.length > mostBytes) {
        throw refusal(what, `it has ${bytes.length} bytes, and at most ${mostBytes} are taken`);
    }
    const file = membersOf(parseJson(bytes, what));
    const { kid, alg, enc } = membersOf(file.header);
    if (file.schema_version !== "1.0.0") {
        throw refusal(what, `its schema_version isn't "1.0.0"`);
    }
    if (alg !== "dir" || enc !== "CKM_RSA_AES_KEY_WRAP") {
        throw refusal(what, `its header doesn't say alg "dir" and enc "CKM_RSA_AES_KEY_WRAP"`);
    }
    if (typeof kid !== "string" || !keyVersionId.test(kid) || !URL.canParse(kid)) {
        throw refusal(
            what,
            "its header.kid isn't the id of a version of a key: https://VAULT/keys/NAME/VERSION",
        );
    }
    if (typeof file.ciphertext !== "string" || !/^[\w-]+$/.test(file.ciphertext)) {
        throw refusal(what, "its ciphertext isn't base64url text");
    }
    return { kid, vaultHost: new URL(kid).host };
}

function parseJson(bytes: Uint8Array, what: string): unknown {
    try {
        return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
        throw refusal(what, "it isn't JSON in UTF-8");
    }
}

function membersOf(value: unknown): Record<string, unknown> {
    return typeof value === "object" && value !== null ? { ...value } : {};
}

function refusal(what: string, problem: string): KeymgmtError {
    return new KeymgmtError(
        "KEY_MATERIAL",
        `${what}: this isn't a .byok file that Azure takes: ${problem}. Make it again with the HSM's own tool, for the vault's key exchange key.`,
    );
}
