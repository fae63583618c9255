import { randomBytes } from "node:crypto";
import type { KeyVaultKey } from "@azure/keyvault-keys";
import { provider, type Inputs, type State } from "../../providers/distributedKey";
import type { TestAzure } from "./azure";
import { inNextRun } from "./nextRun";
import { startProxy } from "./proxy";
import { changes, create, refresh, TestVault, update } from "./testVault";

// A key exchange key has 4096 bits: making one takes a second or more.
jest.setTimeout(60_000);

let vault: TestVault;
let azure: TestAzure;

beforeAll(async () => {
    vault = await TestVault.start("lifecycle");
    azure = vault.azure;
});
afterAll(() => vault.close());

const day = 24 * 60 * 60 * 1000;
const daysAgo = (days: number) => new Date(Date.now() - days * day).toISOString();
const client = () => azure.client("lifecycle");

/** Our versions in a vault, oldest first, as another client sees them. */
async function inVault(name: string, { copies }: State): Promise<KeyVaultKey[]> {
    return Promise.all(
        Object.values(copies).map(({ id }) => client().getKey(name, { version: id })),
    );
}

async function enabledInVault(name: string, state: State): Promise<(boolean | undefined)[]> {
    return (await inVault(name, state)).map(({ properties }) => properties.enabled);
}

/** An update that ends in step; what it asked of the vault. */
async function repair(name: string, id: string, state: State, inputs: Inputs) {
    expect(await changes(state, inputs)).toBe(true);
    let next = state;
    const requests = await vault.requestsOf(name, async () => {
        next = await update(id, state, inputs);
    });
    expect(next.inStep).toBe(true);
    expect(await changes(next, inputs)).toBe(false);
    return { next, requests };
}

describe("the fewest requests", () => {
    test("one list and one import for each version; a rotation one of each; nothing to do and a refresh one list", async () => {
        const key = await vault.newKey("fewest", "ecdsa-p256", 3);
        const inputs = await key.inputs();
        let made!: Awaited<ReturnType<typeof create>>;
        const first = await vault.requestsOf("fewest", async () => {
            made = await create(inputs);
        });
        expect(first).toEqual(["listVersions", "import", "import", "import"]);
        const { id, state } = made;

        expect(await changes(state, inputs)).toBe(false);
        expect(await vault.requestsOf("fewest", () => update(id, state, inputs))).toEqual([
            "listVersions",
        ]);
        expect(await vault.requestsOf("fewest", () => refresh(id, state))).toEqual([
            "listVersions",
        ]);
        const rotated = await repair("fewest", id, state, await key.rotated());
        expect(rotated.requests).toEqual(["listVersions", "import"]);
    });

    test("a rotation changes older versions only where a rule says so, and after the new one is there", async () => {
        const key = await vault.newKey("keeps-two", "ecdsa-p256", 2);
        const rules = { rotation: { keepEnabled: 2 } };
        const { id, state } = await create(await key.inputs({}, rules));
        const { next, requests } = await repair(
            "keeps-two",
            id,
            state,
            await key.rotated({}, rules),
        );
        expect(requests).toEqual(["listVersions", "import", "update"]);
        expect(await enabledInVault("keeps-two", next)).toEqual([false, true, true]);
    });
});

describe("versions are disabled and enabled in place", () => {
    test.each([
        ["minEnabledVersion", { minEnabledVersion: 3 }, [false, false, true]],
        ["disabledVersions", { disabledVersions: [2] }, [true, false, true]],
    ])("by %s, both ways", async (rule, rules, enabled) => {
        const name = `by-${rule}`;
        const key = await vault.newKey(name, "ecdsa-p256", 3);
        const all = await key.inputs();
        const fewer = await key.inputs({}, rules);
        const { id, state } = await create(all);
        expect(await enabledInVault(name, state)).toEqual([true, true, true]);
        const updates = enabled.filter((each) => !each).map(() => "update");

        const disabled = await repair(name, id, state, fewer);
        expect(disabled.requests).toEqual(["listVersions", ...updates]);
        expect(await enabledInVault(name, disabled.next)).toEqual(enabled);
        const again = await repair(name, id, disabled.next, all);
        expect(again.requests).toEqual(["listVersions", ...updates]);
        expect(await enabledInVault(name, again.next)).toEqual([true, true, true]);
        expect(await vault.versionsOf(name)).toHaveLength(3);
    });
});

test("an older version that expired still decrypts, and no longer encrypts; the latest one does both", async () => {
    const key = await vault.newKey("expires", "rsa-2048", 2, (version) =>
        daysAgo(version === 1 ? 30 : 10),
    );
    const purposes: Inputs["purposes"] = ["encrypt", "decrypt"];
    const { id, state } = await create(await key.inputs({ purposes }));
    const [old, latest] = (await inVault("expires", state)).map((version) => version.id!);
    const plaintext = Buffer.from("secret");
    const crypto = (keyId: string, operation: "encrypt" | "decrypt", value: Uint8Array) =>
        azure.crypto(keyId, operation, "RSA-OAEP-256", value);
    const ciphertext = await crypto(old!, "encrypt", plaintext);

    const rotation = { retire: { after: "P3D", action: "expire" as const } };
    const inputs = await key.inputs({ purposes }, { rotation });
    const { next, requests } = await repair("expires", id, state, inputs);
    expect(requests).toEqual(["listVersions", "update"]);
    const [first, second] = await inVault("expires", next);
    // Of the date of the version that came after, in whole seconds.
    const retiredAt = Date.parse(key.versions[1]!.createdAt) + 3 * day;
    expect(first!.properties.expiresOn!.getTime()).toBe(retiredAt - (retiredAt % 1000));
    expect(second!.properties.expiresOn).toBeUndefined();
    expect(first!.properties.enabled).toBe(true);

    expect(await crypto(old!, "decrypt", ciphertext!)).toEqual(plaintext);
    expect(await crypto(old!, "encrypt", plaintext)).toBeUndefined();
    const fresh = await crypto(latest!, "encrypt", plaintext);
    expect(await crypto(latest!, "decrypt", fresh!)).toEqual(plaintext);

    // Taken away again: it encrypts as before.
    const back = await repair("expires", id, next, await key.inputs({ purposes }));
    expect(back.requests).toEqual(["listVersions", "update"]);
    expect(await crypto(old!, "encrypt", plaintext)).toBeDefined();
});

test("tags, a beginning and an expiry are set in place, and taken away again", async () => {
    const key = await vault.newKey("attributes", "ecdsa-p256", 2);
    const plain = await key.inputs();
    const { id, state } = await create(plain);
    const [before] = await inVault("attributes", state);
    const given = await key.inputs({
        tags: { team: "shop" },
        notBefore: "2026-01-01",
        expiresAfter: "P50Y",
    });
    const { next, requests } = await repair("attributes", id, state, given);
    expect(requests).toEqual(["listVersions", "update", "update"]);
    for (const { properties } of await inVault("attributes", next)) {
        expect(properties.tags).toMatchObject({ team: "shop", "keymgmt-key": "attributes" });
        expect(properties.notBefore).toEqual(new Date("2026-01-01T00:00:00.000Z"));
        // After 2038 as well.
        const expiresOn = new Date(key.versions[0]!.createdAt);
        expiresOn.setUTCFullYear(expiresOn.getUTCFullYear() + 50, expiresOn.getUTCMonth());
        expect(properties.expiresOn!.toISOString().slice(0, 10)).toBe(
            expiresOn.toISOString().slice(0, 10),
        );
    }
    const back = await repair("attributes", id, next, plain);
    expect(back.requests).toEqual(["listVersions", "update", "update"]);
    const [after] = await inVault("attributes", back.next);
    expect(after!.properties.tags).toEqual(before!.properties.tags);
    // Azure takes no date away: these are the first second and the last one that can be told.
    expect(after!.properties.notBefore!.getTime()).toBe(1000);
    expect(after!.properties.expiresOn!.getTime()).toBe((2 ** 32 - 1) * 1000);
    expect(back.next.copies[1]).not.toHaveProperty("expiresAt");
    expect(await refresh(id, back.next)).toEqual(back.next);
});

test("the vault's notice of expiry is set and changed, with one request each, and stays when it isn't declared any more", async () => {
    const key = await vault.newKey("notice");
    const given = (notifyBefore?: string) => key.inputs({ expiresAfter: "P1Y", notifyBefore });
    const notice = async () => {
        const { lifetimeActions } = await client().getKeyRotationPolicy("notice");
        return lifetimeActions!.map(({ action, timeBeforeExpiry }) => [action, timeBeforeExpiry]);
    };
    const { id, state } = await create(await given("P60D"));
    expect(await notice()).toEqual([["Notify", "P60D"]]);
    const later = await repair("notice", id, state, await given("P45D"));
    expect(later.requests).toHaveLength(2);
    expect(await notice()).toEqual([["Notify", "P45D"]]);
    const away = await repair("notice", id, later.next, await given());
    expect(away.requests).toEqual(["listVersions"]);
    expect(await notice()).toEqual([["Notify", "P45D"]]);
    const back = await repair("notice", id, away.next, await given("P45D"));
    expect(back.requests).toHaveLength(2);
});

test("the notice is set again for a key that somebody else purged, though no refresh has seen that", async () => {
    const key = await vault.newKey("notice-again");
    const inputs = await key.inputs({ expiresAfter: "P1Y", notifyBefore: "P60D" });
    const { id, state } = await create(inputs);
    const poller = await client().beginDeleteKey("notice-again", { intervalInMs: 100 });
    await poller.pollUntilDone();
    await client().purgeDeletedKey("notice-again");
    const next = await update(id, state, inputs);
    expect(next).toMatchObject({ inStep: true, notifyBefore: "P60D" });
    const { lifetimeActions } = await client().getKeyRotationPolicy("notice-again");
    expect(lifetimeActions).toMatchObject([{ action: "Notify", timeBeforeExpiry: "P60D" }]);
});

test("a vault that is filled later gets all versions, oldest first, in the same state", async () => {
    const key = await vault.newKey("later", "ecdsa-p256", 4);
    const rules = { minEnabledVersion: 2, disabledVersions: [3] };
    const first = await create(await key.inputs({}, rules));
    const uri = await azure.createVault("later-vault");
    const place = { name: "later-vault", uri, sku: "premium", environment: "local" } as const;
    const second = await create(await key.inputs({ vault: place }, rules));

    const operations = (await azure.requests("later-vault")).map(({ operation }) => operation);
    expect(operations).toEqual(["listVersions", "import", "import", "import", "import"]);
    const told = ({ copies }: State) =>
        Object.values(copies).map(({ thumbprint, enabled, tags }) => ({
            thumbprint,
            enabled,
            tags,
        }));
    expect(told(second.state)).toEqual(told(first.state));
    expect(told(second.state).map(({ enabled }) => enabled)).toEqual([false, true, false, true]);
    const current = await azure.client("later-vault").getKey("later");
    expect(current.properties.tags!["keymgmt-version"]).toBe("4");
});

describe("drift is seen by a refresh, and repaired with the fewest requests", () => {
    test.each<[string, (version: string, name: string) => Promise<unknown>, Partial<Inputs>]>([
        [
            "disabled",
            (version, name) => client().updateKeyProperties(name, version, { enabled: false }),
            {},
        ],
        [
            "operations",
            (version, name) =>
                client().updateKeyProperties(name, version, { keyOps: ["sign", "verify"] }),
            {},
        ],
        [
            "tags",
            (version, name) => client().updateKeyProperties(name, version, { tags: { a: "b" } }),
            { tags: { team: "shop" } },
        ],
        [
            "expiry",
            (version, name) =>
                client().updateKeyProperties(name, version, {
                    expiresOn: new Date("2030-01-01"),
                }),
            { expiresAfter: "P10Y" },
        ],
    ])("%s", async (what, meddle, given) => {
        const name = `drift-${what}`;
        const key = await vault.newKey(name, "ecdsa-p256", 2);
        const inputs = await key.inputs(given);
        const { id, state } = await create(inputs);
        const [wanted] = await inVault(name, state);
        azure.passSeconds(2);
        await meddle(state.copies[1]!.id, name);

        let seen = state;
        const looked = await vault.requestsOf(name, async () => {
            seen = (await refresh(id, state))!;
        });
        expect(looked).toEqual(["listVersions", "get"]);
        expect(seen.inStep).toBe(false);
        expect(seen.copies[2]).toEqual(state.copies[2]);
        const { requests } = await repair(name, id, seen, inputs);
        expect(requests).toEqual(["listVersions", "update"]);
        const [repaired] = await inVault(name, state);
        const { updatedOn: _then, ...properties } = wanted!.properties;
        expect(repaired!.properties).toMatchObject(properties);
        expect(repaired!.keyOperations).toEqual(wanted!.keyOperations);
    });

    test("a foreign version on top: it is reported and stays as it is, under ours", async () => {
        const key = await vault.newKey("drift-foreign", "ecdsa-p256", 2);
        const inputs = await key.inputs();
        const { id, state } = await create(inputs);
        azure.passSeconds(2);
        const foreign = await client().createEcKey("drift-foreign", { curve: "P-384" });
        const { version } = foreign.properties;
        azure.passSeconds(2);

        const seen = (await refresh(id, state))!;
        expect(seen).toMatchObject({ inStep: false, foreign: [{ id: version }] });
        const { next, requests } = await repair("drift-foreign", id, seen, inputs);
        expect(requests).toEqual(["listVersions", "import"]);
        expect(next).toMatchObject({ foreign: [{ id: version }], older: [state.copies[2]] });
        expect((await client().getKey("drift-foreign")).properties.version).toBe(
            next.copies[2]!.id,
        );
        const untouched = await client().getKey("drift-foreign", { version });
        expect(untouched.properties.updatedOn).toEqual(foreign.properties.updatedOn);
    });

    test("soft-deleted: it is forgotten, and recovered with its versions instead of imported again", async () => {
        const key = await vault.newKey("drift-deleted", "ecdsa-p256", 2);
        const inputs = await key.inputs();
        const { id, state } = await create(inputs);
        await (
            await client().beginDeleteKey("drift-deleted", { intervalInMs: 100 })
        ).pollUntilDone();
        expect(await refresh(id, state)).toBeUndefined();
        const again = await create(inputs);
        expect(again.state.copies).toEqual(state.copies);
        expect(again.state.inStep).toBe(true);
    });

    test("the vault gone: it is forgotten; an update says so; a new vault gets all versions", async () => {
        const uri = await azure.createVault("goes");
        const place = { name: "goes", uri, sku: "premium", environment: "local" } as const;
        const key = await vault.newKey("rebuilt", "ecdsa-p256", 2);
        const createdAt = "2026-11-24T08:00:00Z";
        const inputs = await key.inputs({ vault: { ...place, createdAt } });
        const { id, state } = await create(inputs);
        await azure.deleteVault("goes");

        expect(await refresh(id, state)).toBeUndefined();
        await expect(update(id, state, inputs)).rejects.toMatchObject({
            code: "KMS",
            message: expect.stringMatching(
                /Key rebuilt isn't in vault goes .*run pulumi up --refresh/,
            ) as string,
        });
        const newUri = await azure.createVault("goes");
        const rebuilt = await key.inputs({
            vault: { ...place, uri: newUri, createdAt: "2026-11-25T08:00:00Z" },
        });
        expect(await changes(state, rebuilt)).toBe(true);
        const { state: next } = await create(rebuilt);
        expect(next.inStep).toBe(true);
        const current = await azure.client("goes").getKey("rebuilt");
        expect(current.properties.tags!["keymgmt-version"]).toBe("2");
    });

    test("a vault of another date is a difference, though all else is the same", async () => {
        const key = await vault.newKey("redated");
        const inputs = await key.inputs();
        const { state } = await create(inputs);
        const dated = { ...inputs.vault, createdAt: "2026-11-25T08:00:00Z" };
        const difference = await provider.diff("id", state, { ...inputs, vault: dated });
        expect(difference).toEqual({ replaces: [], changes: true });
    });
});

describe("protection", () => {
    test("software copies don't pass for HSM ones: the versions come anew, then the old copies are disabled", async () => {
        const key = await vault.newKey("protection", "ecdsa-p256", 2);
        const { state } = await create(await key.inputs());
        const inputs = await key.inputs({ protection: "hsm" });
        expect(await provider.diff("id", state, inputs)).toMatchObject({
            replaces: ["protection"],
        });
        let next!: State;
        const requests = await vault.requestsOf("protection", async () => {
            next = (await create(inputs)).state;
        });
        expect(requests.filter((operation) => operation !== "get")).toEqual([
            "listVersions",
            "import",
            "import",
            "update",
            "update",
        ]);
        expect(next.inStep).toBe(true);
        const found = await inVault("protection", next);
        expect(found.map(({ keyType }) => keyType)).toEqual(["EC-HSM", "EC-HSM"]);
        expect(found.map(({ properties }) => properties.enabled)).toEqual([true, true]);
        expect(await enabledInVault("protection", state)).toEqual([false, false]);
        expect(next.older.map(({ protection }) => protection)).toEqual(["software", "software"]);
        expect(await changes(next, inputs)).toBe(false);
    });
});

describe("when a distribution ends", () => {
    async function ended(name: string, given: Partial<Inputs>) {
        const key = await vault.newKey(name);
        const { id, state } = await create(await key.inputs({ deletionAllowed: true, ...given }));
        await inNextRun((destroy) => destroy.provider.delete(id, state));
        return state;
    }

    test("detach leaves the copy in place", async () => {
        const { copies } = await ended("detached", { onDelete: "detach" });
        expect(await vault.versionsOf("detached")).toEqual([copies[1]!.id]);
    });

    test("delete is soft, and purge is not", async () => {
        await ended("deleted", { onDelete: "delete" });
        expect((await client().getDeletedKey("deleted")).name).toBe("deleted");
        await ended("purged", { onDelete: "purge" });
        await expect(client().getKey("purged")).rejects.toMatchObject({ statusCode: 404 });
        await expect(client().getDeletedKey("purged")).rejects.toMatchObject({ statusCode: 404 });
    });

    test("a purge is finished by the next run when one was stopped after the deletion", async () => {
        const key = await vault.newKey("half-purged");
        const inputs = await key.inputs({ deletionAllowed: true, onDelete: "purge" });
        const { id, state } = await create(inputs);
        await (await client().beginDeleteKey("half-purged", { intervalInMs: 100 })).pollUntilDone();
        await inNextRun((destroy) => destroy.provider.delete(id, state));
        await expect(client().getDeletedKey("half-purged")).rejects.toMatchObject({
            statusCode: 404,
        });
    });

    test("what is soft-deleted is disabled first, and enabled when it is taken up again", async () => {
        const key = await vault.newKey("comes-back", "ecdsa-p256", 2);
        const inputs = await key.inputs({}, { disabledVersions: [1] });
        const { id, state } = await create(inputs);
        const requests = await vault.requestsOf("comes-back", () =>
            inNextRun(async ({ provider: next, declareKey }) => {
                declareKey("comes-back"); // only its distribution ends
                await next.delete(id, state);
            }),
        );
        expect(requests.filter((operation) => operation !== "getDeleted")).toEqual([
            "listVersions",
            "update",
            "delete",
        ]);
        expect((await client().getDeletedKey("comes-back")).properties.enabled).toBe(false);
        const again = await create(inputs);
        expect(again.state.inStep).toBe(true);
        expect(await enabledInVault("comes-back", again.state)).toEqual([false, true]);
    });

    test("none goes in a run in which something of its key failed; the next run ends it", async () => {
        const key = await vault.newKey("moves");
        const { id, state } = await create(await key.inputs());
        const nowhere = { ...state.vault, name: "nowhere", uri: "https://127.0.0.1:9/" };
        const elsewhere = await key.inputs({ vault: nowhere });
        await inNextRun(async (up) => {
            up.declareKey("moves");
            await expect(up.provider.create(elsewhere)).rejects.toMatchObject({ code: "KMS" });
            await expect(up.provider.delete(id, state)).rejects.toMatchObject({
                code: "DELETION_POSTPONED",
                message: expect.stringContaining("moves in vault nowhere failed") as string,
            });
        });
        expect((await client().getKey("moves")).properties.enabled).toBe(true);
        await inNextRun(async (up) => {
            up.declareKey("moves");
            await up.provider.delete(id, state);
        });
        await expect(client().getKey("moves")).rejects.toMatchObject({ statusCode: 404 });
    });

    test("a version that the vault made from ours by a rotation has our tags, and isn't ours", async () => {
        const key = await vault.newKey("rotated-there");
        const inputs = await key.inputs({ deletionAllowed: true });
        const { id, state } = await create(inputs);
        vault.azure.passSeconds(1);
        const rotated = await client().rotateKey("rotated-there");
        expect(rotated.properties.tags).toMatchObject({ "keymgmt-key": "rotated-there" });
        const seen = (await refresh(id, state))!;
        expect(seen.foreign).toMatchObject([{ id: rotated.properties.version }]);
        await inNextRun((destroy) =>
            expect(destroy.provider.delete(id, seen)).rejects.toMatchObject({
                code: "FOREIGN_VERSIONS",
            }),
        );
    });

    test("is done with the identity that the vault is declared with now", async () => {
        const key = await vault.newKey("new-identity");
        const inputs = await key.inputs();
        const { id, state } = await create(inputs);
        const stale = { ...state.identity, clientId: "gone" };
        await inNextRun(async (up) => {
            up.declareKey("new-identity");
            up.declareIdentity(state.vault, state.identity);
            await up.provider.delete(id, { ...state, identity: stale });
        });
        await expect(client().getKey("new-identity")).rejects.toMatchObject({ statusCode: 404 });
    });

    test("nothing goes while versions are there that aren't ours", async () => {
        const key = await vault.newKey("shared");
        const { id, state } = await create(await key.inputs({ deletionAllowed: true }));
        const foreign = await client().createEcKey("shared");
        const seen = (await refresh(id, state))!;
        await inNextRun(async (destroy) => {
            // Whether the state knows of it or not.
            for (const known of [state, seen]) {
                await expect(destroy.provider.delete(id, known)).rejects.toMatchObject({
                    code: "FOREIGN_VERSIONS",
                    message: expect.stringContaining(foreign.properties.version!) as string,
                });
            }
            await destroy.provider.delete(id, { ...state, onDelete: "detach" });
        });
        expect(await vault.versionsOf("shared")).toHaveLength(2);
    });
});

describe("a name that a soft-deleted key of other material holds", () => {
    async function deleted(name: string, stack: string) {
        const earlier = await vault.newKey(name, "ecdsa-p256", 2);
        const made = await create(await earlier.inputs({ stack, deletionAllowed: true }));
        await inNextRun((destroy) => destroy.provider.delete(made.id, made.state));
        return made.state;
    }

    test("comes back when it was this stack's own key: its versions are disabled, and ours are on top", async () => {
        const earlier = await deleted("reborn", "shop/dev");
        vault.azure.passSeconds(1); // who of one second came last can't be seen
        const inputs = await (await vault.newKey("reborn", "ecdsa-p256", 2)).inputs();
        const { id, state } = await create(inputs);
        expect(state.inStep).toBe(true);
        expect(await enabledInVault("reborn", earlier)).toEqual([false, false]);
        expect(state.foreign.map((copy) => copy.id).sort()).toEqual(
            Object.values(earlier.copies)
                .map((copy) => copy.id)
                .sort(),
        );
        expect((await client().getKey("reborn")).properties.version).toBe(state.copies[2]!.id);
        expect(await changes(state, inputs)).toBe(false);
        // They were to go once already, so they don't keep this one from going.
        await inNextRun((destroy) =>
            destroy.provider.delete(id, { ...state, deletionAllowed: true }),
        );
        await expect(client().getKey("reborn")).rejects.toMatchObject({ statusCode: 404 });
    });

    test("is gone on with when a run was stopped right after it came back", async () => {
        const earlier = await deleted("half-reborn", "shop/dev");
        const poller = await client().beginRecoverDeletedKey("half-reborn", { intervalInMs: 100 });
        await poller.pollUntilDone();
        vault.azure.passSeconds(1);
        const { state } = await create(await (await vault.newKey("half-reborn")).inputs());
        expect(state.inStep).toBe(true);
        expect(await enabledInVault("half-reborn", earlier)).toEqual([false, false]);
    });

    test("is refused when it was another stack's", async () => {
        await deleted("others", "shop/prod");
        await expect(create(await (await vault.newKey("others")).inputs())).rejects.toMatchObject({
            code: "NAME_TAKEN",
        });
        expect((await client().getDeletedKey("others")).name).toBe("others");
    });
});

describe("verify: deep", () => {
    test.each<["rsa-2048" | "ecdsa-p384", Inputs["purposes"], string]>([
        ["rsa-2048", ["encrypt", "decrypt"], "decrypt"],
        ["rsa-2048", ["wrap", "unwrap"], "unwrap"],
        ["rsa-2048", ["sign", "verify"], "sign"],
        ["ecdsa-p384", ["sign"], "sign"],
    ])("a copy of %s with %j shows by %s that it holds the private key", async (...given) => {
        const [type, purposes, by] = given;
        const name = `proves-${type}-${by}`;
        const key = await vault.newKey(name, type, 2);
        const inputs = await key.inputs({ purposes, verify: "deep" }, { minEnabledVersion: 2 });
        const { id, state } = await create(inputs);
        expect(state.proofs).toEqual({ 1: { unproven: "it is disabled" }, 2: { by } });
        // It is asked each time: a proof is one of its moment.
        expect(await changes(state, inputs)).toBe(true);
        expect((await update(id, state, inputs)).proofs).toEqual(state.proofs);
        expect((await refresh(id, state))!.proofs).toEqual(state.proofs);
    });

    test("says why where nothing can be tried", async () => {
        const key = await vault.newKey("unproven", "rsa-2048");
        const none = await create(await key.inputs({ purposes: ["verify"], verify: "deep" }));
        expect(none.state.proofs[1]!.unproven).toMatch(/none of its purposes/);
        const early = await key.inputs({ verify: "deep", notBefore: "2099-01-01" });
        const { proofs } = await update(none.id, none.state, early);
        expect(proofs[1]!.unproven).toBe("it isn't valid now");
    });

    test.each<["rsa-2048" | "ecdsa-p256", Inputs["purposes"], number]>([
        ["rsa-2048", ["decrypt"], 200],
        // With another private key nothing comes out that has OAEP's padding.
        ["rsa-2048", ["decrypt"], 400],
        ["ecdsa-p256", ["sign"], 200],
    ])(
        "a vault that answers by another key is found out: %s, %j, %i",
        async (type, purposes, status) => {
            const name = `meddled-${type}-${status}`;
            const proxy = await startProxy(azure, vault.uri);
            try {
                const key = await vault.newKey(name, type);
                proxy.meddle(({ path }, answer) =>
                    /\/(decrypt|sign)\?/.test(path) && answer.status === 200
                        ? {
                              ...answer,
                              status,
                              body: JSON.stringify({
                                  ...(JSON.parse(answer.body) as object),
                                  value: randomBytes(type === "rsa-2048" ? 32 : 64).toString(
                                      "base64url",
                                  ),
                              }),
                          }
                        : answer,
                );
                const place = { name: "lifecycle", sku: "premium", environment: "local" } as const;
                const inputs = await key.inputs({
                    purposes,
                    verify: "deep",
                    vault: { ...place, uri: proxy.uri },
                });
                await expect(create(inputs)).rejects.toMatchObject({
                    code: "PROOF_FAILED",
                    // What was done is in the state: the copy is there.
                    properties: { verified: false, inStep: false, proofs: {} },
                });
            } finally {
                await proxy.close();
            }
        },
    );
});
