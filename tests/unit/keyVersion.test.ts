import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { keyTypes, type KeyType } from "../../keys/keyType";
import {
    externalKeyVersion,
    generateKeyVersion,
    importedKeyVersion,
    openKeyVersion,
    sealMaterial,
} from "../../keys/keyVersion";
import { parseSealKey } from "../../keys/seal";

const sealKey = parseSealKey(Buffer.alloc(32, 7).toString("base64url"), "the test");
const createdAt = "2026-11-24T10:20:30.456Z";
const identityOf = (type: KeyType) => ({ key: "orders", type, version: 3 });
const newVersion = (type: KeyType) => generateKeyVersion(identityOf(type), sealKey, createdAt);

/** What each type is, by OpenSSL's names, and the members that its RFC 7638 thumbprint covers. */
const expectations: Record<KeyType, { details: object; members: string[] }> = {
    "rsa-2048": { details: { modulusLength: 2048, publicExponent: 65537n }, members: rsa() },
    "rsa-3072": { details: { modulusLength: 3072, publicExponent: 65537n }, members: rsa() },
    "rsa-4096": { details: { modulusLength: 4096, publicExponent: 65537n }, members: rsa() },
    "ecdsa-p256": { details: { namedCurve: "prime256v1" }, members: ec() },
    "ecdsa-p384": { details: { namedCurve: "secp384r1" }, members: ec() },
    "ecdsa-p521": { details: { namedCurve: "secp521r1" }, members: ec() },
    "ecdsa-secp256k1": { details: { namedCurve: "secp256k1" }, members: ec() },
};
function rsa() {
    return ["e", "kty", "n"];
}
function ec() {
    return ["crv", "kty", "x", "y"];
}

test.each(keyTypes)(
    "a version of type %s: its public key in PEM, its thumbprint, and the private key sealed",
    async (type) => {
        const version = await newVersion(type);
        expect(Object.keys(version).sort()).toEqual([
            "createdAt",
            "publicKey",
            "sealed",
            "thumbprint",
            "version",
        ]);
        expect(version.version).toBe(3);
        expect(version.createdAt).toBe("2026-11-24T10:20:30.456Z");

        expect(version.publicKey).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
        const publicKey = createPublicKey(version.publicKey);
        const { details, members } = expectations[type];
        expect(publicKey.asymmetricKeyDetails).toMatchObject(details);

        // RFC 7638, section 3: the required members, ordered by name, without white space.
        const jwk = publicKey.export({ format: "jwk" }) as Record<string, string>;
        const canonical = `{${members.map((name) => `"${name}":"${jwk[name]}"`).join(",")}}`;
        expect(version.thumbprint).toBe(createHash("sha256").update(canonical).digest("base64url"));

        const material = await openKeyVersion(identityOf(type), version.sealed, sealKey);
        const privateKey = createPrivateKey({
            key: Buffer.from(material),
            format: "der",
            type: "pkcs8",
        });
        expect(createPublicKey(privateKey).equals(publicKey)).toBe(true);
    },
    60_000,
);

test("the material opens only for the same key, type and version", async () => {
    const { sealed } = await newVersion("ecdsa-p256");
    const identity = identityOf("ecdsa-p256");
    for (const other of [
        { ...identity, key: "payments" },
        { ...identity, type: "ecdsa-p384" as const },
        { ...identity, version: 1 },
    ]) {
        await expect(openKeyVersion(other, sealed, sealKey)).rejects.toMatchObject({
            code: "SEALED_TOKEN",
        });
    }
});

test("no two versions have the same material, and no private bytes stand in one", async () => {
    const [first, second] = await Promise.all([newVersion("ecdsa-p256"), newVersion("ecdsa-p256")]);
    expect(first.thumbprint).not.toBe(second.thumbprint);
    const identity = identityOf("ecdsa-p256");
    const material = Buffer.from(await openKeyVersion(identity, first.sealed, sealKey));
    const { d } = createPrivateKey({ key: material, format: "der", type: "pkcs8" }).export({
        format: "jwk",
    });
    const text = JSON.stringify(first);
    const secret = Buffer.from(d!, "base64url");
    for (const encoding of ["hex", "base64", "base64url"] as const) {
        expect(text).not.toContain(secret.toString(encoding));
    }
});

describe("of a key from outside", () => {
    const identity = identityOf("ecdsa-p256");
    const outside = { publicKey: "a PEM", thumbprint: "a thumbprint" };

    test("an imported version holds its private key as a generated one does", async () => {
        const material = Buffer.from("a private key");
        const source = { ...outside, material };
        const { sealed, ...rest } = await importedKeyVersion(identity, source, sealKey, createdAt);
        expect(rest).toEqual({ version: 3, createdAt, ...outside, origin: "imported" });
        expect(await openKeyVersion(identity, sealed, sealKey)).toEqual(new Uint8Array(material));
    });

    test("an external version holds nothing sealed, and the file for its vault", () => {
        expect(externalKeyVersion(identity, { ...outside, byok: "e30" }, createdAt)).toEqual({
            version: 3,
            createdAt,
            ...outside,
            sealed: "",
            origin: "external",
            byok: "e30",
        });
    });
});

test("material sealed beforehand is a version's own, and no other's", async () => {
    const identity = identityOf("ecdsa-p256");
    const sealed = await sealMaterial(identity, Buffer.from("a private key"), sealKey);
    const opened = await openKeyVersion(identity, sealed, sealKey);
    expect(Buffer.from(opened).toString()).toBe("a private key");
    await expect(
        openKeyVersion({ ...identity, version: 4 }, sealed, sealKey),
    ).rejects.toMatchObject({ code: "SEALED_TOKEN" });
});
