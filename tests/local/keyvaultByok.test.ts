import {
    constants,
    createCipheriv,
    createPublicKey,
    publicEncrypt,
    randomBytes,
    type KeyObject,
} from "node:crypto";
import fc from "fast-check";
import { ecKeyPair, rsaKeyPair } from "../keyPair";
import { startServer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

let server: Server;
let kek: { kid: string; publicKey: KeyObject };
const rsa = rsaKeyPair(2048);
const ec = ecKeyPair("P-384");

beforeAll(async () => {
    server = await startServer();
    kek = await createKek("kek");
});
afterAll(() => server.stop());

async function createKek(name: string) {
    const { body } = await server.send("POST", `/keys/${name}/create`, {
        kty: "RSA-HSM",
        key_size: 2048,
        key_ops: ["import"],
    });
    return { kid: body.key.kid, publicKey: publicKeyOf(body.key) };
}

function publicKeyOf({ kty, ...members }: Record<string, string>) {
    return createPublicKey({
        key: { ...members, kty: kty?.slice(0, 3).replace("-", "") },
        format: "jwk",
    });
}

/** A .byok file as the specification describes it, but for what a test changes. */
function byok({
    target = rsa.privateKey,
    to = kek.publicKey,
    kid = kek.kid,
    oaepHash = "sha1",
    cipher = "id-aes256-wrap-pad",
    iv = "A65959A6",
    change = (ciphertext: Buffer) => ciphertext,
    header = {},
}: {
    target?: KeyObject;
    to?: KeyObject;
    kid?: string;
    oaepHash?: string;
    cipher?: string;
    iv?: string;
    change?: (ciphertext: Buffer) => Buffer;
    header?: object;
} = {}): string {
    const aesKey = randomBytes(32);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const wrap = createCipheriv(cipher, aesKey, Buffer.from(iv, "hex"));
    const der = target.export({ format: "der", type: "pkcs8" });
    // AES-KW takes whole blocks of eight bytes only.
    const whole = cipher.endsWith("pad")
        ? der
        : Buffer.concat([der, Buffer.alloc(-der.length & 7)]);
    const ciphertext = Buffer.concat([
        publicEncrypt({ key: to, padding, oaepHash }, aesKey),
        wrap.update(whole),
        wrap.final(),
    ]);
    return JSON.stringify({
        schema_version: "1.0.0",
        header: { kid, alg: "dir", enc: "CKM_RSA_AES_KEY_WRAP", ...header },
        ciphertext: change(ciphertext).toString("base64url"),
        generator: "a test",
    });
}

const importBlob = (name: string, file: string, key: object = {}) =>
    server.send("PUT", `/keys/${name}`, {
        key: { kty: "RSA-HSM", key_hsm: Buffer.from(file).toString("base64url"), ...key },
    });

test("a KEK can import and nothing else, and lasts two days", async () => {
    const { body } = await server.send("GET", "/keys/kek");
    expect(body.key.key_ops).toEqual(["import"]);
    expect(body.attributes.exp).toBe(body.attributes.created + 48 * 3600);
});

test.each(["base64", "base64url"] as const)("an RSA key arrives: blob in %s", async (encoding) => {
    const { status, body } = await importBlob(`rsa-${encoding}`, "", {
        key_ops: ["decrypt", "encrypt"],
        key_hsm: Buffer.from(byok()).toString(encoding),
    });
    expect(status).toBe(200);
    expect(body.key).toMatchObject({ kty: "RSA-HSM", key_ops: ["decrypt", "encrypt"] });
    expect(body.attributes.hsmPlatform).toBe("2");
    expect(publicKeyOf(body.key).equals(rsa.publicKey)).toBe(true);

    const text = Buffer.from("opened by the imported key");
    const value = publicEncrypt({ key: rsa.publicKey, oaepHash: "sha256" }, text);
    const opened = await server.send("POST", `/keys/rsa-${encoding}/decrypt`, {
        alg: "RSA-OAEP-256",
        value: value.toString("base64url"),
    });
    expect(opened.body.value).toBe(text.toString("base64url"));
});

test.each(["P-256", "P-384", "P-521"])("an EC key arrives: %s", async (namedCurve) => {
    const { publicKey, privateKey } = ecKeyPair(namedCurve);
    const { status, body } = await importBlob(`ec-${namedCurve}`, byok({ target: privateKey }), {
        kty: "EC-HSM",
        crv: namedCurve,
    });
    expect(status).toBe(200);
    expect(body.key).toMatchObject({ kty: "EC-HSM", crv: namedCurve, key_ops: ["sign", "verify"] });
    expect(publicKeyOf(body.key).equals(publicKey)).toBe(true);
});

test("the SDK's way: key_hsm in `t`", async () => {
    const imported = await server.client().importKey("by-sdk", {
        kty: "RSA-HSM",
        keyOps: ["sign"],
        t: Buffer.from(byok()),
    });
    expect(imported.keyOperations).toEqual(["sign"]);
    expect(Buffer.from(imported.key?.n ?? []).toString("base64url")).toBe(
        rsa.publicKey.export({ format: "jwk" }).n,
    );
});

/** Every refusal leaves no key behind. */
async function expectRefused(file: string, status: number, code: string, key: object = {}) {
    const name = `refused-${randomBytes(4).toString("hex")}`;
    const answer = await importBlob(name, file, key);
    expect([answer.status, answer.body.error.innererror?.code ?? answer.body.error.code]).toEqual([
        status,
        code,
    ]);
    expect((await server.send("GET", `/keys/${name}`)).status).toBe(404);
    return answer.body.error.message;
}

const flipBit = (at: number) => (ciphertext: Buffer) => {
    const changed = Buffer.from(ciphertext);
    changed.writeUInt8((changed.at(at) ?? 0) ^ 1, at < 0 ? changed.length + at : at);
    return changed;
};

test("a blob that doesn't unwrap is refused", async () => {
    const other = await createKek("other-kek");
    for (const file of [
        byok({ to: other.publicKey }),
        byok({ oaepHash: "sha256" }),
        byok({ cipher: "id-aes256-wrap", iv: "A6A6A6A6A6A6A6A6" }),
        byok({ change: flipBit(0) }),
        byok({ change: flipBit(255) }),
        byok({ change: flipBit(256) }),
        byok({ change: flipBit(700) }),
        byok({ change: flipBit(-1) }),
        byok({ change: (ciphertext) => ciphertext.subarray(0, -8) }),
        byok({ change: (ciphertext) => ciphertext.subarray(0, 200) }),
    ])
        expect(await expectRefused(file, 400, "BadParameter")).toContain("doesn't unwrap");
});

test("a bit that flipped anywhere in the ciphertext, or an end that is missing: refused, and nothing is stored", async () => {
    const whole = byok();
    const { ciphertext } = JSON.parse(whole) as { ciphertext: string };
    const sealed = Buffer.from(ciphertext, "base64url");
    const refuses = async (changed: Buffer) => {
        const file = whole.replace(ciphertext, changed.toString("base64url"));
        const { status, body } = await importBlob("never", file);
        expect([status, body.error?.code]).toEqual([400, "BadParameter"]);
    };
    const damage = fc.oneof(
        fc.nat(sealed.length * 8 - 1).map((bit) => {
            const changed = Buffer.from(sealed);
            changed.writeUInt8((sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
            return changed;
        }),
        fc.nat(sealed.length - 1).map((length) => sealed.subarray(0, length)),
    );
    await fc.assert(fc.asyncProperty(damage, refuses), { numRuns: 200 });
    expect((await server.send("GET", "/keys/never")).status).toBe(404);
    expect((await server.send("GET", "/deletedkeys/never")).status).toBe(404);
    expect((await importBlob("never", whole)).status).toBe(200);
});

test("the KEK of another vault is refused, also where this vault has one of the same name", async () => {
    const other = await startServer({ name: "other" });
    try {
        const { body } = await other.send("POST", "/keys/kek/create", {
            kty: "RSA-HSM",
            key_ops: ["import"],
        });
        const to = publicKeyOf(body.key);
        const reason = await expectRefused(byok({ kid: body.key.kid, to }), 400, "BadParameter");
        expect(reason).toContain("header.kid");
        const path = new URL(body.key.kid).pathname.slice(1);
        const misnamed = byok({ kid: server.vault.uri + path, to });
        expect(await expectRefused(misnamed, 400, "BadParameter")).toContain("header.kid");
        const wrongKey = await expectRefused(byok({ to }), 400, "BadParameter");
        expect(wrongKey).toContain("doesn't unwrap");
    } finally {
        await other.stop();
    }
});

test("a blob that isn't as specified is refused", async () => {
    for (const [file, reason] of [
        [byok().slice(0, -10), "not a JSON object"],
        [JSON.stringify("text"), "not a JSON object"],
        [byok({ header: { alg: "RSA-OAEP" } }), "header.alg"],
        [byok({ header: { enc: "A256KW" } }), "header.enc"],
        [byok().replace("1.0.0", "2.0.0"), "schema_version"],
        [byok().replace('"ciphertext":"', '"ciphertext":"*'), "ciphertext"],
        [byok({ kid: `${kek.kid.slice(0, -32)}${"0".repeat(32)}` }), "header.kid"],
        [byok({ kid: kek.kid.replace("https://127.0.0.1", "https://127.0.0.2") }), "header.kid"],
        [byok({ kid: "kek" }), "header.kid"],
    ] as const)
        expect(await expectRefused(file, 400, "BadParameter")).toContain(reason);
    await expectRefused("", 400, "BadParameter", { key_hsm: "not base64!" });
});

test("a target of another type, curve or protection is refused", async () => {
    await expectRefused(byok(), 400, "BadParameter", { kty: "EC-HSM", crv: "P-256" });
    await expectRefused(byok({ target: ec.privateKey }), 400, "BadParameter");
    for (const crv of ["P-256", undefined])
        await expectRefused(byok({ target: ec.privateKey }), 400, "BadParameter", {
            kty: "EC-HSM",
            crv,
        });
    await expectRefused(byok(), 400, "BadParameter", { kty: "RSA" });
    const small = rsaKeyPair(1024).privateKey;
    await expectRefused(byok({ target: small }), 400, "BadParameter");
});

test("a KEK has to be for import, enabled and in its time", async () => {
    const { body } = await server.send("POST", "/keys/no-kek/create", { kty: "RSA-HSM" });
    const notKek = { kid: body.key.kid, to: publicKeyOf(body.key) };
    await expectRefused(byok(notKek), 403, "KeyOperationForbidden");

    const disabled = await createKek("disabled-kek");
    await server.send("PATCH", "/keys/disabled-kek", { attributes: { enabled: false } });
    await expectRefused(byok({ kid: disabled.kid, to: disabled.publicKey }), 403, "KeyDisabled");

    const expired = await createKek("expired-kek");
    server.clock.time += 48 * 3600_000 - 1000;
    expect(
        (await importBlob("just-in-time", byok({ kid: expired.kid, to: expired.publicKey })))
            .status,
    ).toBe(200);
    server.clock.time += 1000;
    await expectRefused(byok({ kid: expired.kid, to: expired.publicKey }), 403, "KeyExpired");
    server.clock.time -= 48 * 3600_000;

    const deleted = await createKek("deleted-kek");
    await server.send("DELETE", "/keys/deleted-kek");
    await expectRefused(byok({ kid: deleted.kid, to: deleted.publicKey }), 400, "BadParameter");
});
