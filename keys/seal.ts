import { hkdfSync } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from "jose";
import { KeymgmtError } from "./errors";

/** The 256-bit key under which secrets are stored and move through Pulumi. */
export interface SealKey {
    /** Names the key without telling anything of it: 16 hex digits. */
    id: string;
    bytes: Uint8Array;
}

/** What a sealed token is for; it opens only for the same words again. */
export type SealBinding = Readonly<Record<string, string>>;

const sealKeyBytes = 32;

/**
 * Reads a seal key: 32 bytes as base64url or base64 text.
 * @param text the text; white space around it is ignored
 * @param location where it was found, for the message
 * @throws KeymgmtError SEAL_KEY, which never quotes the text
 */
export function parseSealKey(text: string, location: string): SealKey {
    const trimmed = text.trim();
    const bytes = Buffer.from(trimmed, "base64url");
    if (!/^[\w+/-]+={0,2}$/.test(trimmed) || bytes.length !== sealKeyBytes) {
        throw new KeymgmtError(
            "SEAL_KEY",
            `The seal key in ${location} isn't one: expected 32 bytes as base64url text (43 characters), ` +
                `for example from: node -p "crypto.randomBytes(32).toString('base64url')"`,
        );
    }
    // HKDF (RFC 5869): outputs with other `info` tell nothing of the key.
    const id = hkdfSync("sha256", bytes, "", "keymgmt seal key id", 8);
    return { id: Buffer.from(id).toString("hex"), bytes };
}

/**
 * Seals secret bytes: JWE compact serialisation (RFC 7516), `dir` with `A256GCM`. The binding is in the protected header,
 * readable by all and covered by the authentication tag.
 */
export function seal(key: SealKey, secret: Uint8Array, binding: SealBinding): Promise<string> {
    return new CompactEncrypt(secret)
        .setProtectedHeader({ alg: "dir", enc: "A256GCM", kid: key.id, keymgmt: { ...binding } })
        .encrypt(key.bytes);
}

/**
 * Opens a sealed token.
 * @throws KeymgmtError SEALED_TOKEN when the seal key, the binding or the token is another
 */
export async function unseal(
    key: SealKey,
    token: string,
    binding: SealBinding,
): Promise<Uint8Array> {
    const wanted = describe(binding);
    const header = protectedHeader(token, wanted);
    if (header.kid !== key.id) {
        throw new KeymgmtError(
            "SEALED_TOKEN",
            `The sealed token (${wanted}) was sealed with seal key ${String(header.kid)}, but the one given is ${key.id}. Give the seal key that it was sealed with.`,
        );
    }
    if (!isDeepStrictEqual(header.keymgmt, { ...binding })) {
        throw new KeymgmtError(
            "SEALED_TOKEN",
            `A sealed token stands in the place of another one: expected ${wanted}, found ${describe(header.keymgmt as SealBinding)}. The state was changed by hand, or mixed up; restore it from a backup.`,
        );
    }
    try {
        const { plaintext } = await compactDecrypt(token, key.bytes, {
            keyManagementAlgorithms: ["dir"],
            contentEncryptionAlgorithms: ["A256GCM"],
        });
        return plaintext;
    } catch (cause) {
        throw new KeymgmtError(
            "SEALED_TOKEN",
            `The sealed token (${wanted}) is damaged: it doesn't authenticate under seal key ${key.id}. Restore the state from a backup.`,
            { cause },
        );
    }
}

function protectedHeader(token: string, wanted: string) {
    try {
        return decodeProtectedHeader(token);
    } catch (cause) {
        throw new KeymgmtError(
            "SEALED_TOKEN",
            `What should be a sealed token (${wanted}) isn't one. Restore the state from a backup.`,
            { cause },
        );
    }
}

function describe(binding: SealBinding | undefined): string {
    return Object.entries(binding ?? {})
        .map(([name, value]) => `${name} ${value}`)
        .sort()
        .join(", ");
}
