import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { startServer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

const backupKey = randomBytes(32);
let server: Server;
let other: Server;
beforeAll(async () => {
    server = await startServer({}, { backupKey });
    other = await startServer({ name: "other" }, { backupKey });
});
afterAll(async () => {
    await server.stop();
    await other.stop();
});

const restore = (to: Server, value: unknown) => to.send("POST", "/keys/restore", { value });
async function backup(name: string): Promise<string> {
    const { status, body } = await server.send("POST", `/keys/${name}/backup`);
    expect(status).toBe(200);
    return body.value as string;
}

test("a key comes back with its versions, tags, dates and policy, in another vault too", async () => {
    await server.send("POST", "/keys/Whole/create", { kty: "RSA" });
    server.clock.time += 5000;
    const tags = { a: "b" };
    const attributes = { enabled: false, exp: 4000000000 };
    await server.send("POST", "/keys/whole/create", { kty: "EC", tags, attributes });
    await server.send("PUT", "/keys/whole/rotationpolicy", { attributes: { expiryTime: "P90D" } });
    const read = async (from: Server) =>
        JSON.stringify([
            (await from.send("GET", "/keys/whole")).body,
            (await from.send("GET", "/keys/whole/versions")).body,
            (await from.send("GET", "/keys/whole/rotationpolicy")).body,
        ]).replaceAll(from.vault.uri, "https://vault/");
    const before = await read(server);
    const blob = await backup("whole");

    const moved = await restore(other, blob);
    expect(moved.status).toBe(200);
    expect(moved.body.key.kid).toContain(`${other.vault.uri}keys/Whole/`);
    expect(moved.body).toMatchObject({ tags, attributes });
    expect(await read(other)).toBe(before);

    await server.send("DELETE", "/keys/whole");
    await server.send("DELETE", "/deletedkeys/whole");
    expect((await restore(server, blob)).status).toBe(200);
    expect(await read(server)).toBe(before);
});

test("with the SDK: what the restored key signs, the first one's public key verifies", async () => {
    const client = server.client();
    const { key } = await client.createEcKey("signs");
    const blob = await client.backupKey("signs");
    const restored = await other.client().restoreKeyBackup(blob ?? Buffer.of());
    const message = Buffer.from("signed after the restore");
    const digest = createHash("sha256").update(message).digest();
    const { result } = await other.cryptography(restored.id ?? "").sign("ES256", digest);
    const text = (member?: Uint8Array) => Buffer.from(member ?? []).toString("base64url");
    const jwk = { kty: "EC", crv: "P-256", x: text(key?.x), y: text(key?.y) };
    const publicKey = createPublicKey({ key: jwk, format: "jwk" });
    expect(verify("sha256", message, { key: publicKey, dsaEncoding: "ieee-p1363" }, result)).toBe(
        true,
    );
});

test("a backup shows nothing of the key, and is another each time", async () => {
    const { body } = await server.send("POST", "/keys/opaque/create", { kty: "EC" });
    const blobs = [await backup("opaque"), await backup("opaque")];
    expect(blobs[0]).not.toBe(blobs[1]);
    const parts = Buffer.from(blobs[0] ?? "", "base64url")
        .toString()
        .replace("&AzureKeyVaultKeyBackupV1.microsoft.com", "")
        .split(".")
        .map((part) => Buffer.from(part, "base64url").toString("latin1"));
    for (const word of ["opaque", "pkcs8", body.key.x]) expect(parts.join()).not.toContain(word);
});

const corrupt = { code: "Malformed backup blob", message: "Backup blob is corrupt." };
const ofOtherVersion = {
    code: "Malformed backup blob",
    message: "Backup blob contains invalid or corrupt version.",
};

test("what isn't a backup of this subscription, or was changed, is refused", async () => {
    await server.send("POST", "/keys/refused/create", { kty: "EC" });
    const blob = await backup("refused");
    await server.send("DELETE", "/keys/refused");
    await server.send("DELETE", "/deletedkeys/refused");
    const stranger = await startServer();
    try {
        expect((await restore(stranger, blob)).body.error).toEqual(corrupt);
    } finally {
        await stranger.stop();
    }
    const text = Buffer.from(blob, "base64url").toString();
    const at = Math.floor(text.length / 2);
    const flipped = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    for (const [changed, error] of [
        [flipped, corrupt],
        [text.slice(0, -8), corrupt],
        [text.replace(/com[^.]+/, "come30"), corrupt],
        [text.slice(0, 38), corrupt],
        ["", corrupt],
        ["{}", corrupt],
        [text.replace("V1", "V2"), ofOtherVersion],
        ["\0", ofOtherVersion],
    ] as const) {
        const { status, body } = await restore(server, Buffer.from(changed).toString("base64url"));
        expect([status, body.error]).toEqual([400, error]);
    }
    expect((await restore(server, undefined)).body.error.code).toBe("BadParameter");
    expect((await server.send("GET", "/keys/refused")).status).toBe(404);
    expect((await restore(server, blob)).status).toBe(200);
});

test("a standard vault takes no HSM key", async () => {
    await server.send("POST", "/keys/hsm/create", { kty: "EC-HSM" });
    const blob = await backup("hsm");
    other.state.vault = { ...other.vault, sku: "standard" };
    try {
        expect((await restore(other, blob)).body.error.message).toContain("standard vault");
    } finally {
        other.state.vault = other.vault;
    }
    expect((await other.send("GET", "/keys/hsm")).status).toBe(404);
});

test("a key that is restored late isn't rotated for the time that it was a backup", async () => {
    await server.send("POST", "/keys/late/create", { kty: "EC" });
    await server.send("PUT", "/keys/late/rotationpolicy", {
        lifetimeActions: [{ trigger: { timeAfterCreate: "P30D" }, action: { type: "Rotate" } }],
    });
    const blob = await backup("late");
    const start = other.clock.time;
    try {
        other.clock.time += 300 * 86400_000;
        await restore(other, blob);
        expect((await other.send("GET", "/keys/late/versions")).body.value).toHaveLength(2);
    } finally {
        other.clock.time = start;
    }
});

test("more than 500 versions can't be backed up", async () => {
    await server.send("POST", "/keys/many/create", { kty: "EC" });
    const records = server.store.collection<{ versions: unknown[] }>(
        `keyvault/keys/${server.vault.name.toLowerCase()}`,
    );
    const record = records.get("many") ?? { versions: [] };
    const many = (length: number) => ({
        ...record,
        versions: Array(length).fill(record.versions[0]),
    });
    await records.put("many", many(500));
    await backup("many");
    await records.put("many", many(501));
    const { status, body } = await server.send("POST", "/keys/many/backup");
    expect([status, body.error.code]).toEqual([400, "BadParameter"]);
});
