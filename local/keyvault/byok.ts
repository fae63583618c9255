import { constants, createDecipheriv, privateDecrypt, type KeyObject } from "node:crypto";
import { z } from "zod";
import { errors } from "./errors";

/** https://learn.microsoft.com/azure/key-vault/keys/byok-specification#key-transfer-blob */
const transferBlob = z.object({
    schema_version: z.literal("1.0.0"),
    header: z.object({
        kid: z.string(),
        alg: z.literal("dir"),
        enc: z.literal("CKM_RSA_AES_KEY_WRAP"),
    }),
    ciphertext: z.string().regex(/^[A-Za-z0-9_-]+={0,2}$/),
    generator: z.string().optional(),
});
export type TransferBlob = z.infer<typeof transferBlob>;

/** Reads `key_hsm`: the whole .byok file in base64 (documentation) or base64url (specification and SDKs). */
export function readTransferBlob(keyHsm: string): TransferBlob {
    if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(keyHsm))
        throw errors.invalidTransferBlob("it is neither base64 nor base64url");
    const blob = transferBlob.safeParse(parseJson(Buffer.from(keyHsm, "base64").toString()));
    if (!blob.success) {
        const member = blob.error.issues[0]?.path.join(".");
        throw errors.invalidTransferBlob(
            member ? `${member} is missing or not as specified` : "it is not a JSON object",
        );
    }
    return blob.data;
}

function parseJson(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}

/** The KEK that a blob names, if it is one of this vault: `<vault>/keys/<name>/<version>`. */
export function kekOf(
    blob: TransferBlob,
    vaultUri: string,
): { name: string; version: string } | undefined {
    if (!URL.canParse(blob.header.kid)) return undefined;
    const kid = new URL(blob.header.kid);
    const [, name, version] = /^\/keys\/([0-9a-z-]+)\/([0-9a-z]+)$/i.exec(kid.pathname) ?? [];
    return name && version && kid.origin === new URL(vaultUri).origin
        ? { name, version }
        : undefined;
}

/**
 * The target key in PKCS#8: RSA-OAEP (SHA-1) of an AES-256 key, as long as the modulus, then the target wrapped
 * with that key by AES-KWP (RFC 5649), which is PKCS#11's CKM_RSA_AES_KEY_WRAP.
 */
export function unwrapTarget(kek: KeyObject, ciphertext: string): Buffer {
    const bytes = Buffer.from(ciphertext, "base64url");
    const modulusBytes = (kek.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
    try {
        const aesKey = privateDecrypt(
            { key: kek, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" },
            bytes.subarray(0, modulusBytes),
        );
        // The initial value of RFC 5649, section 3.
        const kwp = createDecipheriv("id-aes256-wrap-pad", aesKey, Buffer.from("A65959A6", "hex"));
        return Buffer.concat([kwp.update(bytes.subarray(modulusBytes)), kwp.final()]);
    } catch {
        throw errors.invalidTransferBlob(
            "its ciphertext doesn't unwrap with the key exchange key that it names (RSA-OAEP with SHA-1, then AES-256-KWP)",
        );
    }
}
