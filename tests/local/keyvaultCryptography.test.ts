import { constants, publicEncrypt, randomBytes } from "node:crypto";
import { decrypt, sign, verify, type KeyPair } from "../../local/keyvault/cryptography";
import { keyMaterial } from "../../local/keyvault/keyMaterial";
import { rsaKeyPair } from "../keyPair";

const { privateKey, publicKey } = rsaKeyPair(2048);
const pair: KeyPair = { kty: "RSA", ...keyMaterial(privateKey) };

/** One of 256 begins with a zero; without it OpenSSL computes the same. */
function beginningWithZero(make: () => Buffer): Buffer {
    for (;;) {
        const bytes = make();
        if (bytes[0] === 0) return bytes;
    }
}

test("a signature without its leading zero is none", () => {
    const digest = randomBytes(32);
    const signature = beginningWithZero(() => sign(pair, "PS256", digest));
    expect(verify(pair, "PS256", digest, signature)).toBe(true);
    expect(verify(pair, "PS256", digest, signature.subarray(1))).toBe(false);
});

test.each([
    ["RSA1_5", { padding: constants.RSA_PKCS1_PADDING }],
    ["RSA-OAEP", { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" }],
])("%s: a ciphertext without its leading zero is none", (alg, options) => {
    const text = randomBytes(16);
    const ciphertext = beginningWithZero(() => publicEncrypt({ key: publicKey, ...options }, text));
    expect(decrypt(pair, alg, ciphertext)).toEqual(text);
    expect(() => decrypt(pair, alg, ciphertext.subarray(1))).toThrow("incorrect");
});
