import { randomUUID } from "node:crypto";
import type { Clock } from "../clock";
import type { Collection } from "../store";
import { storePart, type Collections } from "../storePart";
import { Directory } from "./directory";

/** An application that may do everything in its tenant and in the tenant's subscriptions. */
export interface Operator {
    clientId: string;
    clientSecret: string;
}

/** A directory with its operator, and the subscriptions that trust it. */
export interface Tenant {
    readonly tenantId: string;
    readonly subscriptionIds: readonly string[];
    readonly operator: Operator;
    readonly directory: Directory;
}

interface TenantRecord {
    tenantId: string;
    /** The first one. */
    subscriptionId: string;
    otherSubscriptionIds?: string[];
    operator: Operator;
}

/** The record of the tenant that is there from the start. */
const home = "identity";

/** The tenants of this cloud. What is decided when one is made stays. */
export class Tenants {
    readonly #store: Collections;
    readonly #clock: Clock;
    readonly #records: Collection<TenantRecord>;
    /** By record. */
    readonly #directories = new Map<string, Directory>();

    private constructor(store: Collections, clock: Clock) {
        this.#store = store;
        this.#clock = clock;
        this.#records = store.collection("cloud.identity");
    }

    /** Those that are kept; at the first start one is made. */
    static async open(store: Collections, clock: Clock): Promise<Tenants> {
        const tenants = new Tenants(store, clock);
        if (!tenants.#records.get(home)) await tenants.#create(home, randomUUID());
        return tenants;
    }

    /** The tenant that is there from the start. */
    get home(): Tenant {
        return this.#tenant(home, this.#records.get(home)!);
    }

    all(): Tenant[] {
        const others = [...this.#records.values()].filter(
            ({ tenantId }) => tenantId !== this.home.tenantId,
        );
        return [this.home, ...others.map((record) => this.#tenant(record.tenantId, record))];
    }

    find(tenantId: string): Tenant | undefined {
        const id = tenantId.toLowerCase();
        return this.all().find((tenant) => tenant.tenantId === id);
    }

    /** A further tenant, with a subscription. */
    async add(): Promise<Tenant> {
        const tenantId = randomUUID();
        return this.#create(tenantId, tenantId);
    }

    /** A further subscription of a tenant; returns its id. */
    async addSubscription({ tenantId }: Tenant): Promise<string> {
        const id = tenantId === this.home.tenantId ? home : tenantId;
        const record = this.#records.get(id)!;
        const subscriptionId = randomUUID();
        const otherSubscriptionIds = [...(record.otherSubscriptionIds ?? []), subscriptionId];
        await this.#records.put(id, { ...record, otherSubscriptionIds });
        return subscriptionId;
    }

    async #create(id: string, tenantId: string): Promise<Tenant> {
        const client = await newClient(this.#directory(id), "Local Azure operator");
        const { clientId, clientSecret } = client;
        const operator = { clientId, clientSecret };
        const record = { tenantId, subscriptionId: randomUUID(), operator };
        await this.#records.put(id, record);
        return this.#tenant(id, record);
    }

    #tenant(id: string, record: TenantRecord): Tenant {
        const { tenantId, subscriptionId, otherSubscriptionIds = [], operator } = record;
        const subscriptionIds = [subscriptionId, ...otherSubscriptionIds];
        return { tenantId, subscriptionIds, operator, directory: this.#directory(id) };
    }

    #directory(id: string): Directory {
        const known = this.#directories.get(id);
        if (known) return known;
        const store = id === home ? this.#store : storePart(this.#store, id);
        const directory = new Directory(store, this.#clock);
        this.#directories.set(id, directory);
        return directory;
    }
}

/** An application with a service principal and a client secret that doesn't expire. */
export async function newClient(
    directory: Directory,
    displayName: string,
): Promise<{ clientId: string; clientSecret: string; objectId: string }> {
    const { clientId, objectId: application } = await directory.createApplication({ displayName });
    const { objectId } = await directory.createServicePrincipal(clientId);
    const { value } = await directory.addPassword(application, { endDate: "9999-12-31T00:00:00Z" });
    return { clientId, clientSecret: value, objectId };
}

/** Who the operator is in a tenant. */
export function signedIn({ tenantId, directory, operator: { clientId } }: Tenant) {
    const objectId = directory.servicePrincipalOf(clientId)?.objectId ?? "";
    return { tenantId, clientId, objectId };
}
