import * as resources from "@pulumi/azure-native/resources";
import * as pulumi from "@pulumi/pulumi";
import type { KeyType, Protection, Purpose } from "../keys/keyType";
import type { Environment } from "../kms/azureKeyVault/environment";
import { foldName } from "../kms/azureKeyVault/names";
import { keyPermissions } from "../kms/azureKeyVault/permissions";
import type { Sku } from "../kms/azureKeyVault/sku";
import type { SecretLocation } from "../keys/secretLocation";
import { DistributedKey, type IdentityArgs } from "./distributedKey";
import { KeyVault, type KeyVaultAccess } from "./keyVault";
import { ManagedKey } from "./managedKey";
import { ServicePrincipal } from "./servicePrincipal";

export interface KeyRingArgs {
    /** The cloud that the vaults are in. */
    environment: Environment;
    /** Azure region of the resource group and the vaults. */
    location: string;
    /** By name. */
    vaults: Record<string, KeyRingVault>;
    /** By name. */
    keys: Record<string, KeyRingKey>;
    /** Where the seal key is. @default env:KEYMGMT_SEAL_KEY */
    seal?: SecretLocation;
}

export interface KeyRingVault {
    sku: Sku;
    /** Who distributes keys to it. @default the ring's own service principal */
    identity?: IdentityArgs;
    /** Who else may do what with its keys, besides the ring's own service principal. @default nobody */
    access?: KeyVaultAccess[];
}

export interface KeyRingKey {
    type: KeyType;
    rotation?: { trigger?: string };
    /** @default false */
    deletionAllowed?: boolean;
    /** Where it is distributed to. @default nowhere */
    distribute?: KeyRingDistribution[];
}

export interface KeyRingDistribution {
    /** One of the ring's vaults. */
    vault: string;
    /** The key's name there. @default the key's name */
    name?: string;
    purpose: Purpose[];
    protection: Protection;
}

export interface KeyRingVaultOutput {
    /** ARM id. */
    id: string;
    /** URL of the data plane. */
    uri: string;
    sku: Sku;
}

export interface KeyRingKeyOutput {
    type: KeyType;
    latestVersion: number;
    /** By number. `createdAt` is ISO 8601, `publicKey` PEM, `thumbprint` RFC 7638 (SHA-256). */
    versions: Record<string, { createdAt: string; publicKey: string; thumbprint: string }>;
}

export interface KeyRingDistributionOutput {
    key: string;
    vault: string;
    /** The key's name in the vault. */
    name: string;
    /** Versionless key id (URL). */
    keyId: string;
    /** Key id (URL) of the current version. */
    versionedKeyId: string;
    /** Our number of the current version. */
    currentVersion: number;
    /** By our number: Azure's version id, and whether it is enabled. */
    versions: Record<string, { id: string; enabled: boolean }>;
    purposes: Purpose[];
    protection: Protection;
    /** The public key of each copy was compared with ours. */
    verified: boolean;
}

/**
 * A set of keys and the vaults that they are distributed to, in a resource group and with a service principal of their own. That principal
 * gets the key permissions that the declared distributions take.
 */
export class KeyRing extends pulumi.ComponentResource {
    /** By name. */
    readonly vaults: pulumi.Output<Record<string, KeyRingVaultOutput>>;
    readonly servicePrincipal: pulumi.Output<{
        tenantId: string;
        clientId: string;
        objectId: string;
    }>;
    /** By name. */
    readonly keys: pulumi.Output<Record<string, KeyRingKeyOutput>>;
    /** One for each key and vault. */
    readonly distributions: pulumi.Output<KeyRingDistributionOutput[]>;

    constructor(name: string, args: KeyRingArgs, opts?: pulumi.ComponentResourceOptions) {
        super("keymgmt:index:KeyRing", name, {}, opts);
        const parent = { parent: this };
        const { environment, location, seal } = args;

        // First of all, so that a missing seal key is told before anything is registered with Azure.
        const keys = mapValues(args.keys, ({ type, rotation, deletionAllowed }, key) => {
            return new ManagedKey(key, { type, rotation, deletionAllowed, seal }, parent);
        });
        const principal = new ServicePrincipal(
            name,
            { displayName: `${pulumi.getProject()}-${pulumi.getStack()}` },
            parent,
        );
        const distributions = Object.entries(args.keys).flatMap(([key, { distribute = [] }]) =>
            distribute.map((distribution) => ({ key, ...distribution })),
        );
        // Replacing a vault, by another location for example, would take the copies with it.
        const holds = (vaultName?: string) =>
            distributions.some(
                ({ key, vault }) =>
                    (vaultName === undefined || vault === vaultName) &&
                    !args.keys[key]!.deletionAllowed,
            );
        const group = new resources.ResourceGroup(
            name,
            { location },
            { parent: this, protect: holds() },
        );
        const vaults = mapValues(args.vaults, ({ sku, access = [] }, vaultName) => {
            const protections = distributions
                .filter(({ vault }) => vault === vaultName)
                .map(({ protection }) => protection);
            const own = {
                objectId: principal.objectId,
                keyPermissions: keyPermissions(protections),
            };
            return new KeyVault(
                vaultName,
                {
                    vaultName,
                    resourceGroupName: group.name,
                    location,
                    sku,
                    access: [own, ...access],
                    environment,
                    tenantId: principal.tenantId,
                },
                { parent: this, protect: holds(vaultName) },
            );
        });
        const distributed = distributions.map(({ key, vault, name, purpose, protection }) => ({
            key,
            vault,
            resource: new DistributedKey(
                distributionName(key, vault, name),
                {
                    key: keys[key]!,
                    vault: vaults[vault]!,
                    identity: args.vaults[vault]!.identity ?? principal,
                    name,
                    purposes: purpose,
                    protection,
                },
                parent,
            ),
        }));

        this.vaults = pulumi.output(mapValues(vaults, ({ id, uri, sku }) => ({ id, uri, sku })));
        const { tenantId, clientId, objectId } = principal;
        this.servicePrincipal = pulumi.output({ tenantId, clientId, objectId });
        this.keys = pulumi.output(mapValues(keys, describeKey));
        this.distributions = pulumi.output(
            distributed.map(({ key, vault, resource }) => ({
                key,
                vault,
                ...describeDistribution(resource),
            })),
        );
        this.registerOutputs({ vaults: this.vaults, servicePrincipal: this.servicePrincipal });
    }
}

/** Azure compares names without case, so another case isn't another distribution. */
function distributionName(key: string, vault: string, name = key): string {
    const other = foldName(name) !== foldName(key);
    return `${key}@${vault}${other ? `/${foldName(name)}` : ""}`;
}

function describeKey({ type, version, versions }: ManagedKey) {
    return {
        type,
        latestVersion: version,
        versions: versions.apply((all) =>
            Object.fromEntries(
                all.map(({ version: number, createdAt, publicKey, thumbprint }) => [
                    number,
                    { createdAt, publicKey, thumbprint },
                ]),
            ),
        ),
    };
}

function describeDistribution(resource: DistributedKey) {
    const { name, keyId, versionedKeyId, version, copies, purposes, protection, verified } =
        resource;
    return {
        name,
        keyId,
        versionedKeyId,
        currentVersion: version,
        versions: copies.apply((all) => mapValues(all, ({ id, enabled }) => ({ id, enabled }))),
        purposes,
        protection,
        verified,
    };
}

function mapValues<T, R>(
    record: Record<string, T>,
    transform: (value: T, name: string) => R,
): Record<string, R> {
    return Object.fromEntries(
        Object.entries(record).map(([name, value]) => [name, transform(value, name)]),
    );
}
