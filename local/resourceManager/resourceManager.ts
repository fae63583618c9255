import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Clock } from "../clock";
import type { Directory } from "../entra/directory";
import type { Settings } from "../settings";
import type { Collection } from "../store";
import type { Collections } from "../storePart";
import type { AccessPolicy, RoleAssignment, Vault } from "../vault";
import { errors } from "./errors";
import { counts, countingPolicies, superseded, type SupersededPolicies } from "./propagation";
import {
    assertAssignable,
    assignedRole,
    roleAssignmentRequest,
    type RoleAssignmentRecord,
} from "./roleAssignments";
import { roleOf } from "./roles";
import {
    accessPolicies,
    network,
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
    /** Earlier access policies that count for a while, oldest first. */
    supersededPolicies?: SupersededPolicies[];
    /** Those that were removed stay as long as they count. */
    roleAssignments?: RoleAssignmentRecord[];
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
    store: Collections;
    clock: Clock;
    settings: () => Settings;
    /** Whose service principals can be assigned roles. */
    directory: Directory;
    tenantId: string;
    subscriptionId: string;
    dataPlanes: DataPlanes;
    /** Does one change after the other, of all subscriptions. */
    inTurn: <T>(work: () => Promise<T>) => Promise<T>;
    /** Whether a vault of another subscription has that name. */
    isTakenElsewhere: (name: string) => boolean;
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
const nameAvailabilityRequest = z.object({
    name: z.string(),
    type: z.string().regex(/^Microsoft\.KeyVault\/vaults$/i),
});
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

export const vaultId = (
    subscriptionId: string,
    { resourceGroup, name }: Pick<VaultRecord, "resourceGroup" | "name">,
) =>
    `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.KeyVault/vaults/${name}`;

export const vaultUri = (vault: Pick<VaultRecord, "port">) => `https://127.0.0.1:${vault.port}/`;

/** Resource groups and key vaults of a subscription, with Azure Resource Manager's rules. */
export class ResourceManager {
    readonly #options: ResourceManagerOptions;
    readonly #groups: Collection<ResourceGroup>;
    /** By lower-case name: a name is one vault's, live or soft-deleted. */
    readonly #vaults: Collection<VaultRecord>;

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
        await this.#purgeDue();
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

    /** The live vault of that id as the data plane sees it now. */
    dataPlaneVault(name: string, id: string): Vault | undefined {
        const vault = this.#vaults.get(key(name));
        if (vault?.id !== id || vault.deletion) return undefined;
        const { properties } = vault;
        const now = this.#now();
        return {
            name: vault.name,
            resourceId: vaultId(this.subscriptionId, vault),
            uri: vaultUri(vault),
            tenantId: properties.tenantId,
            location: vault.location,
            sku: properties.sku.name,
            accessPolicies: countingPolicies(
                vault.supersededPolicies ?? [],
                properties.accessPolicies,
                now,
            ),
            enableRbacAuthorization: properties.enableRbacAuthorization,
            roleAssignments: countingAssignments(vault, now),
            network: network(properties),
            softDeleteRetentionInDays: properties.softDeleteRetentionInDays,
            enablePurgeProtection: properties.enablePurgeProtection ?? false,
        };
    }

    /** Whether it has a vault of that name, live or soft-deleted. */
    has(name: string): boolean {
        return this.#known(name) !== undefined;
    }

    /** Whether a vault could be made with that name, as checkNameAvailability answers it. */
    nameAvailability(body: unknown): { nameAvailable: boolean; reason?: string; message?: string } {
        const { name } = parse(nameAvailabilityRequest, body);
        const [reason, refusal] = !vaultName.test(name)
            ? ["AccountNameInvalid", errors.vaultNameNotValid(name)]
            : this.has(name) || this.#options.isTakenElsewhere(name)
              ? ["AlreadyExists", errors.vaultAlreadyExists(name)]
              : [];
        return refusal
            ? { nameAvailable: false, reason, message: refusal.message }
            : { nameAvailable: true };
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
                return { created: false, vault: await this.#recover(group, location, old) };
            }
            // A deleted vault is known only in its own location: https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/get-deleted
            if (old?.deletion && old.location === location) throw errors.vaultSoftDeleted();
            const inOtherGroup = old && key(old.resourceGroup) !== key(group.name);
            if (old?.deletion || inOtherGroup || this.#options.isTakenElsewhere(name)) {
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
                const vault = { ...old, tags: wanted.tags, ...this.#changed(old, properties) };
                return { created: false, vault: await this.#put(vault) };
            }
            const id = randomUUID();
            const port = await this.#options.dataPlanes.open({ id, name });
            const vault: VaultRecord = {
                id,
                name,
                resourceGroup: group.name,
                location,
                tags: wanted.tags,
                ...this.#changed(undefined, properties),
                port,
                createdAt: this.#timestamp(),
            };
            return { created: true, vault: await this.#put(vault) };
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
            return this.#put({
                ...old,
                tags: wanted.tags ?? old.tags,
                ...this.#changed(old, properties),
            });
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
            return this.#put({ ...old, ...this.#changed(old, properties) });
        });
    }

    deleteVault(groupName: string, name: string): Promise<void> {
        return this.#inTurn(() => this.#softDelete(this.vault(groupName, name)));
    }

    // Role assignments of a vault

    roleAssignments(groupName: string, name: string): RoleAssignmentRecord[] {
        return assignmentsOf(this.vault(groupName, name));
    }

    roleAssignment(groupName: string, name: string, assignment: string): RoleAssignmentRecord {
        const found = assignmentsOf(this.vault(groupName, name)).find(isNamed(assignment));
        if (!found) throw errors.roleAssignmentNotFound(assignment);
        return found;
    }

    putRoleAssignment(
        groupName: string,
        name: string,
        assignment: string,
        body: unknown,
    ): Promise<{ created: boolean; roleAssignment: RoleAssignmentRecord }> {
        return this.#inTurn(async () => {
            const vault = this.vault(groupName, name);
            const wanted = parse(roleAssignmentRequest, body).properties;
            const { directory, tenantId } = this.#options;
            const isServicePrincipal = !!directory.servicePrincipal(key(wanted.principalId));
            const role = assignedRole(assignment, wanted, tenantId, isServicePrincipal);
            const present = assignmentsOf(vault);
            const old = present.find(isNamed(assignment));
            assertAssignable(wanted, role, old, present);
            const roleAssignment: RoleAssignmentRecord = {
                name: key(assignment),
                roleDefinitionId: `/subscriptions/${this.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role.name}`,
                principalId: key(wanted.principalId),
                principalType: wanted.principalType ?? "ServicePrincipal",
                description: wanted.description,
                createdOn: old?.createdOn ?? this.#timestamp(),
                updatedOn: this.#timestamp(),
                from: old?.from ?? this.#propagated(),
            };
            const others = this.#remembered(vault).filter((record) => record !== old);
            await this.#put({ ...vault, roleAssignments: [...others, roleAssignment] });
            return { created: !old, roleAssignment };
        });
    }

    /** Undefined: there was none. */
    deleteRoleAssignment(
        groupName: string,
        name: string,
        assignment: string,
    ): Promise<RoleAssignmentRecord | undefined> {
        return this.#inTurn(async () => {
            const vault = this.vault(groupName, name);
            const found = assignmentsOf(vault).find(isNamed(assignment));
            if (!found) return undefined;
            const others = this.#remembered(vault).filter((record) => record !== found);
            const removed = { ...found, until: this.#propagated() };
            await this.#put({ ...vault, roleAssignments: [...others, removed] });
            return found;
        });
    }

    // Soft-deleted vaults

    deletedVault(location: string, name: string): VaultRecord {
        const vault = this.#known(name);
        if (!vault?.deletion || vault.location !== normalizedLocation(location)) {
            throw errors.deletedVaultNotFound(name);
        }
        return vault;
    }

    deletedVaults(): VaultRecord[] {
        return [...this.#vaults.values()].filter((vault) => vault.deletion && !this.#isDue(vault));
    }

    purgeVault(location: string, name: string): Promise<void> {
        return this.#inTurn(async () => {
            const vault = this.deletedVault(location, name);
            if (vault.properties.enablePurgeProtection) throw errors.purgeNotAllowed();
            await this.#purge(vault);
        });
    }

    async #purge(vault: VaultRecord): Promise<void> {
        await this.#vaults.delete(key(vault.name));
        await this.#options.dataPlanes.erase(vault.id);
    }

    /** Purges the vaults whose time is over, which nobody can see any more. */
    async #purgeDue(): Promise<void> {
        for (const vault of [...this.#vaults.values()]) {
            if (this.#isDue(vault)) await this.#purge(vault);
        }
    }

    #isDue({ deletion }: VaultRecord): boolean {
        return deletion !== undefined && Date.parse(deletion.scheduledPurgeDate) <= this.#now();
    }

    async #softDelete(vault: VaultRecord): Promise<void> {
        const now = this.#now();
        const retention = vault.properties.softDeleteRetentionInDays * day;
        await this.#put({
            ...vault,
            // They don't come back: https://learn.microsoft.com/azure/key-vault/general/key-vault-recovery
            roleAssignments: [],
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
        location: string,
        deleted: VaultRecord | undefined,
    ): Promise<VaultRecord> {
        if (deleted?.location !== location || key(deleted.resourceGroup) !== key(group.name)) {
            throw errors.softDeletedVaultDoesNotExist();
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

    /** The vault of that name, live or soft-deleted. */
    #known(name: string): VaultRecord | undefined {
        const vault = this.#vaults.get(key(name));
        return vault && !this.#isDue(vault) ? vault : undefined;
    }

    /** A vault's new properties, and the policies that count until these are everywhere. */
    #changed(
        old: VaultRecord | undefined,
        properties: VaultProperties,
    ): Pick<VaultRecord, "properties" | "supersededPolicies"> {
        const before = old?.properties.accessPolicies ?? [];
        const supersededPolicies = isDeepStrictEqual(before, properties.accessPolicies)
            ? old?.supersededPolicies
            : superseded(old?.supersededPolicies ?? [], before, this.#now(), this.#delay());
        return { properties, supersededPolicies };
    }

    /** What has to be kept of a vault's role assignments. */
    #remembered(vault: VaultRecord): RoleAssignmentRecord[] {
        return (vault.roleAssignments ?? []).filter(
            ({ until }) => until === undefined || until > this.#now(),
        );
    }

    /** When a change of access that is made now counts. */
    #propagated(): number {
        return this.#now() + this.#delay();
    }

    #delay(): number {
        return this.#options.settings().propagationDelay * 1000;
    }

    #now(): number {
        return this.#options.clock.now();
    }

    #timestamp(): string {
        return new Date(this.#now()).toISOString();
    }

    #inTurn<T>(work: () => Promise<T>): Promise<T> {
        return this.#options.inTurn(async () => {
            await this.#purgeDue();
            return work();
        });
    }
}

/** Without those that were removed. */
const assignmentsOf = (vault: VaultRecord) =>
    (vault.roleAssignments ?? []).filter(({ until }) => until === undefined);

const isNamed = (name: string) => (record: RoleAssignmentRecord) => record.name === key(name);

const countingAssignments = (vault: VaultRecord, now: number): RoleAssignment[] =>
    (vault.roleAssignments ?? [])
        .filter((record) => counts(record, now))
        .map(({ principalId, roleDefinitionId }) => ({
            principalId,
            dataActions: roleOf(roleDefinitionId)?.dataActions ?? [],
        }));

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
