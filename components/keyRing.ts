import { Provider } from "@pulumi/azure-native/provider";
import * as resources from "@pulumi/azure-native/resources";
import * as pulumi from "@pulumi/pulumi";
import type { KeySource } from "../keys/keySource";
import type { KeyType, Protection, Purpose } from "../keys/keyType";
import type { Deletion } from "../keys/deletion";
import type { Rotation } from "../keys/lifecycle";
import type { Proof } from "../keys/proof";
import type { Environment } from "../kms/azureKeyVault/environment";
import { foldName } from "../kms/azureKeyVault/names";
import { keyPermissions } from "../kms/azureKeyVault/permissions";
import type { Sku } from "../kms/azureKeyVault/sku";
import type { SecretLocation } from "../keys/secretLocation";
import { unlessFailed } from "./afterFailure";
import { DistributedKey, type IdentityArgs } from "./distributedKey";
import { KeyVault, type KeyVaultAccess } from "./keyVault";
import { ManagedKey } from "./managedKey";
import { ServicePrincipal } from "./servicePrincipal";

export interface KeyRingArgs {
    /** The cloud that the vaults are in, if they don't say another one. */
    environment: Environment;
    /** Azure region of the resource group and the vaults. */
    location: string;
    /** By name. */
    vaults: Record<string, KeyRingVault>;
    /** By name. */
    keys: Record<string, KeyRingKey>;
    /** Where the seal key is. @default env:KEYMGMT_SEAL_KEY */
    seal?: SecretLocation;
    /** ISO 8601: the moment at which rules are looked at. @default now */
    asOf?: string;
    /** `deep`: at each update every copy proves that it holds the private key. @default the public keys are compared */
    verify?: "deep";
}

export interface KeyRingVault {
    sku: Sku;
    /** Azure region. @default the ring's */
    location?: string;
    /** Nothing in the vault, nor itself, can be purged before its retention is over. Can't be taken back. @default false */
    purgeProtection?: boolean;
    /**
     * Who distributes keys to the vault may purge them, too. A distribution with `onDelete: purge` takes it at its end, when it isn't declared any more.
     * @default only while such a distribution is declared
     */
    allowPurge?: boolean;
    /** How long what was deleted can be recovered: 7 to 90 days, for life. @default 90 */
    retentionDays?: number;
    /** The subscription that it is made in, with the identity that azure-native is signed in with. @default azure-native's */
    subscriptionId?: string;
    /** The tenant of `subscriptionId`. @default the ring's */
    tenantId?: string;
    /** The cloud of `subscriptionId`. @default the ring's */
    environment?: Environment;
    /** Who distributes keys to it. @default the ring's own service principal */
    identity?: KeyRingIdentity;
    /** Who else may do what with its keys. @default nobody */
    access?: KeyVaultAccess[];
}

/** An identity of the vault's tenant. */
export interface KeyRingIdentity extends IdentityArgs {
    /** Of its service principal (not of the application), which gets the key permissions that distributing takes. @default it has them already */
    objectId?: string;
}

export interface KeyRingKey {
    type: KeyType;
    rotation?: Rotation;
    /** Versions below it are disabled in every vault. @default 0: none */
    minEnabledVersion?: number;
    /** Versions that are disabled in every vault. @default none */
    disabledVersions?: number[];
    /** Versions that come from outside. @default none */
    import?: KeySource[];
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
    /** Of all versions. @default none but keymgmt's own */
    tags?: Record<string, string>;
    /** ISO 8601 date. @default none */
    notBefore?: string;
    /** ISO 8601 duration. @default never */
    expiresAfter?: string;
    /** What becomes of the copy when its distribution ends. @default delete */
    onDelete?: Deletion;
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
    versions: Record<
        string,
        {
            createdAt: string;
            publicKey: string;
            thumbprint: string;
            /** Of a version from outside; `external`: nobody here ever had its private key. */
            origin?: "imported" | "external";
        }
    >;
    /** Every vault that the key is distributed to holds all versions, in order, each as it should be. */
    inStep: boolean;
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
    /** By our number: Azure's version id, whether it is enabled, and when it expires (ISO 8601). */
    versions: Record<string, { id: string; enabled: boolean; expiresAt?: string }>;
    /** Azure's ids of versions that aren't ours. */
    foreign: string[];
    purposes: Purpose[];
    protection: Protection;
    /** The public key of each copy was compared with ours. */
    verified: boolean;
    /** Our version -> how its copy proved that it holds the private key; empty unless `verify` is `deep`. */
    proofs: Record<string, Proof>;
    inStep: boolean;
}

/**
 * A set of keys and the vaults that they are distributed to, with a service principal of their own and, in each subscription, a resource group. That
 * principal gets the key permissions that the declared distributions take, in those vaults that have no identity of their own.
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
        const { environment, location, seal, asOf = new Date().toISOString(), verify } = args;

        // First of all, so that a missing seal key is told before anything is registered with Azure.
        const keys = mapValues(args.keys, ({ distribute: _distribute, ...key }, name) => {
            return new ManagedKey(name, { ...key, seal, asOf }, parent);
        });
        const principal = new ServicePrincipal(
            name,
            { displayName: `${pulumi.getProject()}-${pulumi.getStack()}` },
            parent,
        );
        const distributions = Object.entries(args.keys).flatMap(([key, { distribute = [] }]) =>
            distribute.map((distribution) => ({ key, ...distribution })),
        );
        const places = placesOf(name, args, this);
        const vaults = mapValues(args.vaults, (declared, vaultName) => {
            const { access = [], identity, subscriptionId, allowPurge, ...vault } = declared;
            const uses = distributions
                .filter((distribution) => distribution.vault === vaultName)
                .map(({ key, purpose, ...distribution }) => ({
                    ...distribution,
                    purposes: purpose,
                    notifyBefore: args.keys[key]!.rotation?.notifyBefore,
                    verify,
                }));
            const objectId = identity ? identity.objectId : principal.objectId;
            const own = objectId
                ? [{ objectId, keyPermissions: keyPermissions(uses, allowPurge) }]
                : [];
            const { group, provider } = places(subscriptionId);
            return new KeyVault(
                vaultName,
                {
                    vaultName,
                    resourceGroupName: group.name,
                    location,
                    environment,
                    tenantId: principal.tenantId,
                    ...vault,
                    access: [...own, ...access],
                },
                { parent: this, provider },
            );
        });
        const distributed = distributions.map(({ key, vault, purpose, ...distribution }) => {
            const named = distributionName(key, vault, distribution.name);
            const alone = distributions.filter((each) => each.key === key && each.vault === vault);
            return {
                key,
                vault,
                name: distribution.name ?? key,
                resource: new DistributedKey(
                    // With one name that stays, a change of the copy's own name is seen as what it is, a replacement.
                    alone.length === 1 ? `${key}@${vault}` : named,
                    {
                        ...distribution,
                        key: keys[key]!,
                        vault: vaults[vault]!,
                        identity: args.vaults[vault]!.identity ?? principal,
                        purposes: purpose,
                        verify,
                    },
                    { parent: this, ...(alone.length === 1 && { aliases: [{ name: named }] }) },
                ),
            };
        });

        this.vaults = pulumi.output(
            mapValues(vaults, ({ id, uri, sku }) =>
                unlessFailed(pulumi.output({ id, uri, sku }), undefined),
            ),
        ) as typeof this.vaults;
        const { tenantId, clientId, objectId } = principal;
        this.servicePrincipal = unlessFailed(
            pulumi.output({ tenantId, clientId, objectId }),
            undefined,
        ) as typeof this.servicePrincipal;
        this.keys = pulumi.output(
            mapValues(keys, (key, keyName) => {
                const failed = { type: args.keys[keyName]!.type, inStep: false };
                const inStep = pulumi
                    .all(
                        distributed
                            .filter((each) => each.key === keyName)
                            .map(({ resource }) => unlessFailed(resource.inStep, false)),
                    )
                    .apply((all) => all.every(Boolean));
                return unlessFailed(
                    pulumi.output({ ...describeKey(key), inStep }),
                    failed as KeyRingKeyOutput,
                );
            }),
        );
        this.distributions = pulumi.output(
            distributed.map(({ key, vault, name, resource }) => {
                const failed = { key, vault, name, verified: false, inStep: false };
                const described = pulumi.output({ key, vault, ...describeDistribution(resource) });
                return unlessFailed(described, failed as KeyRingDistributionOutput).apply(
                    // What failed half-way is known, but nobody should go by it.
                    (output) => (output.inStep ? output : (failed as KeyRingDistributionOutput)),
                );
            }),
        );
        this.registerOutputs({ vaults: this.vaults, servicePrincipal: this.servicePrincipal });
    }
}

/** Where vaults are made: in each subscription a resource group, with the provider that reaches it. */
function placesOf(name: string, args: KeyRingArgs, parent: pulumi.Resource) {
    const all = Object.values(args.vaults);
    const groupIn = (subscriptionId?: string) => {
        const vaults = all.filter((vault) => vault.subscriptionId === subscriptionId);
        const { tenantId, environment = args.environment } = vaults[0] ?? {};
        const provider =
            subscriptionId === undefined
                ? undefined
                : new Provider(
                      subscriptionId,
                      { subscriptionId, tenantId, environment: pulumiEnvironment[environment] },
                      { parent },
                  );
        const group = new resources.ResourceGroup(
            subscriptionId === undefined ? name : `${name}-${subscriptionId}`,
            {
                // A name that doesn't change: a soft-deleted vault comes back in the group of the same name only.
                resourceGroupName: `${pulumi.getProject()}-${pulumi.getStack()}`,
                location: (subscriptionId && vaults[0]?.location) || args.location,
            },
            // Replacing it would take the vaults with it, and where it is matters to nobody.
            { parent, provider, ignoreChanges: ["location", "resourceGroupName"] },
        );
        return { group, provider };
    };
    const home = groupIn();
    const others = new Map(
        [...new Set(all.map(({ subscriptionId }) => subscriptionId))]
            .filter((id) => id !== undefined)
            .map((id) => [id, groupIn(id)]),
    );
    return (subscriptionId?: string) => (subscriptionId ? others.get(subscriptionId)! : home);
}

/** azure-native's words for the clouds; a local one it doesn't know. */
const pulumiEnvironment: Record<Environment, string | undefined> = {
    AzurePublicCloud: "public",
    AzureUSGovernment: "usgovernment",
    AzureChinaCloud: "china",
    local: undefined,
};

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
                all.map(({ version: number, createdAt, publicKey, thumbprint, origin }) => [
                    number,
                    { createdAt, publicKey, thumbprint, ...(origin && { origin }) },
                ]),
            ),
        ),
    };
}

function describeDistribution(resource: DistributedKey) {
    const { name, keyId, versionedKeyId, version, purposes, protection } = resource;
    const { copies, foreign, verified, proofs, inStep } = resource;
    return {
        name,
        keyId,
        versionedKeyId,
        currentVersion: version,
        versions: copies.apply((all) =>
            mapValues(all, ({ id, enabled, expiresAt }) => ({
                id,
                enabled,
                ...(expiresAt && { expiresAt }),
            })),
        ),
        foreign: foreign.apply((all) => all.map(({ id }) => id)),
        purposes,
        protection,
        verified,
        proofs,
        inStep,
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
