import { createPrivateKey, randomBytes } from "node:crypto";
import { runtime } from "@pulumi/pulumi";
import { openKeyVersion, type KeyVersion } from "../../keys/keyVersion";
import { parseSealKey, seal } from "../../keys/seal";
import { providerCode } from "../../providers/dynamicResource";
import { credentialBinding } from "../../providers/vaults";
import { TestAzure } from "./azure";
import { initFailure, ProviderHost, type Properties } from "./providerHost";
import { startProxy } from "./proxy";

// It transpiles the providers at the first call.
jest.setTimeout(60_000);

const sealText = randomBytes(32).toString("base64url");
const sealKey = parseSealKey(sealText, "the test");
const unknown = runtime.unknownValue;
const managedKey = providerCode("managedKey");
const distributedKey = providerCode("distributedKey");

let azure: TestAzure;
let vaultUri: string;
let host: ProviderHost;

beforeAll(async () => {
    azure = await TestAzure.start();
    vaultUri = await azure.createVault("host-vault");
    host = await startHost();
});

async function startHost(): Promise<ProviderHost> {
    const started = await ProviderHost.start({
        SEAL_OF_TEST: sealText,
        NODE_EXTRA_CA_CERTS: azure.description.caFile,
        AZURE_AUTHORITY_HOST: azure.description.authorityHost,
    });
    await started.configure();
    return started;
}

/** In a run of its own, which declares nothing. */
async function destroy(id: string, state: Properties): Promise<void> {
    const fresh = await startHost();
    try {
        await fresh.delete(id, state);
    } finally {
        await fresh.close();
    }
}

afterAll(async () => {
    await host.close();
    await azure.close();
});

const keyInputs = (name: string, changes: Properties = {}): Properties => ({
    __provider: managedKey,
    name,
    type: "ecdsa-p256",
    rotation: {},
    minEnabledVersion: 0,
    disabledVersions: [],
    asOf: "2026-11-24T00:00:00.000Z",
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_TEST", id: sealKey.id },
    ...changes,
});

async function newKey(name: string) {
    const { inputs } = await host.check({}, keyInputs(name));
    return { inputs, ...(await host.create(inputs)) };
}

function vaultInputs(): Properties {
    return { name: "host-vault", uri: vaultUri, sku: "premium", environment: "local" };
}

async function copyInputs(key: Properties, changes: Properties = {}): Promise<Properties> {
    const { tenantId, clientId, clientSecret } = azure.operator;
    const binding = credentialBinding({ tenantId, clientId });
    return {
        __provider: distributedKey,
        key: key.name,
        type: key.type,
        version: key.version,
        versions: key.versions,
        lifecycle: key.lifecycle,
        deletionAllowed: false,
        seal: key.seal,
        name: key.name,
        vault: vaultInputs(),
        identity: {
            tenantId,
            clientId,
            clientSecret: await seal(sealKey, Buffer.from(clientSecret), binding),
        },
        purposes: ["sign"],
        protection: "software",
        tags: {},
        onDelete: "delete",
        stack: "shop/dev",
        ...changes,
    };
}

test("concurrent first calls of the host: each key gets its own material", async () => {
    const fresh = await ProviderHost.start({ SEAL_OF_TEST: sealText });
    try {
        const names = ["first-1", "first-2", "first-3", "first-4"];
        const made = await Promise.all(
            names.map(async (name) => {
                const { inputs, failures } = await fresh.check({}, keyInputs(name));
                expect(failures).toEqual([]);
                return fresh.create(inputs);
            }),
        );
        expect(made.map(({ id }) => id)).toEqual(names);
        const prints = made.map(({ state }) => (state.versions as KeyVersion[])[0]!.thumbprint);
        expect(new Set(prints).size).toBe(4);
        expect(fresh.stderr).toBe("");
    } finally {
        await fresh.close();
    }
});

describe("ManagedKey", () => {
    test("is checked, created, found unchanged, rotated and refreshed", async () => {
        const { inputs, id, state } = await newKey("life");
        const { asOf, ...given } = keyInputs("life");
        const first = { version: 1, createdAt: asOf, reason: "the first version", enabled: true };
        expect(inputs).toEqual({ ...given, version: 1, lifecycle: [first] });
        expect(id).toBe("life");
        expect(state).toMatchObject({ ...inputs, schemaVersion: 2 });
        expect(state.__provider).toBe(managedKey);

        const again = await host.check(inputs, keyInputs("life"));
        expect(again).toEqual({ inputs, failures: [] });
        // The engine compares the inputs itself then, and they are equal.
        expect(await host.diff(id, state, again.inputs)).toEqual({
            changes: undefined,
            replaces: [],
        });

        const rotated = await host.check(inputs, keyInputs("life", { rotation: { trigger: "2" } }));
        expect(rotated.inputs.version).toBe(2);
        const next = await host.update(id, state, rotated.inputs);
        expect(next).toMatchObject({ ...rotated.inputs, schemaVersion: 2 });
        const [one, two] = next.versions as KeyVersion[];
        expect(one).toEqual((state.versions as KeyVersion[])[0]);
        expect(two!.version).toBe(2);
        expect(two!.thumbprint).not.toBe(one!.thumbprint);
        expect(await host.read(id, next)).toEqual({ id, state: next });
    });

    test("keeps no private bytes in its state", async () => {
        const { state } = await newKey("private");
        const [version] = state.versions as KeyVersion[];
        const identity = { key: "private", type: "ecdsa-p256" as const, version: 1 };
        const material = Buffer.from(await openKeyVersion(identity, version!.sealed, sealKey));
        const { d } = createPrivateKey({ key: material, format: "der", type: "pkcs8" }).export({
            format: "jwk",
        });
        const text = JSON.stringify(state);
        for (const secret of [Buffer.from(d!, "base64url"), material, Buffer.from(sealKey.bytes)]) {
            for (const encoding of ["hex", "base64", "base64url"] as const) {
                expect(text).not.toContain(secret.toString(encoding));
            }
        }
    });

    test("takes unknown values in a preview, and a later check decides", async () => {
        const { inputs, id, state } = await newKey("unknowns");
        const news = keyInputs("unknowns", { rotation: unknown, deletionAllowed: unknown });
        const first = await host.check({}, news);
        expect(first.failures).toEqual([]);
        expect(first.inputs).toMatchObject({ version: 1, deletionAllowed: unknown });
        const later = await host.check(inputs, news);
        expect(later.failures).toEqual([]);
        expect(later.inputs.version).toBe(1);
        expect(await host.diff(id, state, later.inputs)).toMatchObject({ replaces: [] });
        const nothingKnown = { name: unknown, type: unknown, rotation: unknown };
        for (const olds of [{}, inputs]) {
            for (const changes of [nothingKnown, { ...nothingKnown, name: "unknowns" }]) {
                expect((await host.check(olds, keyInputs("", changes))).failures).toEqual([]);
            }
        }
        const trigger = await host.check(
            inputs,
            keyInputs("unknowns", { rotation: { trigger: unknown } }),
        );
        expect(trigger.failures).toEqual([]);
    });

    test("a changed type, another seal key and nonsense are failures at their properties", async () => {
        const { inputs } = await newKey("refused");
        const problems = async (changes: Properties) =>
            (await host.check(inputs, keyInputs("refused", changes))).failures;
        expect(await problems({ type: "ecdsa-p384" })).toEqual([
            ["type", expect.stringMatching(/key refused is of type ecdsa-p256 for life/)],
        ]);
        expect(
            await problems({ seal: { location: "env:SEAL_OF_TEST", id: "0123456789abcdef" } }),
        ).toEqual([["seal.id", expect.stringMatching(/sealed with seal key/)]]);
        expect(await problems({ name: "renamed" })).toEqual([
            ["name", expect.stringMatching(/key refused would be deleted and key renamed made/)],
        ]);
        expect(await problems({ type: "aes" })).toEqual([
            ["type", expect.stringMatching(/"rsa-2048"\|.*"ecdsa-p521"/)],
        ]);
        expect(await problems({ rotation: { trigger: 2 } })).toEqual([
            ["rotation.trigger", expect.stringMatching(/expected string/)],
        ]);
    });

    test("a refused deletion is told once, without a stack trace", async () => {
        const { id, state } = await newKey("kept");
        const before = host.stderr.length;
        await expect(host.delete(id, state)).rejects.toThrow(
            /Key kept isn't deleted: its deletionAllowed is false\. To delete it after all/,
        );
        expect(await host.stderrAfter(before)).toBe("KeymgmtError: DELETION_NOT_ALLOWED\n");
        await host.delete(id, { ...state, deletionAllowed: true });
    });

    test("a missing seal key is told before anything is made", async () => {
        const { inputs } = await host.check({}, keyInputs("no-seal"));
        const elsewhere = { location: "env:NOT_SET_IN_THE_TEST", id: sealKey.id };
        await expect(host.create({ ...inputs, seal: elsewhere })).rejects.toThrow(
            /There's no seal key: the environment variable NOT_SET_IN_THE_TEST isn't set/,
        );
    });
});

describe("DistributedKey", () => {
    test("is checked, created, found unchanged, updated, refreshed and deleted", async () => {
        const key = await newKey("copied");
        const news = await copyInputs(key.state);
        const { inputs, failures } = await host.check({}, news);
        expect(failures).toEqual([]);
        const { id, state } = await host.create(inputs);
        expect(id).toBe(`${vaultUri}keys/copied`);
        expect(state).toMatchObject({
            __provider: distributedKey,
            schemaVersion: 2,
            verified: true,
        });
        expect(await host.read(id, state)).toEqual({ id, state });

        // Another run: its token of the client secret is another one, but the secret is the same.
        const again = await host.check(inputs, await copyInputs(key.state));
        expect(again.inputs).toEqual(inputs);
        expect(await host.diff(id, state, again.inputs)).toEqual({ changes: false, replaces: [] });

        const rotated = await host.check(key.inputs, {
            ...keyInputs("copied"),
            rotation: { trigger: "2" },
        });
        const versions = await host.update(key.id, key.state, rotated.inputs);
        const wanted = (await host.check(inputs, await copyInputs(versions))).inputs;
        expect(await host.diff(id, state, wanted)).toEqual({ changes: true, replaces: [] });
        const next = await host.update(id, state, wanted);
        expect(Object.keys(next.copies as object)).toEqual(["1", "2"]);

        const client = azure.client("host-vault");
        expect((await client.getKey("copied")).id).toBe(next.versionedKeyId);
        await destroy(id, { ...next, deletionAllowed: true });
        await expect(client.getKey("copied")).rejects.toMatchObject({ statusCode: 404 });
        // The engine takes an empty id for "it's gone".
        expect((await host.read(id, next)).id).toBe("");
    });

    test("takes unknown values in a preview; unknown material of a known version is no difference", async () => {
        const key = await newKey("preview");
        const { inputs } = await host.check({}, await copyInputs(key.state));
        const { id, state } = await host.create(inputs);

        const material = await host.check(
            inputs,
            await copyInputs(key.state, { versions: unknown }),
        );
        expect(material.failures).toEqual([]);
        expect(await host.diff(id, state, material.inputs)).toEqual({
            changes: false,
            replaces: [],
        });
        const rotated = await host.check(
            inputs,
            await copyInputs(key.state, {
                versions: unknown,
                version: 2,
                lifecycle: [
                    ...(key.state.lifecycle as object[]),
                    {
                        version: 2,
                        createdAt: "2026-11-25T00:00:00.000Z",
                        reason: "trigger 2",
                        enabled: true,
                    },
                ],
            }),
        );
        expect(await host.diff(id, state, rotated.inputs)).toEqual({ changes: true, replaces: [] });

        // The first preview of all: nothing exists yet, so hardly anything is known.
        const first = await host.check(
            {},
            {
                ...(await copyInputs(key.state)),
                versions: unknown,
                vault: { name: "host-vault", uri: unknown, sku: "premium", environment: "local" },
                identity: { tenantId: unknown, clientId: unknown, clientSecret: unknown },
            },
        );
        expect(first.failures).toEqual([]);
        const all = Object.fromEntries(
            Object.keys(await copyInputs(key.state)).map((name) => [name, unknown]),
        );
        const nothingKnown = await host.check(inputs, {
            ...all,
            __provider: distributedKey,
            seal: key.state.seal,
        });
        expect(nothingKnown.failures).toEqual([]);
        const noVault = await host.check(
            {},
            await copyInputs(key.state, { vault: unknown, versions: unknown }),
        );
        expect(noVault.failures).toEqual([]);
        expect((await host.diff(id, state, nothingKnown.inputs)).changes).toBeDefined();
    });

    test("problems are failures at their properties, before anything is made", async () => {
        const key = await newKey("checked");
        const { failures } = await host.check(
            {},
            await copyInputs(key.state, {
                name: "a.b",
                purposes: ["sign", "encrypt"],
                protection: "hsm",
                vault: { name: "v", uri: vaultUri, sku: "standard", environment: "local" },
            }),
        );
        expect(failures).toEqual([
            ["name", expect.stringMatching(/^"a\.b": .*1 to 127/)],
            ["purposes[1]", expect.stringMatching(/^encrypt: .*allowed: sign, verify/)],
            ["protection", expect.stringMatching(/standard SKU/)],
        ]);
        const nonsense = await host.check(
            {},
            await copyInputs(key.state, {
                purposes: ["sign", "signing"],
                vault: { name: "v", uri: "here", sku: "gold", environment: "local" },
            }),
        );
        expect(nonsense.failures.map(([property]) => property)).toEqual([
            "vault.uri",
            "vault.sku",
            "purposes[1]",
        ]);
        const ofPlace = await host.check(
            {},
            await copyInputs(key.state, {
                tags: { "keymgmt-key": "mine" },
                onDelete: "purge",
                vault: { ...vaultInputs(), purgeProtection: true },
            }),
        );
        expect(ofPlace.failures).toEqual([
            ["onDelete", expect.stringMatching(/has purge protection.*allowed: delete, detach/)],
            ["tags", expect.stringMatching(/^keymgmt-key is a tag/)],
        ]);
    });

    test("another key, name, vault or protection is a replacement; the same ones in another case are not", async () => {
        const key = await newKey("replaced");
        const news = await copyInputs(key.state);
        const { id, state } = await host.create((await host.check({}, news)).inputs);
        const replaces = async (changes: Properties) =>
            (await host.diff(id, state, { ...news, ...changes })).replaces;
        expect(await replaces({})).toEqual([]);
        expect(await replaces({ name: "other" })).toEqual(["name"]);
        expect(await replaces({ name: "REPLACED" })).toEqual([]);
        expect(await replaces({ key: "other" })).toEqual(["key"]);
        expect(await replaces({ protection: "hsm" })).toEqual(["protection"]);
        expect(await replaces({ protection: unknown })).toEqual([]);
        const vault = news.vault as Properties;
        expect(await replaces({ vault: { ...vault, name: "other" } })).toEqual(["vault"]);
        expect(await replaces({ vault: { ...vault, name: "HOST-VAULT" } })).toEqual([]);
        expect(await replaces({ vault: { ...vault, uri: unknown } })).toEqual([]);
    });

    test("a failure half-way reaches the engine with id, state, reasons and the code that goes on", async () => {
        const proxy = await startProxy(azure, vaultUri);
        try {
            const key = await newKey("half");
            const rotated = await host.check(key.inputs, {
                ...keyInputs("half"),
                rotation: { trigger: "2" },
            });
            const state = await host.update(key.id, key.state, rotated.inputs);
            const vault = {
                name: "host-vault",
                uri: proxy.uri,
                sku: "premium",
                environment: "local",
            };
            const { inputs } = await host.check({}, await copyInputs(state, { vault }));
            let imports = 0;
            proxy.meddle(({ method, body }, answer) =>
                method === "PUT" && body !== "" && ++imports === 2
                    ? { ...answer, status: 400, body: `{"error":{"code":"BadParameter"}}` }
                    : answer,
            );
            const error = await host.create(inputs).catch((caught: unknown) => caught);
            const failure = initFailure(error);
            expect(failure).toMatchObject({
                id: `${proxy.uri}keys/half`,
                reasons: [expect.stringMatching(/didn't import version 2 of key half/)],
                properties: { __provider: distributedKey, schemaVersion: 2, verified: false },
            });
            const next = await host.update(failure.id, failure.properties, inputs);
            expect(Object.keys(next.copies as object)).toEqual(["1", "2"]);
        } finally {
            await proxy.close();
        }
    });
});
