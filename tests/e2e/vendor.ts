import {
    constants,
    createCipheriv,
    createPublicKey,
    publicEncrypt,
    randomBytes,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { KeyVaultKey } from "@azure/keyvault-keys";

/**
 * What a vendor's HSM tool writes for a key that never leaves it in plain, after
 * https://learn.microsoft.com/azure/key-vault/keys/byok-specification ; without any of the project's own code.
 * @param kek the key exchange key, in the vault that is to take it
 */
export function vendorsByokFile(kek: KeyVaultKey, privateKey: KeyObject): Buffer {
    const text = (bytes?: Uint8Array) => Buffer.from(bytes!).toString("base64url");
    const key = createPublicKey({
        key: { kty: "RSA", n: text(kek.key!.n), e: text(kek.key!.e) },
        format: "jwk",
    });
    const aes = randomBytes(32);
    const wrappedAes = publicEncrypt(
        { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" },
        aes,
    );
    // RFC 5649; its initial value is in section 3.
    const wrap = createCipheriv("id-aes256-wrap-pad", aes, Buffer.from("A65959A6", "hex"));
    const material = privateKey.export({ format: "der", type: "pkcs8" });
    const ciphertext = Buffer.concat([wrappedAes, wrap.update(material), wrap.final()]);
    return Buffer.from(
        JSON.stringify({
            schema_version: "1.0.0",
            header: { kid: kek.id, alg: "dir", enc: "CKM_RSA_AES_KEY_WRAP" },
            ciphertext: ciphertext.toString("base64url"),
            generator: "a vendor's HSM tool",
        }),
    );
}
