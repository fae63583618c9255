import type { Clock } from "../../local/clock";
import { keyVaultAuthenticator } from "../../local/entra/authenticate";
import { Directory } from "../../local/entra/directory";
import { Tenants } from "../../local/entra/tenants";
import { Tokens } from "../../local/entra/tokens";
import type { DataPlanes } from "../../local/resourceManager/resourceManager";
import { Subscriptions } from "../../local/resourceManager/subscriptions";
import { defaultSettings } from "../../local/settings";
import type { Collection, Store } from "../../local/store";

/** A store that lives as long as the test. */
export function memoryStore(): Store {
    const collections = new Map<string, Map<string, unknown>>();
    return {
        collection<T>(name: string): Collection<T> {
            const records = (collections.get(name) ?? new Map()) as Map<string, T>;
            collections.set(name, records);
            return {
                get: (id) => records.get(id),
                values: () => records.values(),
                put: (id, value) => Promise.resolve(void records.set(id, structuredClone(value))),
                delete: (id) => Promise.resolve(void records.delete(id)),
            };
        },
        close: () => Promise.resolve(),
    };
}

export const settableClock = (iso: string): Clock & { set(iso: string): void } => {
    let now = Date.parse(iso);
    return { now: () => now, set: (next) => (now = Date.parse(next)) };
};

/** Data planes that only say what happens to them. */
export function recordedDataPlanes(): DataPlanes & { events: string[] } {
    const names = new Map<string, string>();
    const events: string[] = [];
    const record = (event: string, id: string) =>
        Promise.resolve(void events.push(`${event} ${names.get(id)}`));
    return {
        events,
        async open({ id, name, port }) {
            names.set(id, name);
            // As long as a real one takes to listen, others may come in between.
            await new Promise(setImmediate);
            await record("open", id);
            return port ?? 20_000 + names.size;
        },
        close: (id) => record("close", id),
        erase: (id) => record("erase", id),
    };
}

export const tenantId = "11111111-1111-4111-8111-111111111111";
export const subscriptionId = "22222222-2222-4222-8222-222222222222";

let signingKey: unknown;

/** The services of a cloud in memory, and an operator. */
export async function cloudServices() {
    const clock = settableClock("2026-11-24T00:00:00Z");
    const store = memoryStore();
    // One signing key for a whole file: making one takes longer than most tests.
    const keys = store.collection("entra.signingKey");
    if (signingKey) await keys.put("current", signingKey);
    const operator = await newServicePrincipal(new Directory(store, clock), "operator");
    await store
        .collection("cloud.identity")
        .put("identity", { tenantId, subscriptionId, operator });
    const tenants = await Tenants.open(store, clock);
    const { directory } = tenants.home;
    const tokens = await Tokens.open(store, clock);
    signingKey = keys.get("current");
    const dataPlanes = recordedDataPlanes();
    const current = { ...defaultSettings };
    const settings = () => current;
    const cloud = { store, clock, settings, tenants };
    const subscriptions = new Subscriptions({ ...cloud, dataPlanes: () => dataPlanes });
    const { resourceManager } = subscriptions.home;
    const authenticate = keyVaultAuthenticator({ tokens, tenant: tenants.home });
    return {
        clock,
        store,
        settings,
        tenants,
        directory,
        tokens,
        dataPlanes,
        subscriptions,
        resourceManager,
        operator,
        authenticate,
    };
}

export async function newServicePrincipal(directory: Directory, displayName: string) {
    const application = await directory.createApplication({ displayName });
    const principal = await directory.createServicePrincipal(application.clientId);
    const { password, value } = await directory.addPassword(application.objectId, {
        displayName: "test",
    });
    return {
        application,
        principal,
        password,
        clientId: application.clientId,
        clientSecret: value,
    };
}
