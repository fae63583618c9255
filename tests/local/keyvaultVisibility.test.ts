import { startServer, type Answer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

let server: Server;
beforeAll(async () => {
    server = await startServer();
    server.settings.visibilityDelay = 6;
});
afterAll(() => server.stop());

let count = 0;
async function create(): Promise<string> {
    const name = `key-${count++}`;
    await server.send("POST", `/keys/${name}/create`, { kty: "EC" });
    return name;
}
async function createDeleted(): Promise<string> {
    const name = await create();
    await server.send("DELETE", `/keys/${name}`);
    server.clock.time += 6000;
    return name;
}
const outcome = ({ status, body }: Answer) =>
    status < 300 ? status : (body.error.innererror?.code ?? body.error.code);
const send = async (method: string, path: string) =>
    outcome(await server.send(method, path, method === "PUT" ? {} : undefined));
const recreate = async (name: string) =>
    outcome(await server.send("POST", `/keys/${name}/create`, { kty: "EC" }));
const shows = async (name: string) => ({
    live: await send("GET", `/keys/${name}`),
    deleted: await send("GET", `/deletedkeys/${name}`),
    listed: await listed("/keys", name),
    listedAsDeleted: await listed("/deletedkeys", name),
});
async function listed(path: string, name: string): Promise<boolean> {
    const { body } = await server.send("GET", path);
    return (body.value as { kid: string }[]).some(({ kid }) => kid.endsWith(`/${name}`));
}

const live = { live: 200, deleted: "KeyNotFound", listed: true, listedAsDeleted: false };
const deleted = { live: "KeyNotFound", deleted: 200, listed: false, listedAsDeleted: true };
const nowhere = {
    live: "KeyNotFound",
    deleted: "KeyNotFound",
    listed: false,
    listedAsDeleted: false,
};

test("a deletion: gone at once, among the deleted later", async () => {
    const name = await create();
    expect(await send("DELETE", `/keys/${name}`)).toBe(200);
    server.clock.time += 5999;
    expect(await shows(name)).toEqual(nowhere);
    expect(await recreate(name)).toBe("ObjectIsBeingDeleted");
    for (const [method, path] of [
        ["DELETE", `/keys/${name}`],
        ["POST", `/deletedkeys/${name}/recover`],
        ["DELETE", `/deletedkeys/${name}`],
    ] as const)
        expect(await send(method, path)).toBe("KeyNotFound");
    server.clock.time += 1;
    expect(await shows(name)).toEqual(deleted);
    expect(await recreate(name)).toBe("ObjectIsDeletedButRecoverable");
});

test("a recovery: deleted until it is seen", async () => {
    const name = await createDeleted();
    expect(await send("POST", `/deletedkeys/${name}/recover`)).toBe(200);
    server.clock.time += 5999;
    expect(await shows(name)).toEqual(deleted);
    expect(await recreate(name)).toBe("ObjectIsBeingRecovered");
    expect(await send("POST", `/deletedkeys/${name}/recover`)).toBe("Conflict");
    expect(await send("DELETE", `/deletedkeys/${name}`)).toBe("ObjectIsBeingRecovered");
    server.clock.time += 1;
    expect(await shows(name)).toEqual(live);
    expect(await recreate(name)).toBe(200);
});

test("a purge: deleted until it is seen, then the name is free and nothing is left", async () => {
    const name = await createDeleted();
    expect(await send("DELETE", `/deletedkeys/${name}`)).toBe(204);
    server.clock.time += 5999;
    expect(await shows(name)).toEqual(deleted);
    expect(await recreate(name)).toBe("ObjectIsBeingDeleted");
    expect(await send("POST", `/deletedkeys/${name}/recover`)).toBe("Conflict");
    server.clock.time += 1;
    expect(await shows(name)).toEqual(nowhere);
    expect(await recreate(name)).toBe(200);
    expect(((await server.send("GET", `/keys/${name}/versions`)).body.value as []).length).toBe(1);
});

test("the SDK's pollers wait for it", async () => {
    const name = await create();
    const client = server.client();
    const deletion = await client.beginDeleteKey(name, { intervalInMs: 1 });
    expect(deletion.isDone()).toBe(false);
    server.clock.time += 6000;
    await deletion.pollUntilDone();
    const recovery = await client.beginRecoverDeletedKey(name, { intervalInMs: 1 });
    expect(recovery.isDone()).toBe(false);
    server.clock.time += 6000;
    expect((await recovery.pollUntilDone()).name).toBe(name);
});

test("a key whose time is over is gone from the disk once someone looks", async () => {
    const name = await createDeleted();
    const other = await create();
    const records = server.store.collection(`keyvault/keys/${server.vault.name.toLowerCase()}`);
    server.clock.time += 90 * 86400_000;
    expect(records.get(name)).toBeDefined();
    expect(await listed("/keys", other)).toBe(true);
    expect(records.get(name)).toBeUndefined();
});
