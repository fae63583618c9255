import type { Clock } from "../clock";
import type { Tenant, Tenants } from "../entra/tenants";
import type { Settings } from "../settings";
import { storePart, type Collections } from "../storePart";
import type { Vault } from "../vault";
import { ResourceManager, type DataPlanes, type VaultRecord } from "./resourceManager";

export interface Subscription {
    readonly tenant: Tenant;
    readonly resourceManager: ResourceManager;
}

export interface SubscriptionsOptions {
    store: Collections;
    clock: Clock;
    settings: () => Settings;
    tenants: Tenants;
    /** Where the vaults of one subscription are served, which says what each is now. */
    dataPlanes: (
        tenant: Tenant,
        vault: (name: string, id: string) => Vault | undefined,
    ) => DataPlanes;
}

/** The subscriptions of all tenants. They share nothing but the names of vaults. */
export class Subscriptions {
    readonly #options: SubscriptionsOptions;
    readonly #open = new Map<string, Subscription>();
    #turn: Promise<unknown> = Promise.resolve();

    constructor(options: SubscriptionsOptions) {
        this.#options = options;
        for (const tenant of options.tenants.all()) {
            for (const id of tenant.subscriptionIds) this.#add(tenant, id);
        }
    }

    /** The one that is there from the start. */
    get home(): Subscription {
        return this.get(this.#options.tenants.home.subscriptionIds[0]!)!;
    }

    get(id: string): Subscription | undefined {
        return this.#open.get(id.toLowerCase());
    }

    /** The vaults of all subscriptions, live and soft-deleted. */
    vaults(): VaultRecord[] {
        const managers = this.#managers();
        return [
            ...managers.flatMap((manager) => manager.vaults()),
            ...managers.flatMap((manager) => manager.deletedVaults()),
        ];
    }

    /** Serves all vaults that there are; called once, at the start. */
    async start(): Promise<void> {
        for (const manager of this.#managers()) await manager.start();
    }

    /** A further tenant, with a subscription. */
    async addTenant(): Promise<Tenant> {
        const tenant = await this.#options.tenants.add();
        for (const id of tenant.subscriptionIds) this.#add(tenant, id);
        return tenant;
    }

    /** A further subscription of a tenant; returns its id. */
    async add(tenant: Tenant): Promise<string> {
        const id = await this.#options.tenants.addSubscription(tenant);
        this.#add(tenant, id);
        return id;
    }

    #add(tenant: Tenant, subscriptionId: string): void {
        const { store, clock, settings, tenants, dataPlanes } = this.#options;
        const { tenantId, directory } = tenant;
        const isHome = subscriptionId === tenants.home.subscriptionIds[0];
        const resourceManager: ResourceManager = new ResourceManager({
            store: isHome ? store : storePart(store, subscriptionId),
            clock,
            settings,
            directory,
            tenantId,
            subscriptionId,
            dataPlanes: dataPlanes(tenant, (name, id) => resourceManager.dataPlaneVault(name, id)),
            inTurn: (work) => this.#inTurn(work),
            isTakenElsewhere: (name) =>
                this.#managers().some((other) => other !== resourceManager && other.has(name)),
        });
        this.#open.set(subscriptionId, { tenant, resourceManager });
    }

    #managers(): ResourceManager[] {
        return [...this.#open.values()].map(({ resourceManager }) => resourceManager);
    }

    /** One change after the other, so that two requests for one name can't both find it free. */
    #inTurn<T>(work: () => Promise<T>): Promise<T> {
        const result = this.#turn.then(work);
        this.#turn = result.catch(() => undefined);
        return result;
    }
}
