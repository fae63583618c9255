import {
    constants,
    createHash,
    createPublicKey,
    publicEncrypt,
    randomBytes,
    sign as nodeSign,
    verify as nodeVerify,
    type JsonWebKey as NodeJwk,
} from "node:crypto";
import type { JsonWebKey, KeyVaultKey } from "@azure/keyvault-keys";
import { ecKeyPair, rsaKeyPair } from "../keyPair";
import { startServer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

let server: Server;
beforeAll(async () => {
    server = await startServer();
});
afterAll(() => server.stop());

const bytes = (member: string | undefined) => Buffer.from(member ?? "", "base64url");

/** A private key of node:crypto as the SDK wants it. */
function sdkJwk(jwk: NodeJwk): JsonWebKey {
    const names = ["n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y"] as const;
    const members = names
        .filter((name) => jwk[name] !== undefined)
        .map((name) => [name, bytes(jwk[name] as string)]);
    const crv = jwk.crv === "secp256k1" ? "P-256K" : jwk.crv;
    return { kty: jwk.kty, ...(crv && { crv }), ...Object.fromEntries(members) } as JsonWebKey;
}

/** What the service returned as a public key, for node:crypto. */
function publicKeyOf({ key }: KeyVaultKey) {
    const { n, e, crv, x, y } = key ?? {};
    const text = (member?: Uint8Array) => member && Buffer.from(member).toString("base64url");
    const jwk = n
        ? { kty: "RSA", n: text(n), e: text(e) }
        : { kty: "EC", crv: crv === "P-256K" ? "secp256k1" : crv, x: text(x), y: text(y) };
    return createPublicKey({ key: jwk as NodeJwk, format: "jwk" });
}

async function drain<T>(iterable: AsyncIterable<T>): Promise<T[]> {
    const items: T[] = [];
    for await (const item of iterable) items.push(item);
    return items;
}

test("an application with the needed permissions uses a key as the SDK documents it", async () => {
    const token = server.token(["create", "GET", "update", "list", "delete", "recover", "purge"]);
    const client = server.client(token);
    const created = await client.createKey("Life", "RSA", { keySize: 2048, tags: { a: "b" } });
    expect(created).toMatchObject({
        name: "Life",
        keyType: "RSA",
        keyOperations: ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
        properties: {
            vaultUrl: server.vault.uri.slice(0, -1),
            enabled: true,
            tags: { a: "b" },
            recoverableDays: 90,
            recoveryLevel: "Recoverable+Purgeable",
            exportable: false,
            hsmPlatform: "0",
        },
    });
    expect(created.properties.version).toMatch(/^[0-9a-f]{32}$/);
    expect(Object.keys(created.key ?? {}).filter((name) => created.key?.[name as "d"])).toEqual(
        expect.not.arrayContaining(["d", "p", "q"]),
    );

    server.clock.time += 5000;
    const version = created.properties.version ?? "";
    const updated = await client.updateKeyProperties("life", version, { enabled: false });
    expect(updated.properties).toMatchObject({ enabled: false, tags: { a: "b" } });
    expect(updated.properties.createdOn).toEqual(created.properties.createdOn);
    expect(updated.properties.updatedOn?.getTime()).toBe(
        (created.properties.updatedOn?.getTime() ?? 0) + 5000,
    );
    expect((await client.getKey("LIFE")).properties.enabled).toBe(false);

    const second = await client.createRsaKey("life");
    expect((await client.getKey("Life")).id).toBe(second.id);
    expect((await client.getKey("Life", { version })).id).toBe(created.id);
    const versions = await drain(client.listPropertiesOfKeyVersions("Life"));
    expect(versions.map((one) => one.version)).toEqual([version, second.properties.version].sort());
    expect(await drain(client.listPropertiesOfKeyVersions("nobody"))).toEqual([]);

    const poller = await client.beginDeleteKey("Life", { intervalInMs: 1 });
    const deleted = await poller.pollUntilDone();
    expect(deleted.properties.recoveryId).toBe(`${server.vault.uri}deletedkeys/Life`);
    expect(deleted.properties.scheduledPurgeDate?.getTime()).toBe(
        (deleted.properties.deletedOn?.getTime() ?? 0) + 90 * 86400_000,
    );
    await expect(client.getKey("Life")).rejects.toMatchObject({ code: "KeyNotFound" });
    await expect(client.createKey("Life", "RSA")).rejects.toMatchObject({
        statusCode: 409,
        code: "Conflict",
    });
    expect((await drain(client.listDeletedKeys())).map((key) => key.name)).toEqual(["Life"]);

    await (await client.beginRecoverDeletedKey("Life", { intervalInMs: 1 })).pollUntilDone();
    expect((await client.getKey("Life")).id).toBe(second.id);
    expect((await client.getKey("Life", { version })).id).toBe(created.id);

    await (await client.beginDeleteKey("Life", { intervalInMs: 1 })).pollUntilDone();
    await client.purgeDeletedKey("Life");
    expect(await drain(client.listDeletedKeys())).toEqual([]);
    await expect(client.getDeletedKey("Life")).rejects.toMatchObject({ statusCode: 404 });
});

test("lists come in pages, by name and by version id, complete and without deleted keys", async () => {
    const lists = await startServer();
    try {
        const client = lists.client();
        const names = Array.from({ length: 7 }, (_, i) => `key-${i}`);
        for (const name of [...names].reverse()) await client.createEcKey(name);
        for (let i = 0; i < 5; i++) await client.createEcKey("key-3");
        await client.beginDeleteKey("key-5");
        const pages = await drain(client.listPropertiesOfKeys().byPage({ maxPageSize: 4 }));
        expect(pages.map((page) => page.map((key) => key.name))).toEqual([
            ["key-0", "key-1", "key-2", "key-3"],
            ["key-4", "key-6"],
        ]);
        const versions = await drain(
            client.listPropertiesOfKeyVersions("key-3").byPage({ maxPageSize: 2 }),
        );
        expect(versions.map((page) => page.length)).toEqual([2, 2, 2]);
        const ids = versions.flat().map((one) => one.version ?? "");
        expect(ids).toEqual([...new Set(ids)].sort());
    } finally {
        await lists.stop();
    }
});

test.each(["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"] as const)(
    "%s: what is encrypted with the public key decrypts, also wrapped and made by the service",
    async (alg) => {
        const client = server.client();
        const key = await client.createRsaKey(`encrypt-${alg.replace("_", "-")}`);
        const text = randomBytes(32);
        const padding =
            alg === "RSA1_5" ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_OAEP_PADDING;
        const oaepHash = alg === "RSA-OAEP" ? "sha1" : "sha256";
        const ciphertext = publicEncrypt({ key: publicKeyOf(key), padding, oaepHash }, text);
        const cryptography = server.cryptography(key.id ?? "");
        const decrypted = await cryptography.decrypt({ algorithm: alg, ciphertext });
        expect(Buffer.from(decrypted.result)).toEqual(text);
        expect(decrypted.keyID).toBe(key.id);
        const unwrapped = await cryptography.unwrapKey(alg, ciphertext);
        expect(Buffer.from(unwrapped.result)).toEqual(text);

        const value = text.toString("base64url");
        for (const [to, from] of [
            ["encrypt", "decrypt"],
            ["wrapKey", "UnwrapKey"],
        ]) {
            const made = await server.send("POST", `/keys/${key.name}//${to}`, { alg, value });
            expect(made.body.kid).toBe(key.id);
            const opened = await server.send("POST", `/keys/${key.name}/${from}`, {
                alg,
                value: made.body.value,
            });
            expect(opened.body).toEqual({ kid: key.id, value });
        }
    },
);

const message = Buffer.from("what is signed");
const digestOf = (bits: string) => createHash(`sha${bits}`).update(message).digest();

test("RS and PS signatures are what node:crypto verifies, and verify takes no other", async () => {
    const client = server.client();
    const key = await client.createRsaKey("sign-rsa", { keySize: 2048 });
    const cryptography = server.cryptography(key.id ?? "");
    for (const alg of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const) {
        const bits = alg.slice(2);
        const padding = alg.startsWith("PS")
            ? constants.RSA_PKCS1_PSS_PADDING
            : constants.RSA_PKCS1_PADDING;
        const { result } = await cryptography.sign(alg, digestOf(bits));
        const options = {
            key: publicKeyOf(key),
            padding,
            ...(alg.startsWith("PS") && { saltLength: constants.RSA_PSS_SALTLEN_DIGEST }),
        };
        expect(nodeVerify(`sha${bits}`, message, options, result)).toBe(true);
        await expectVerifies("sign-rsa", alg, digestOf(bits), Buffer.from(result));
    }
});

test.each([
    ["P-256", "ES256", "256"],
    ["P-256K", "ES256K", "256"],
    ["P-384", "ES384", "384"],
    ["P-521", "ES512", "512"],
] as const)("%s: %s signatures are what node:crypto verifies", async (curve, alg, bits) => {
    const key = await server.client().createEcKey(`sign-${curve}`, { curve });
    expect(key.keyOperations).toEqual(["sign", "verify"]);
    const { result } = await server.cryptography(key.id ?? "").sign(alg, digestOf(bits));
    const options = { key: publicKeyOf(key), dsaEncoding: "ieee-p1363" } as const;
    expect(nodeVerify(`sha${bits}`, message, options, result)).toBe(true);
    await expectVerifies(`sign-${curve}`, alg, digestOf(bits), Buffer.from(result));
});

test("of the two signatures that each ECDSA signature stands for, both verify", async () => {
    const { privateKey } = ecKeyPair("secp256k1");
    const jwk = sdkJwk(privateKey.export({ format: "jwk" }));
    await server.client().importKey("two-signatures", jwk);
    const signature = nodeSign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
    const order = BigInt("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    const s = order - BigInt(`0x${signature.toString("hex", 32)}`);
    const other = Buffer.from(s.toString(16).padStart(64, "0"), "hex");
    for (const value of [signature, Buffer.concat([signature.subarray(0, 32), other])])
        await expectVerifies("two-signatures", "ES256K", digestOf("256"), value);
});

async function expectVerifies(name: string, alg: string, digest: Buffer, signature: Buffer) {
    const verified = (d: Buffer, s: Buffer) =>
        server.send("POST", `/keys/${name}/verify`, {
            alg,
            digest: d.toString("base64url"),
            value: s.toString("base64url"),
        });
    const flipped = (data: Buffer) =>
        Buffer.concat([Buffer.of((data[0] ?? 0) ^ 1), data.subarray(1)]);
    expect((await verified(digest, signature)).body).toEqual({ value: true });
    expect((await verified(flipped(digest), signature)).body).toEqual({ value: false });
    expect((await verified(digest, flipped(signature))).body).toEqual({ value: false });
    expect((await verified(digest, signature.subarray(1))).body).toEqual({ value: false });
}

test("an imported RSA key is the same key, and a second import is its next version", async () => {
    const client = server.client();
    const first = rsaKeyPair(2048);
    const jwk = first.privateKey.export({ format: "jwk" });
    const padded = sdkJwk(jwk);
    padded.n = Buffer.concat([Buffer.of(0), padded.n ?? Buffer.of()]);
    const imported = await client.importKey("imported", padded, { tags: {} });
    expect(imported.keyType).toBe("RSA");
    expect(publicKeyOf(imported).equals(first.publicKey)).toBe(true);
    expect(imported.properties.tags).toEqual({});

    const second = rsaKeyPair(3072).privateKey;
    const hardware = await client.importKey("imported", sdkJwk(second.export({ format: "jwk" })), {
        hardwareProtected: true,
        enabled: false,
        notBefore: new Date("2030-01-01T00:00:00Z"),
    });
    expect(hardware.keyType).toBe("RSA-HSM");
    expect(hardware.properties).toMatchObject({
        enabled: false,
        hsmPlatform: "2",
        notBefore: new Date("2030-01-01T00:00:00Z"),
    });
    expect((await client.getKey("imported")).id).toBe(hardware.id);
    expect(hardware.properties.tags).toBeUndefined();

    const ciphertext = publicEncrypt(
        { key: first.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
        message,
    );
    const old = await server
        .cryptography(imported.id ?? "")
        .decrypt({ algorithm: "RSA-OAEP-256", ciphertext });
    expect(Buffer.from(old.result)).toEqual(message);
});

test.each(["P-256", "P-384", "P-521", "secp256k1"])("a %s key is imported", async (namedCurve) => {
    const { publicKey, privateKey } = ecKeyPair(namedCurve);
    const jwk = sdkJwk(privateKey.export({ format: "jwk" }));
    const imported = await server.client().importKey(`imported-${namedCurve}`, jwk);
    expect(imported.key?.crv).toBe(namedCurve === "secp256k1" ? "P-256K" : namedCurve);
    expect(publicKeyOf(imported).equals(publicKey)).toBe(true);
});
