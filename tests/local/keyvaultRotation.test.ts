import { Keys } from "../../local/keyvault/keys";
import { KeyRecords } from "../../local/keyvault/records";
import { durationSeconds } from "../../local/keyvault/rotation";
import type { Store } from "../../local/store";
import { startServer, type Answer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

let server: Server;
beforeAll(async () => {
    server = await startServer();
});
afterAll(() => server.stop());

const day = 86400;
let count = 0;
async function create(body: object = { kty: "EC" }): Promise<{ name: string; answer: Answer }> {
    const name = `key-${count++}`;
    return { name, answer: await server.send("POST", `/keys/${name}/create`, body) };
}
const rotate = (name: string) => server.send("POST", `/keys/${name}/rotate`);
const get = async (name: string) => (await server.send("GET", `/keys/${name}`)).body;
const policyOf = async (name: string) =>
    (await server.send("GET", `/keys/${name}/rotationpolicy`)).body as unknown;
const setPolicy = (name: string, policy: object) =>
    server.send("PUT", `/keys/${name}/rotationpolicy`, policy);
const now = () => Math.floor(server.clock.now() / 1000);
const pass = (days: number) => (server.clock.time += days * day * 1000);
/** Of the versions' creation, oldest first. */
async function creationTimes(name: string): Promise<number[]> {
    const { value } = (await server.send("GET", `/keys/${name}/versions`)).body;
    const times = (value as Answer["body"][]).map(({ attributes }) => attributes.created);
    return times.sort((a, b) => a - b);
}

const rotateAfter = (timeAfterCreate: string, expiryTime?: string) => ({
    lifetimeActions: [{ trigger: { timeAfterCreate }, action: { type: "Rotate" } }],
    attributes: { expiryTime },
});
const rotateBefore = (timeBeforeExpiry: string, expiryTime?: string) => ({
    lifetimeActions: [{ trigger: { timeBeforeExpiry }, action: { type: "Rotate" } }],
    attributes: { expiryTime },
});
const notify = { trigger: { timeBeforeExpiry: "P30D" }, action: { type: "Notify" } };

describe("on demand", () => {
    test.each([
        [
            { kty: "RSA-HSM", key_size: 3072, key_ops: ["sign"], public_exponent: 3 },
            { kty: "RSA-HSM", key_ops: ["sign"], e: "Aw" },
            3072,
        ],
        [
            { kty: "EC", crv: "P-256K" },
            { kty: "EC", crv: "P-256K", key_ops: ["sign", "verify"] },
            undefined,
        ],
    ])(
        "%j: new material, and the rest as it was",
        async (body, kept, bits) => {
            const { name, answer } = await create({
                ...body,
                tags: { a: "b" },
                attributes: { nbf: 5, exp: 4000000000 },
            });
            pass(1);
            const rotated = await rotate(name);
            expect(rotated.status).toBe(200);
            expect(rotated.body.key).toMatchObject(kept);
            expect(rotated.body.key.kid).not.toBe(answer.body.key.kid);
            expect(rotated.body.key.n ?? rotated.body.key.x).not.toBe(
                answer.body.key.n ?? answer.body.key.x,
            );
            expect(rotated.body.tags).toEqual({ a: "b" });
            const { created, updated, exp, nbf, key_size: size } = rotated.body.attributes;
            expect([created, updated, exp, nbf]).toEqual([now(), now(), undefined, undefined]);
            expect(size).toBe(bits);
            expect(await get(name)).toEqual(rotated.body);
            expect(await creationTimes(name)).toHaveLength(2);
            // Two RSA keys of 3072 bits take seconds on a busy machine.
        },
        30_000,
    );

    test("the policy's expiry counts from then on, for the new version only", async () => {
        const { name, answer } = await create();
        await setPolicy(name, { attributes: { expiryTime: "P90D" } });
        const version = answer.body.key.kid.split("/").at(-1);
        const { body } = await rotate(name);
        expect(body.attributes.exp).toBe(now() + 90 * day);
        const before = await server.send("GET", `/keys/${name}/${version}`);
        expect(before.body.attributes.exp).toBeUndefined();
    });

    test("a disabled key too, and a KEK stays one", async () => {
        const { name } = await create({ kty: "EC", attributes: { enabled: false } });
        expect((await rotate(name)).body.attributes.enabled).toBe(true);
        const kek = await create({ kty: "RSA-HSM", key_ops: ["import"] });
        const { body } = await rotate(kek.name);
        expect(body.key.key_ops).toEqual(["import"]);
        expect(body.attributes.exp).toBe(now() + 2 * day);
    });
});

describe("policy", () => {
    test("of a key that never had one", async () => {
        const { name } = await create();
        expect(await policyOf(name)).toEqual({ lifetimeActions: [notify], attributes: null });
    });

    test("types in any case; the notification is added", async () => {
        const { name } = await create();
        const { status, body } = await setPolicy(name.toUpperCase(), {
            lifetimeActions: [
                {
                    trigger: { timeAfterCreate: "P2M", timeBeforeExpiry: null },
                    action: { type: "rotate" },
                },
            ],
            attributes: {},
        });
        expect(status).toBe(200);
        expect(body).toEqual({
            id: `${server.vault.uri}keys/${name}/rotationpolicy`,
            lifetimeActions: [
                { trigger: { timeAfterCreate: "P2M" }, action: { type: "Rotate" } },
                notify,
            ],
            attributes: { created: now(), updated: now() },
        });
        expect(await policyOf(name)).toEqual(body);
    });

    test("each one replaces the one before, and keeps its creation time", async () => {
        const { name } = await create();
        await setPolicy(name, rotateAfter("P60D", "P90D"));
        const created = now();
        pass(1);
        const sooner = { trigger: { timeBeforeExpiry: "P10D" }, action: { type: "NOTIFY" } };
        expect((await setPolicy(name, { lifetimeActions: [sooner] })).body).toMatchObject({
            lifetimeActions: [{ ...sooner, action: { type: "Notify" } }],
            attributes: { created, updated: now() },
        });
        expect(await policyOf(name)).not.toHaveProperty("attributes.expiryTime");
        expect((await setPolicy(name, { lifetimeActions: [] })).body).toMatchObject({
            lifetimeActions: [notify],
        });
    });

    test.each([
        ["a shorter life", { attributes: { expiryTime: "P27D" } }],
        ["an early rotation", rotateAfter("P6D")],
        ["a late rotation", rotateAfter("P84D", "P90D")],
        ["a rotation too close to the expiry", rotateBefore("P6D", "P90D")],
        ["a rotation too close to the creation", rotateBefore("P84D", "P90D")],
        ["a rotation before no expiry", rotateBefore("P30D")],
        ["two notifications", { lifetimeActions: [notify, notify] }],
        [
            "two triggers in one",
            {
                lifetimeActions: [
                    {
                        trigger: { timeAfterCreate: "P30D", timeBeforeExpiry: "P30D" },
                        action: { type: "Notify" },
                    },
                ],
            },
        ],
        ["no trigger", { lifetimeActions: [{ trigger: {}, action: { type: "Notify" } }] }],
        ["another action", { lifetimeActions: [{ ...notify, action: { type: "Delete" } }] }],
        ["no duration", { attributes: { expiryTime: "90 days" } }],
    ])("%s is refused", async (_what, policy) => {
        const { name } = await create();
        const { status, body } = await setPolicy(name, policy);
        expect([status, body.error.code]).toEqual([400, "BadParameter"]);
        expect(body.error.message).not.toContain("base64url");
        expect(await policyOf(name)).toHaveProperty("attributes", null);
    });

    test("the limits themselves are taken", async () => {
        const { name } = await create();
        for (const policy of [
            rotateAfter("P7D"),
            rotateAfter("P83D", "P90D"),
            rotateBefore("P7D", "P28D"),
            rotateBefore("P21D", "P28D"),
        ])
            expect((await setPolicy(name, policy)).status).toBe(200);
    });
});

describe("when it is due", () => {
    test("after creation, to the second, and nothing else of the key changes", async () => {
        const { name, answer } = await create({ kty: "EC", crv: "P-384", tags: { a: "b" } });
        await setPolicy(name, rotateAfter("P30D", "P90D"));
        pass(30);
        server.clock.time -= 1000;
        expect((await get(name)).key.kid).toBe(answer.body.key.kid);
        server.clock.time += 1000;
        const after = await get(name);
        expect(after.key.kid).not.toBe(answer.body.key.kid);
        expect(after.key.x).not.toBe(answer.body.key.x);
        expect(after).toMatchObject({ key: { crv: "P-384" }, tags: { a: "b" } });
        expect(after.attributes).toMatchObject({ created: now(), exp: now() + 90 * day });
    });

    test("before the expiry, if the key has one", async () => {
        const { name } = await create();
        await setPolicy(name, rotateBefore("P30D", "P90D"));
        pass(400);
        expect(await creationTimes(name)).toHaveLength(1);
        const exp = now() + 40 * day;
        await server.send("PATCH", `/keys/${name}`, { attributes: { exp } });
        pass(10);
        expect((await get(name)).attributes).toMatchObject({ created: now(), exp: exp + 60 * day });
    });

    test.each([
        "GET /keys/:name",
        "GET /keys",
        "POST /keys/:name/sign",
        "GET /keys/:name/versions",
    ])("several at once, seen by %s: each at its own time", async (request) => {
        const { name, answer } = await create();
        const { created } = answer.body.attributes;
        await setPolicy(name, rotateAfter("P30D"));
        pass(100);
        const [method = "", path = ""] = request.replace(":name", name).split(" ");
        await server.send(method, path, method === "POST" ? {} : undefined);
        const times = [0, 30, 60, 90].map((days) => created + days * day);
        expect(server.log.at(-1)).toMatchObject({ method });
        const { value } = (await server.send("GET", `/keys/${name}/versions`)).body;
        expect(value).toHaveLength(4);
        expect(await creationTimes(name)).toEqual(times);
        expect((await get(name)).attributes.created).toBe(times[3]);
    });

    test("requests at once make one rotation", async () => {
        const { name } = await create();
        await setPolicy(name, rotateAfter("P30D"));
        pass(31);
        const { vault, store, clock, settings } = server;
        let writes = 0;
        const counted: Store = {
            ...store,
            collection<T>(of: string) {
                const records = store.collection<T>(of);
                const put = (id: string, value: T) => {
                    writes++;
                    return records.put(id, value);
                };
                return { ...records, put };
            },
        };
        const backupKey = Buffer.alloc(32);
        const keys = new Keys(vault, {
            records: new KeyRecords(counted, vault.name),
            clock,
            settings: () => settings,
            backupKey,
        });
        await Promise.all([keys.settle(name), keys.settle(name), keys.settle(name)]);
        expect(writes).toBe(1);
        expect(await creationTimes(name)).toHaveLength(2);
    });

    test("a policy for a key that is older counts from when it was set", async () => {
        const { name } = await create();
        pass(100);
        await setPolicy(name, rotateAfter("P30D"));
        expect((await get(name)).attributes.created).toBe(now());
        expect(await creationTimes(name)).toHaveLength(2);
    });

    test("not while the key is deleted", async () => {
        const { name } = await create();
        await setPolicy(name, rotateAfter("P30D"));
        await server.send("DELETE", `/keys/${name}`);
        pass(80);
        await server.send("POST", `/deletedkeys/${name}/recover`);
        expect((await get(name)).attributes.created).toBe(now());
        expect(await creationTimes(name)).toHaveLength(2);
    });
});

test.each([
    ["P90D", 90 * day],
    ["P2W", 14 * day],
    ["P1Y2M3DT4H5M6S", 365 * day + 60 * day + 3 * day + 4 * 3600 + 306],
    ["PT1.5S", 1],
])("%s is %i seconds", (duration, seconds) => {
    expect(durationSeconds(duration)).toBe(seconds);
});
