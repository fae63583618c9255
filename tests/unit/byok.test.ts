import {
    constants,
    createDecipheriv,
    createPrivateKey,
    createPublicKey,
    privateDecrypt,
    randomBytes,
    type KeyObject,
} from "node:crypto";
import { byokFile } from "../../keys/byok";
import { ecKeyPair, rsaKeyPair } from "../keyPair";

const kekId = "https://learn-keyvault.vault.azure.net/keys/keymgmt-kek/0123456789abcdef";
const kek = rsaKeyPair(2048);
const kekBytes = 256;

interface ByokFile {
    schema_version: string;
    header: Record<string, string>;
    ciphertext: string;
    generator: string;
}

function written(material: Uint8Array, publicKey: KeyObject = kek.publicKey) {
    const bytes = byokFile({ id: kekId, publicKey }, material);
    const file = JSON.parse(Buffer.from(bytes).toString()) as ByokFile;
    return { file, ciphertext: Buffer.from(file.ciphertext, "base64url") };
}

function aesKeyOf(ciphertext: Buffer): Buffer {
    return privateDecrypt(
        {
            key: kek.privateKey,
            padding: constants.RSA_PKCS1_OAEP_PADDING,
            oaepHash: "sha1",
        },
        ciphertext.subarray(0, kekBytes),
    );
}

/** What an HSM does; RFC 5649 done by hand, so that it can't share a mistake with the code under test. */
function unwrapped(ciphertext: Buffer): Buffer {
    const wrapped = ciphertext.subarray(kekBytes);
    const aes = (block: Buffer) => {
        const decipher = createDecipheriv("aes-256-ecb", aesKeyOf(ciphertext), null);
        decipher.setAutoPadding(false);
        return Buffer.concat([decipher.update(block), decipher.final()]);
    };
    // RFC 3394, section 2.2.2 (index based unwrapping).
    const n = wrapped.length / 8 - 1;
    let a = wrapped.subarray(0, 8);
    const r = Array.from({ length: n }, (_, i) => wrapped.subarray(8 * (i + 1), 8 * (i + 2)));
    for (let j = 5; j >= 0; j--) {
        for (let i = n; i >= 1; i--) {
            const t = Buffer.alloc(8);
            t.writeBigUInt64BE(BigInt(n * j + i));
            const block = aes(Buffer.concat([a.map((byte, at) => byte ^ t[at]!), r[i - 1]!]));
            a = block.subarray(0, 8);
            r[i - 1] = block.subarray(8);
        }
    }
    // RFC 5649, section 3: constant, then the length of what was wrapped.
    expect(a.subarray(0, 4).toString("hex")).toBe("a65959a6");
    const length = a.readUInt32BE(4);
    const padded = Buffer.concat(r);
    expect(padded.length - length).toBeLessThan(8);
    expect(padded.subarray(length).every((byte) => byte === 0)).toBe(true);
    return padded.subarray(0, length);
}

const materialOf = (key: KeyObject) => key.export({ format: "der", type: "pkcs8" });
const rsa = materialOf(rsaKeyPair(2048).privateKey);
const ec = (curve: string) => materialOf(ecKeyPair(curve).privateKey);

test("is the JSON of the BYOK specification, for the KEK of that id", () => {
    const { file } = written(ec("P-256"));
    expect(file).toEqual({
        schema_version: "1.0.0",
        header: { kid: kekId, alg: "dir", enc: "CKM_RSA_AES_KEY_WRAP" },
        ciphertext: expect.stringMatching(/^[\w-]+$/) as string,
        generator: "keymgmt",
    });
});

test.each([
    ["RSA-2048", rsa],
    ["EC P-256", ec("P-256")],
    ["EC P-384", ec("P-384")],
    ["EC P-521", ec("P-521")],
])("the HSM gets %s back, as it was", (_type, material) => {
    const { ciphertext } = written(material);
    expect(aesKeyOf(ciphertext)).toHaveLength(32);
    const opened = unwrapped(ciphertext);
    expect(opened.equals(material)).toBe(true);
    createPrivateKey({ key: opened, format: "der", type: "pkcs8" });
});

test("has the sizes of files that Azure takes, with a KEK of 4096 bits", () => {
    // Only encrypted with, so any number of that size does, and needs no prime factors.
    const n = Buffer.concat([Buffer.from([0xff]), randomBytes(510), Buffer.from([1])]);
    const large = createPublicKey({
        key: { kty: "RSA", n: n.toString("base64url"), e: "AQAB" },
        format: "jwk",
    });
    const typicalRsa2048 = Buffer.alloc(1218);
    expect(written(typicalRsa2048, large).ciphertext).toHaveLength(1744);
    expect(written(ec("P-256"), large).ciphertext).toHaveLength(664);
});

test("takes a fresh AES key each time", () => {
    const material = ec("P-256");
    const keys = [1, 2, 3].map(() => aesKeyOf(written(material).ciphertext).toString("hex"));
    expect(new Set(keys).size).toBe(3);
});

test("has no part of the material in it, and leaves the material as it was", () => {
    const material = ec("P-256");
    const before = Buffer.from(material);
    const { file, ciphertext } = written(material);
    expect(material.equals(before)).toBe(true);
    const secret = Buffer.from(
        createPrivateKey({ key: material, format: "der", type: "pkcs8" }).export({ format: "jwk" })
            .d!,
        "base64url",
    );
    expect(ciphertext.includes(secret)).toBe(false);
    expect(JSON.stringify(file)).not.toContain(secret.toString("hex"));
});
