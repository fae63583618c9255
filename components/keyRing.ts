import * as resources from "@pulumi/azure-native/resources";
import * as pulumi from "@pulumi/pulumi";
import type { KeyType, Protection, Purpose } from "../keys/keyType";
import type { Environment } from "../kms/azureKeyVault/environment";
import { keyPermissions } from "../kms/azureKeyVault/permissions";
import type { Sku } from "../kms/azureKeyVault/sku";
import type { SecretLocation } from "../keys/secretLocation";
import { DistributedKey, type IdentityArgs } from "./distributedKey";
import { KeyVault } from "./keyVault";
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
    /** Who reaches its data plane. @default the ring's own service principal */
    identity?: IdentityArgs;
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

/**
 * A set of keys and the vaults that they are distributed to, in a resource group and with a service principal of their own. That principal
 * gets the key permissions that the declared distributions take.
 */
export class KeyRing extends pulumi.ComponentResource {
    /** By name: `id`, `uri`, `sku`. */
    readonly vaults: pulumi.Output<unknown>;
    /** `tenantId`, `clientId`, `objectId`. */
    readonly servicePrincipal: pulumi.Output<unknown>;
    /** By name: `type`, `latestVersion`, and `versions`, by number: `createdAt`, `publicKey` (PEM), `thumbprint`. */
    readonly keys: pulumi.Output<unknown>;
    /**
     * For each key and vault: `key`, `vault`, `name`, `keyId`, `versionedKeyId`, `currentVersion`, `versions` (by our number: Azure's `id`,
     * `enabled`), `purposes`, `protection`, `verified`.
     */
    readonly distributions: pulumi.Output<unknown>;

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
        const group = new resources.ResourceGroup(name, { location }, parent);
        const distributions = Object.entries(args.keys).flatMap(([key, { distribute = [] }]) =>
            distribute.map((distribution) => ({ key, ...distribution })),
        );
        const vaults = mapValues(args.vaults, ({ sku }, vaultName) => {
            const protections = distributions
                .filter(({ vault }) => vault === vaultName)
                .map(({ protection }) => protection);
            const access = [
                { objectId: principal.objectId, keyPermissions: keyPermissions(protections) },
            ];
            return new KeyVault(
                vaultName,
                {
                    vaultName,
                    resourceGroupName: group.name,
                    location,
                    sku,
                    access,
                    environment,
                    tenantId: principal.tenantId,
                },
                parent,
            );
        });
        const distributed = distributions.map(({ key, vault, name, purpose, protection }) => ({
            key,
            vault,
            resource: new DistributedKey(
                `${key}@${vault}${name && name !== key ? `/${name}` : ""}`,
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
        this.registerOutputs();
    }
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
