import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { controlledCloud } from "./controlledCloud";

jest.setTimeout(60_000);

const start = Date.parse("2026-11-24T00:00:00Z");
let local: Awaited<ReturnType<typeof controlledCloud>>;
beforeAll(async () => {
    local = await controlledCloud({ clock: { now: () => start } });
});
afterAll(() => local.stop());

const basic = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});

test.each(["settings", "clock", "faults"])("only the operator may use /local/%s", async (path) => {
    const { operator, authorityHost } = local.cloud;
    const url = `${authorityHost}/local/${path}`;
    const attempts = [
        {},
        basic(operator.clientId, "wrong"),
        basic("", ""),
        { authorization: `Bearer ${await local.vaultToken()}` },
    ];
    for (const headers of attempts) {
        const refused = await local.send("GET", url, headers);
        expect(refused).toMatchObject({
            status: 401,
            headers: { "www-authenticate": 'Basic realm="local Azure"' },
            body: { error: { code: "Unauthorized" } },
        });
    }
    expect((await local.control("GET", path)).status).toBe(200);
    expect((await local.log()).at(-1)).toMatchObject({
        plane: "control",
        method: "GET",
        path: `/local/${path}`,
        status: 200,
        clientId: operator.clientId,
    });
    expect(JSON.stringify(await local.log())).not.toContain(operator.clientSecret);
});

test("settings: read, replaced, refused with the reason; kept over a restart", async () => {
    const defaults = { visibilityDelay: 0, propagationDelay: 0, limits: false };
    expect((await local.control("GET", "settings")).body).toEqual(defaults);
    const next = { ...defaults, visibilityDelay: 3 };
    const replaced = await local.control("PUT", "settings", { visibilityDelay: 3 });
    expect(replaced).toMatchObject({ status: 200, body: next });
    expect(await local.control("PUT", "settings", { visibilityDelay: "3" })).toMatchObject({
        status: 400,
        body: {
            error: {
                code: "BadRequest",
                message: expect.stringMatching(/visibilityDelay/) as string,
            },
        },
    });
    expect((await local.control("GET", "settings")).body).toEqual(next);
    await local.restart();
    expect((await local.control("GET", "settings")).body).toEqual(next);
    await local.restart({ settings: { limits: true } });
    expect((await local.control("GET", "settings")).body).toEqual({ ...next, limits: true });
    expect(JSON.parse(await readFile(join(local.folder, "settings.json"), "utf8"))).toEqual(next);
});

test("the clock goes forward, is set, and a restart doesn't jump back", async () => {
    const now = async () => ((await local.control("GET", "clock")).body as { now: string }).now;
    await local.control("POST", "clock", { set: "2026-11-24T00:00:00Z" });
    const moved = await local.control("POST", "clock", { advance: 90 });
    expect(moved).toMatchObject({ status: 200, body: { now: "2026-11-24T00:01:30.000Z" } });
    await local.control("POST", "clock", { set: "2030-01-01T02:00:00+01:00" });
    expect(await now()).toBe("2030-01-01T01:00:00.000Z");
    await local.restart();
    expect(await now()).toBe("2030-01-01T01:00:00.000Z");
    for (const body of [
        {},
        { advance: -1 },
        { advance: 1, set: "2030-01-01T00:00:00Z" },
        { set: "tomorrow" },
        { set: "2030-01-01" },
        { advance: 1e300 },
    ])
        expect(await local.control("POST", "clock", body)).toMatchObject({
            status: 400,
            body: { error: { code: "BadRequest" } },
        });
    expect(await now()).toBe("2030-01-01T01:00:00.000Z");
    await local.control("POST", "clock", { set: "2026-11-24T00:00:00Z" });
});

test("tokens, keys and deletions follow the clock", async () => {
    await local.control("PUT", "settings", {});
    await local.createVault("times");
    const token = await local.vaultToken();
    const ask = (method: string, path: string, value = token, body?: object) =>
        local.ask(method, "times", path, value, body);
    const seconds = (iso: string) => Date.parse(iso) / 1000;

    await local.control("POST", "clock", { set: "2030-01-01T00:00:00Z" });
    expect((await ask("GET", "keys")).body).toMatchObject({ error: { message: /TokenExpired/ } });
    const fresh = await local.vaultToken();
    const created = await ask("POST", "keys/k/create", fresh, { kty: "EC" });
    expect(created.body).toMatchObject({
        attributes: { created: seconds("2030-01-01T00:00:00Z") },
    });
    expect((await ask("DELETE", "keys/k", fresh)).body).toMatchObject({
        deletedDate: seconds("2030-01-01T00:00:00Z"),
        scheduledPurgeDate: seconds("2030-04-01T00:00:00Z"),
    });
    await local.control("POST", "clock", { set: "2030-04-01T00:00:00Z" });
    expect((await ask("GET", "deletedkeys/k", await local.vaultToken())).status).toBe(404);
    expect((await local.log()).at(-1)?.time).toMatch(/^2030-04-01T00:00:0/);
});

test("a fault rule is answered with its id, and refused with the reason when it makes no sense", async () => {
    const added = await local.inject({ fault: "delay", seconds: 1, operation: "release" });
    expect(added).toMatchObject({
        status: 201,
        body: {
            fault: "delay",
            operation: "release",
            probability: 1,
            id: expect.any(String) as string,
        },
    });
    expect((await local.control("GET", "faults")).body).toEqual([added.body]);
    expect(await local.inject({ fault: "delay", operation: "imprt", seconds: 1 })).toMatchObject({
        status: 400,
        body: { error: { message: expect.stringMatching(/"import"[^]*operation/) as string } },
    });
    expect((await local.control("DELETE", "faults")).status).toBe(204);
    expect((await local.control("GET", "faults")).body).toEqual([]);
});

test("what can't be read is refused: not JSON, an address that isn't there", async () => {
    const { operator, authorityHost } = local.cloud;
    const headers = {
        ...basic(operator.clientId, operator.clientSecret),
        "content-type": "application/json",
    };
    const sent = await local.send("PUT", `${authorityHost}/local/settings`, headers, "{");
    expect(sent.status).toBe(400);
    expect((await local.control("DELETE", "clock")).status).toBe(404);
});

test("settings that can't be used keep it from starting, and leave nothing open", async () => {
    const other = await controlledCloud();
    try {
        const file = join(other.folder, "settings.json");
        await writeFile(file, '{"limits": 1}');
        await expect(other.restart()).rejects.toThrow(`The settings in ${file} can't be used`);
        await writeFile(file, "{}");
        await other.restart();
    } finally {
        await other.stop();
    }
});
