import { costOf, spend, type Cost, type Usage } from "../../local/limits";
import { controlledCloud } from "./controlledCloud";

jest.setTimeout(60_000);

const start = Date.parse("2026-11-24T00:00:00Z");

/** How many of these requests one window of 10 seconds takes. */
function capacity(cost: Cost, usage?: Usage): number {
    let taken = 0;
    for (let next = spend(usage, cost, start); next; next = spend(next, cost, start)) taken++;
    return taken;
}

test.each([
    ["create", { kty: "RSA-HSM" }, 10],
    ["create", { kty: "EC-HSM" }, 10],
    ["create", { kty: "RSA" }, 20],
    ["create", { kty: "EC" }, 20],
    ["rotate", { kty: "RSA-HSM", bits: 4096 }, 10],
    ["release", { kty: "EC-HSM" }, 10],
    ["import", undefined, 300],
    ["decrypt", { kty: "RSA-HSM", bits: 2048 }, 2000],
    ["decrypt", { kty: "RSA-HSM", bits: 3072 }, 500],
    ["get", { kty: "RSA-HSM", bits: 4096 }, 250],
    ["sign", { kty: "EC-HSM" }, 2000],
    ["get", { kty: "RSA", bits: 2048 }, 4000],
    ["unwrapKey", { kty: "RSA", bits: 3072 }, 1000],
    ["decrypt", { kty: "RSA", bits: 4096 }, 500],
    ["verify", { kty: "EC" }, 4000],
    ["list", undefined, 4000],
] as const)("%s with %j: %d in 10 seconds, as documented", (operation, key, limit) => {
    expect(capacity(costOf(operation, key))).toBe(limit);
});

test("mixed requests count as a weighted sum: the documentation's example", () => {
    const large = costOf("get", { kty: "RSA-HSM", bits: 4096 });
    const small = costOf("get", { kty: "RSA-HSM", bits: 2048 });
    let usage: Usage | undefined;
    for (let n = 0; n < 248; n++) usage = spend(usage, large, start);
    expect(capacity(small, usage)).toBe(16);
});

test("creation, import and the rest have budgets of their own, and each window is a new one", () => {
    const create = costOf("create", { kty: "RSA" });
    let usage: Usage | undefined;
    for (let n = 0; n < 20; n++) usage = spend(usage, create, start);
    expect(spend(usage, create, start + 9_999)).toBeUndefined();
    expect(spend(usage, costOf("import", undefined), start)).toBeDefined();
    expect(spend(usage, costOf("get", { kty: "EC" }), start)).toBeDefined();
    expect(spend(usage, create, start + 10_000)).toEqual({
        window: (start + 10_000) / 10_000,
        used: { create: 1, import: 0, other: 0 },
    });
});

test("a vault over its limits answers 429 as the service does, by setting only, each vault by itself", async () => {
    // A clock that stands: how quick this machine is doesn't matter.
    const local = await controlledCloud({ clock: { now: () => start } });
    try {
        await local.createVault("one");
        await local.createVault("other");
        const token = await local.vaultToken();
        const create = async (vault: string, kty: string) =>
            local.ask("POST", vault, "keys/k/create", token, { kty, crv: "P-256" });
        const statuses = async (times: number, kty: string) => {
            const seen: number[] = [];
            for (let n = 0; n < times; n++) seen.push((await create("one", kty)).status);
            return seen;
        };
        expect(new Set(await statuses(21, "EC"))).toEqual(new Set([200]));

        await local.control("PUT", "settings", { limits: true });
        expect(await statuses(12, "EC-HSM")).toEqual([...Array<number>(10).fill(200), 429, 429]);
        const refused = await create("one", "EC");
        expect(refused.status).toBe(429);
        expect(refused.headers).not.toHaveProperty("retry-after");
        expect(refused.body).toEqual({
            error: {
                code: "Throttled",
                message:
                    "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
            },
        });
        expect((await local.ask("GET", "one", "keys/k", token)).status).toBe(200);
        expect((await create("other", "EC")).status).toBe(200);
        // A rotation takes from the budget of creations by the type of the key that is there.
        expect((await local.ask("POST", "one", "keys/k/rotate", token)).status).toBe(429);
        // The SDK throws it at once, since there is no Retry-After.
        const keys = await local.keys("one", 3);
        await expect(keys.createEcKey("k")).rejects.toMatchObject({
            statusCode: 429,
            code: "Throttled",
        });

        await local.control("POST", "clock", { advance: 10 });
        expect((await create("one", "EC-HSM")).status).toBe(200);
    } finally {
        await local.stop();
    }
});

test("the size of the key that is used counts", async () => {
    const local = await controlledCloud({
        clock: { now: () => start },
        settings: { limits: true },
    });
    try {
        await local.createVault("one");
        const keys = await local.keys("one");
        await keys.createRsaKey("large", { keySize: 4096, hsm: true });
        await keys.createEcKey("small");
        const token = await local.vaultToken();
        const get = async (name: string) =>
            (await local.ask("GET", "one", `keys/${name}`, token)).status;
        const answers = await Promise.all(Array.from({ length: 251 }, () => get("large")));
        expect(answers.filter((status) => status === 200)).toHaveLength(250);
        expect(await get("small")).toBe(429);
    } finally {
        await local.stop();
    }
});
