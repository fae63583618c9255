import {
    constants,
    createCipheriv,
    createDecipheriv,
    createPrivateKey,
    generateKeyPairSync,
    privateDecrypt,
    publicEncrypt,
    randomBytes,
    type JsonWebKey,
    type KeyLike,
    type KeyObject,
} from "node:crypto";

/** PKCS#8, PEM. */
export function rsaKey(modulusLength: number): string {
    return generateKeyPairSync("rsa", {
        modulusLength,
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs8", format: "pem" },
    }).privateKey;
}

const oaep = (key: KeyLike, oaepHash: string) => ({
    key,
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash,
});
/** RFC 5649, section 3. */
const kwpInitialValue = Buffer.from("A65959A6", "hex");

/** `key_hsm`: https://learn.microsoft.com/azure/key-vault/keys/byok-specification */
export function transferBlob(target: string, kek: { kid: string; publicKey: KeyLike }): string {
    const aes = randomBytes(32);
    const kwp = createCipheriv("id-aes256-wrap-pad", aes, kwpInitialValue);
    const der = createPrivateKey(target).export({ format: "der", type: "pkcs8" });
    const ciphertext = Buffer.concat([
        publicEncrypt(oaep(kek.publicKey, "sha1"), aes),
        kwp.update(der),
        kwp.final(),
    ]);
    const header = { kid: kek.kid, alg: "dir", enc: "CKM_RSA_AES_KEY_WRAP" };
    const blob = {
        schema_version: "1.0.0",
        header,
        ciphertext: ciphertext.toString("base64url"),
    };
    return Buffer.from(JSON.stringify(blob)).toString("base64url");
}

export const encrypted = (plaintext: Buffer, key: KeyLike) =>
    publicEncrypt(oaep(key, "sha256"), plaintext).toString("base64url");

/** What is kept of an imported key: checked, its public part derived. OpenSSL takes members that don't belong together. */
function checked(key: KeyObject): { n?: string; e?: string; pkcs8: string } {
    const jwk = key.export({ format: "jwk" });
    const { n, e } = jwk;
    if (!isConsistent(jwk)) throw new Error("Not an RSA key.");
    return { n, e, pkcs8: key.export({ format: "der", type: "pkcs8" }).toString("base64") };
}

/** RFC 8017, section 3.2. */
function isConsistent(jwk: JsonWebKey): boolean {
    const number = (member = "") => BigInt(`0x${Buffer.from(member, "base64url").toString("hex")}`);
    const [n, e, d] = [number(jwk.n), number(jwk.e), number(jwk.d)];
    const [p, q] = [number(jwk.p), number(jwk.q)];
    return (
        n === p * q &&
        (e * d) % (p - 1n) === 1n &&
        (e * d) % (q - 1n) === 1n &&
        number(jwk.dp) === d % (p - 1n) &&
        number(jwk.dq) === d % (q - 1n) &&
        (number(jwk.qi) * q) % p === 1n
    );
}

/** What no vault can do without: the cryptography of each operation, and nothing else. */
export const bareCryptography = {
    decrypt: (key: KeyLike, value: string) =>
        privateDecrypt(oaep(key, "sha256"), Buffer.from(value, "base64url")),
    import: (jwk: JsonWebKey) => checked(createPrivateKey({ key: jwk, format: "jwk" })),
    byok: (kek: KeyLike, keyHsm: string) => {
        const blob = JSON.parse(Buffer.from(keyHsm, "base64url").toString()) as {
            ciphertext: string;
        };
        const bytes = Buffer.from(blob.ciphertext, "base64url");
        const aes = privateDecrypt(oaep(kek, "sha1"), bytes.subarray(0, 512));
        const kwp = createDecipheriv("id-aes256-wrap-pad", aes, kwpInitialValue);
        const key = Buffer.concat([kwp.update(bytes.subarray(512)), kwp.final()]);
        return checked(createPrivateKey({ key, format: "der", type: "pkcs8" }));
    },
};
