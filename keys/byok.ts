import { constants, createCipheriv, publicEncrypt, randomBytes, type KeyObject } from "node:crypto";

/** The key exchange key: an RSA-HSM key of the target vault whose only operation is `import`. */
export interface KeyExchangeKey {
    /** Its versioned key id (URL). */
    id: string;
    publicKey: KeyObject;
}

/**
 * The `.byok` file that carries a private key to an HSM, after
 * https://learn.microsoft.com/azure/key-vault/keys/byok-specification: RSA-OAEP(SHA-1) of a fresh AES-256 key, followed by the
 * private key under that AES key with AES key wrap with padding (RFC 5649). (PKCS#11 names the pair CKM_RSA_AES_KEY_WRAP.)
 * @param material PKCS#8 DER
 */
export function byokFile(kek: KeyExchangeKey, material: Uint8Array): Uint8Array {
    const aesKey = randomBytes(32);
    try {
        const wrappedAesKey = publicEncrypt(
            { key: kek.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" },
            aesKey,
        );
        // A65959A6 is the alternative initial value of RFC 5649, section 3.
        const wrap = createCipheriv("id-aes256-wrap-pad", aesKey, Buffer.from("A65959A6", "hex"));
        const ciphertext = Buffer.concat([wrappedAesKey, wrap.update(material), wrap.final()]);
        return Buffer.from(
            JSON.stringify({
                schema_version: "1.0.0",
                header: { kid: kek.id, alg: "dir", enc: "CKM_RSA_AES_KEY_WRAP" },
                ciphertext: ciphertext.toString("base64url"),
                generator: "keymgmt",
            }),
        );
    } finally {
        aesKey.fill(0);
    }
}
