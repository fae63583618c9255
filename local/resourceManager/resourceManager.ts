import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../clock";
import type { Collection, Store } from "../store";
import type { AccessPolicy, Vault } from "../vault";
import { errors } from "./errors";
import {
    accessPolicies,
    vaultProperties,
    vaultPropertiesRequest,
    type VaultProperties,
} from "./vaultProperties";

export interface ResourceGroup {
    name: string;
    location: string;
    tags?: Record<string, string>;
    managedBy?: string;
}

/** A vault as it is kept, live or soft-deleted. */
export interface VaultRecord {
    /** Its own for life: a vault of the same name that is made after a purge gets another, so it can't see old keys. */
    id: string;
    name: string;
    resourceGroup: string;
    location: string;
    tags?: Record<string, string>;
    properties: VaultProperties;
    port: number;
    createdAt: string;
    deletion?: { deletionDate: string; scheduledPurgeDate: string };
}

/** Where the vaults' data planes are served. */
export interface DataPlanes {
    /** Serves a vault at its port, or at a free one when it has none; returns the port. */
    open(vault: { id: string; name: string; port?: number }): Promise<number>;
    /** Stops serving; keeps the keys. */
    close(id: string): Promise<void>;
    /** Forgets the keys of a vault that isn't served. */
    erase(id: string): Promise<void>;
}

export interface ResourceManagerOptions {
    store: Store;
    clock: Clock;
    tenantId: string;
    subscriptionId: string;
    dataPlanes: DataPlanes;
}

const tags = z.record(z.string().max(512), z.string().max(256)).optional();
const groupRequest = z.object({
    location: z.string().optional(),
    tags,
    managedBy: z.string().optional(),
});
const vaultRequest = z.object({
    location: z.string().optional(),
    tags,
    properties: vaultPropertiesRequest,
});
const vaultPatch = z.object({ tags, properties: vaultPropertiesRequest.partial().optional() });
const policiesRequest = z.object({ properties: z.object({ accessPolicies }) });

const parse = <T>(schema: z.ZodType<T>, body: unknown): T => {
    const parsed = schema.safeParse(body ?? {});
    if (parsed.success) return parsed.data;
    // ARM's own texts for a malformed body differ per member and aren't published: assumed.
    throw errors.badRequest(
        parsed.error.issues
            .map((issue) => `Invalid value found at ${path(issue.path)}: ${issue.message}`)
            .join("; "),
    );
};
const path = (parts: readonly PropertyKey[]) =>
    parts
        .map((part, index) =>
            typeof part === "number" ? `[${part}]` : `${index ? "." : ""}${String(part)}`,
        )
        .join("") || "the body";

/** "West Europe" and "westeurope" are one place. */
export const normalizedLocation = (location: string) => location.replaceAll(" ", "").toLowerCase();
const key = (name: string) => name.toLowerCase();
const vaultName = /^(?=.{3,24}$)[a-z](?:-?[a-z0-9])*$/i;
const groupName = /^[\p{L}\p{N}_.()-]{0,89}[\p{L}\p{N}_()-]$/u;
const day = 86_400_000;

/** What the data plane needs to know of a vault. */
const dataPlaneView = (record: VaultRecord): Vault => ({
    name: record.name,
    uri: vaultUri(record),
    tenantId: record.properties.tenantId,
    location: record.location,
    sku: record.properties.sku.name,
    accessPolicies: record.properties.accessPolicies,
    enableRbacAuthorization: record.properties.enableRbacAuthorization,
    softDeleteRetentionInDays: record.properties.softDeleteRetentionInDays,
    enablePurgeProtection: record.properties.enablePurgeProtection ?? false,
});

export const vaultUri = (vault: Pick<VaultRecord, "port">) => `https://127.0.0.1:${vault.port}/`;

/** Resource groups and key vaults of the one subscription, with Azure Resource Manager's rules. */
export class ResourceManager {
    readonly #options: ResourceManagerOptions;
    readonly #groups: Collection<ResourceGroup>;
    /** By lower-case name: a name is one vault's, live or soft-deleted. */
    readonly #vaults: Collection<VaultRecord>;
    #turn: Promise<unknown> = Promise.resolve();

    constructor(options: ResourceManagerOptions) {
        this.#options = options;
        this.#groups = options.store.collection("resourceManager.resourceGroups");
        this.#vaults = options.store.collection("resourceManager.vaults");
    }

    get subscriptionId(): string {
        return this.#options.subscriptionId;
    }

    /** Serves all vaults that there are; called once, at the start. */
    async start(): Promise<void> {
        for (const vault of this.#live()) await this.#options.dataPlanes.open(vault);
    }

    // Resource groups

    group(name: string): ResourceGroup {
        const group = this.#groups.get(key(name));
        if (!group) throw errors.resourceGroupNotFound(name);
        return group;
    }

    groups(): ResourceGroup[] {
        return [...this.#groups.values()];
    }

    putGroup(name: string, body: unknown): Promise<{ created: boolean; group: ResourceGroup }> {
        return this.#inTurn(async () => {
            if (!groupName.test(name)) throw errors.invalidResourceGroup(name);
            const wanted = parse(groupRequest, body);
            if (!wanted.location) throw errors.locationRequired();
            const location = normalizedLocation(wanted.location);
            const old = this.#groups.get(key(name));
            if (old && old.location !== location) {
                throw errors.invalidResourceGroupLocation(name, location, old.location);
            }
            const group = { ...wanted, name: old?.name ?? name, location };
            await this.#groups.put(key(name), group);
            return { created: !old, group };
        });
    }

    /** Deletes a group with all that is in it; its vaults are soft-deleted. */
    deleteGroup(name: string): Promise<void> {
        return this.#inTurn(async () => {
            const group = this.group(name);
            for (const vault of this.vaults(name)) await this.#softDelete(vault);
            await this.#groups.delete(key(group.name));
        });
    }

    // Vaults

    vault(groupName: string, name: string): VaultRecord {
        this.group(groupName);
        const vault = this.#vaults.get(key(name));
        if (!vault || vault.deletion || key(vault.resourceGroup) !== key(groupName)) {
            throw errors.resourceNotFound("Microsoft.KeyVault/vaults", name, groupName);
        }
        return vault;
    }

    /** The live vaults, of one group or of all. */
    vaults(groupName?: string): VaultRecord[] {
        if (groupName === undefined) return this.#live();
        const group = this.group(groupName);
        return this.#live().filter((vault) => key(vault.resourceGroup) === key(group.name));
    }

    /** The live vault of that id as the data plane sees it. */
    dataPlaneVault(name: string, id: string): Vault | undefined {
        const vault = this.#vaults.get(key(name));
        return vault?.id === id && !vault.deletion ? dataPlaneView(vault) : undefined;
    }

    putVault(
        groupName: string,
        name: string,
        body: unknown,
    ): Promise<{ created: boolean; vault: VaultRecord }> {
        return this.#inTurn(async () => {
            const group = this.group(groupName);
            if (!vaultName.test(name)) throw errors.vaultNameNotValid(name);
            const wanted = parse(vaultRequest, body);
            if (!wanted.location) throw errors.locationRequired();
            const location = normalizedLocation(wanted.location);

            const old = this.#vaults.get(key(name));
            if (wanted.properties.createMode === "recover" && (!old || old.deletion)) {
                return { created: false, vault: await this.#recover(group, name, location, old) };
            }
            if (old?.deletion) throw errors.vaultSoftDeleted(old.name);
            if (old && key(old.resourceGroup) !== key(group.name)) {
                throw errors.vaultAlreadyExists(name);
            }
            if (old && old.location !== location) {
                throw errors.invalidResourceLocation(name, location, old.location);
            }
            const properties = vaultProperties(
                wanted.properties,
                old?.properties,
                this.#options.tenantId,
            );
            if (old) {
                const vault = { ...old, tags: wanted.tags, properties };
                await this.#vaults.put(key(name), vault);
                return { created: false, vault };
            }
            const id = randomUUID();
            const port = await this.#options.dataPlanes.open({ id, name });
            const vault: VaultRecord = {
                id,
                name,
                resourceGroup: group.name,
                location,
                tags: wanted.tags,
                properties,
                port,
                createdAt: this.#now(),
            };
            await this.#vaults.put(key(name), vault);
            return { created: true, vault };
        });
    }

    /** Changes only the members that are sent. */
    patchVault(groupName: string, name: string, body: unknown): Promise<VaultRecord> {
        return this.#inTurn(async () => {
            const old = this.vault(groupName, name);
            const wanted = parse(vaultPatch, body);
            const properties = vaultProperties(
                { ...old.properties, ...wanted.properties },
                old.properties,
                this.#options.tenantId,
            );
            return this.#put({ ...old, tags: wanted.tags ?? old.tags, properties });
        });
    }

    /** Adds, replaces or removes permissions per identity, beside the policies that are there. */
    updateAccessPolicies(
        groupName: string,
        name: string,
        operation: "add" | "replace" | "remove",
        body: unknown,
    ): Promise<VaultRecord> {
        return this.#inTurn(async () => {
            const old = this.vault(groupName, name);
            const sent = parse(policiesRequest, body).properties.accessPolicies;
            const properties = vaultProperties(
                {
                    ...old.properties,
                    accessPolicies: sent.reduce(
                        (policies, policy) => mergedPolicy(policies, policy, operation),
                        old.properties.accessPolicies,
                    ),
                },
                old.properties,
                this.#options.tenantId,
            );
            return this.#put({ ...old, properties });
        });
    }

    deleteVault(groupName: string, name: string): Promise<void> {
        return this.#inTurn(() => this.#softDelete(this.vault(groupName, name)));
    }

    // Soft-deleted vaults

    deletedVault(location: string, name: string): VaultRecord {
        const vault = this.#vaults.get(key(name));
        if (!vault?.deletion || vault.location !== normalizedLocation(location)) {
            throw errors.deletedVaultNotFound(name);
        }
        return vault;
    }

    deletedVaults(): VaultRecord[] {
        return [...this.#vaults.values()].filter((vault) => vault.deletion);
    }

    purgeVault(location: string, name: string): Promise<void> {
        return this.#inTurn(async () => {
            const vault = this.deletedVault(location, name);
            if (vault.properties.enablePurgeProtection) throw errors.purgeNotAllowed();
            await this.#vaults.delete(key(name));
            await this.#options.dataPlanes.erase(vault.id);
        });
    }

    async #softDelete(vault: VaultRecord): Promise<void> {
        const now = this.#options.clock.now();
        const retention = vault.properties.softDeleteRetentionInDays * day;
        await this.#put({
            ...vault,
            deletion: {
                deletionDate: new Date(now).toISOString(),
                scheduledPurgeDate: new Date(now + retention).toISOString(),
            },
        });
        await this.#options.dataPlanes.close(vault.id);
    }

    /** The vault as it was deleted, with its keys and policies; its group has to be there again. */
    async #recover(
        group: ResourceGroup,
        name: string,
        location: string,
        deleted: VaultRecord | undefined,
    ): Promise<VaultRecord> {
        if (deleted?.location !== location || key(deleted.resourceGroup) !== key(group.name)) {
            throw errors.deletedVaultNotFound(name);
        }
        await this.#options.dataPlanes.open(deleted);
        return this.#put({ ...deleted, deletion: undefined });
    }

    async #put(vault: VaultRecord): Promise<VaultRecord> {
        await this.#vaults.put(key(vault.name), vault);
        return vault;
    }

    #live(): VaultRecord[] {
        return [...this.#vaults.values()].filter((vault) => !vault.deletion);
    }

    #now(): string {
        return new Date(this.#options.clock.now()).toISOString();
    }

    /** One change after the other, so that two requests for one name can't both find it free. */
    #inTurn<T>(work: () => Promise<T>): Promise<T> {
        const result = this.#turn.then(work);
        this.#turn = result.catch(() => undefined);
        return result;
    }
}

const kinds = ["keys", "secrets", "certificates", "storage"] as const;

/** One identity's policy added to, put in place of, or taken out of the policies. */
function mergedPolicy<Policy extends AccessPolicy & { applicationId?: string }>(
    policies: Policy[],
    sent: Policy,
    operation: "add" | "replace" | "remove",
): Policy[] {
    const of = (policy: Policy) => key(`${policy.objectId}/${policy.applicationId ?? ""}`);
    const old = policies.find((policy) => of(policy) === of(sent));
    const others = policies.filter((policy) => policy !== old);
    if (operation === "replace" || (operation === "add" && !old)) return [...others, sent];
    if (!old) return policies;
    const permissions: AccessPolicy["permissions"] = {};
    for (const kind of kinds) {
        const had = old.permissions[kind] ?? [];
        const names = new Set((sent.permissions[kind] ?? []).map(key));
        const kept = had.filter((name) => !names.has(key(name)));
        const merged = operation === "add" ? [...kept, ...(sent.permissions[kind] ?? [])] : kept;
        if (merged.length) permissions[kind] = merged;
    }
    return Object.keys(permissions).length ? [...others, { ...old, permissions }] : others;
}
