import * as fc from "fast-check";
import { Keys, type KeyRecord, type KeyVersion } from "../../local/keyvault/keys";
import { KeyRecords } from "../../local/keyvault/records";
import { defaultSettings } from "../../local/settings";
import type { Store } from "../../local/store";
import { memoryStore, settableClock } from "./cloudFixture";
import { vaultFixture } from "./keyvaultFixture";

const noon = "2027-01-01T12:00:00Z";
const seconds = Date.parse(noon) / 1000;
const version: KeyVersion = {
    id: "0".repeat(32),
    kty: "EC",
    public: { crv: "P-256", x: "", y: "" },
    pkcs8: "",
    keyOps: [],
    enabled: true,
    created: seconds,
    updated: seconds,
};
const changes: Record<string, Partial<KeyRecord>> = {
    live: {},
    deleted: { deleted: { date: seconds, purgeDate: seconds + 100 } },
    deleting: {
        deleted: { date: seconds, purgeDate: seconds + 100 },
        change: { kind: "deleting", visibleAt: (seconds + 6) * 1000 },
    },
    recovering: {
        deleted: { date: seconds, purgeDate: seconds + 1 },
        change: { kind: "recovering", visibleAt: (seconds + 6) * 1000 },
    },
    rotating: {
        rotationPolicy: {
            lifetimeActions: [
                { trigger: { timeAfterCreate: "PT60S" }, action: { type: "Rotate" } },
            ],
            created: seconds,
            updated: seconds,
            countsFrom: seconds,
        },
    },
};
const record = (name: string, change: string): KeyRecord => ({
    name,
    versions: [version],
    ...changes[change],
});
const names = (records: KeyRecord[]) => records.map(({ name }) => name);

const steps = fc.array(
    fc.tuple(
        fc.constantFrom("a", "B", "c", "D", "e"),
        fc.constantFrom(...Object.keys(changes), "gone"),
    ),
);

test("after any changes, and read anew: live and deleted keys in the order of their names", async () => {
    const property = fc.asyncProperty(steps, async (all) => {
        const store = memoryStore();
        const records = new KeyRecords(store, "vault");
        const expected = new Map<string, string>();
        for (const [name, change] of all) {
            if (change === "gone") await records.delete(name);
            else await records.put(record(name, change));
            expected.set(name, change);
        }
        const inOrder = (...kinds: string[]) =>
            ["a", "B", "c", "D", "e"].filter((name) => kinds.includes(expected.get(name) ?? ""));
        for (const view of [records, new KeyRecords(store, "VAULT")]) {
            expect(names(view.live("", 9))).toEqual(inOrder("live", "rotating"));
            expect(names(view.deleted("", 9))).toEqual(inOrder("deleted", "recovering"));
        }
    });
    await fc.assert(property, { numRuns: 200 });
});

test("a part of them begins behind an id, whether its key is there or not", async () => {
    const records = new KeyRecords(memoryStore(), "vault");
    for (const name of ["d", "B", "f", "a"]) await records.put(record(name, "live"));
    expect(names(records.live("", 2))).toEqual(["a", "B"]);
    expect(names(records.live("b", 2))).toEqual(["d", "f"]);
    expect(names(records.live("c", 1))).toEqual(["d"]);
    expect(names(records.live("f", 1))).toEqual([]);
});

test.each([
    ["live", Infinity],
    ["deleted", 100],
    ["deleting", 6],
    ["recovering", 6],
    ["rotating", 60],
])("a key that is %s is due after %d seconds, and not before", async (change, after) => {
    const store = memoryStore();
    const records = new KeyRecords(store, "vault");
    await records.put(record("other", "deleted"));
    await records.put(record("key", change));
    for (const view of [records, new KeyRecords(store, "vault")]) {
        const due = (time: number) => view.due((seconds + time) * 1000).includes("key");
        if (after === Infinity) expect(due(1e9)).toBe(false);
        else expect([due(after - 0.001), due(after), due(1e9)]).toEqual([false, true, true]);
        // The clock can be set back.
        expect(due(0)).toBe(false);
    }
    await records.put(record("key", "live"));
    expect(records.due((seconds + 1e9) * 1000)).toEqual(["other"]);
    await records.delete("other");
    expect(records.due((seconds + 1e9) * 1000)).toEqual([]);
});

test("a list that removes what is over doesn't undo what another request does meanwhile", async () => {
    const store = memoryStore();
    const clock = settableClock(noon);
    const records = new KeyRecords(slowDeletes(store), "vault");
    await records.put(record("over", "deleted"));
    await records.put({
        ...record("seen", "deleting"),
        deleted: { date: seconds, purgeDate: seconds + 200 },
    });
    clock.set("2027-01-01T12:02:00Z");
    const keys = new Keys(vaultFixture(), {
        records,
        clock,
        settings: () => defaultSettings,
        backupKey: Buffer.alloc(32),
    });
    const listed = keys.settle();
    await keys.settle("seen");
    await keys.recover("seen");
    await listed;
    expect(names(keys.list())).toEqual(["seen"]);
    expect(names(keys.listDeleted())).toEqual([]);
});

/** Deletions take until other work that is waiting is done. */
const slowDeletes = (store: Store): Store => ({
    ...store,
    collection: <T>(name: string) => {
        const records = store.collection<T>(name);
        return {
            ...records,
            delete: async (id: string) => {
                await records.delete(id);
                await new Promise(setImmediate);
            },
        };
    },
});
