import * as authorization from "@pulumi/azure-native/authorization";
import * as keyvault from "@pulumi/azure-native/keyvault";
import * as pulumi from "@pulumi/pulumi";
import { cloudOf, type Environment } from "../kms/azureKeyVault/environment";
import type { KeyPermission } from "../kms/azureKeyVault/permissions";
import type { Sku } from "../kms/azureKeyVault/sku";
import { isSoftDeletedVault, updateRecoveredVault } from "../kms/azureKeyVault/softDeletedVault";
import { toRunError } from "./runError";

export interface KeyVaultArgs {
    /** 3 to 24 characters; taken by nobody else in the whole cloud. */
    vaultName: pulumi.Input<string>;
    resourceGroupName: pulumi.Input<string>;
    /** Azure region. */
    location: pulumi.Input<string>;
    /** `premium` has HSMs, `standard` has none. */
    sku: pulumi.Input<Sku>;
    /** Who may do what with the vault's keys. Nobody else may do anything. */
    access: KeyVaultAccess[];
    /** Nothing in the vault, nor itself, can be purged before its retention is over. Can't be taken back. @default false */
    purgeProtection?: pulumi.Input<boolean>;
    /** How long what was deleted can be recovered: 7 to 90 days, for life. @default 90 */
    retentionDays?: pulumi.Input<number>;
    /** The cloud that the vault is in. @default AzurePublicCloud */
    environment?: pulumi.Input<Environment>;
    /** @default the tenant that azure-native is signed in to */
    tenantId?: pulumi.Input<string>;
}

export interface KeyVaultAccess {
    /** Of a user, group or service principal. */
    objectId: pulumi.Input<string>;
    keyPermissions: pulumi.Input<pulumi.Input<KeyPermission>[]>;
}

/**
 * A key vault whose access policies are declared with it: one request sets both, so a vault is never there without them.
 *
 * Where the name is held by a soft-deleted vault of the same region, that one is recovered, with what is in it: until its retention is over, Azure
 * gives the name to nobody else. Preview and update say so as `createMode: recover`; the update after that takes the word away again.
 */
export class KeyVault extends pulumi.ComponentResource {
    /** ARM id. */
    readonly id: pulumi.Output<string>;
    readonly name: pulumi.Output<string>;
    /** URL of the data plane. */
    readonly uri: pulumi.Output<string>;
    /** Azure region. */
    readonly location: pulumi.Output<string>;
    readonly sku: pulumi.Output<Sku>;
    readonly environment: pulumi.Output<Environment>;
    /** ISO 8601. */
    readonly createdAt: pulumi.Output<string | undefined>;
    readonly purgeProtection: pulumi.Output<boolean>;

    constructor(name: string, args: KeyVaultArgs, opts?: pulumi.ComponentResourceOptions) {
        super("keymgmt:index:KeyVault", name, {}, opts);
        const parent = { parent: this };
        this.name = pulumi.output(args.vaultName);
        this.location = pulumi.output(args.location);
        this.sku = pulumi.output(args.sku);
        this.environment = pulumi.output(args.environment ?? "AzurePublicCloud");
        this.purgeProtection = pulumi.output(args.purgeProtection ?? false);

        const tenantId = args.tenantId ?? authorization.getClientConfigOutput(parent).tenantId;
        const properties = {
            tenantId,
            sku: { family: "A" as const, name: args.sku },
            enableSoftDelete: true,
            // Azure takes true or nothing (https://learn.microsoft.com/azure/templates/microsoft.keyvault/vaults).
            enablePurgeProtection: this.purgeProtection.apply(
                (protection) => protection || undefined,
            ),
            // Said explicitly, since the default changes with the API version:
            // https://learn.microsoft.com/azure/key-vault/general/access-control-default
            enableRbacAuthorization: false,
            accessPolicies: args.access.map(({ objectId, keyPermissions }) => ({
                tenantId,
                objectId,
                permissions: { keys: keyPermissions },
            })),
        };
        const softDeleted = this.softDeleted();
        const vault = new keyvault.Vault(
            name,
            {
                vaultName: args.vaultName,
                resourceGroupName: args.resourceGroupName,
                location: args.location,
                properties: {
                    ...properties,
                    softDeleteRetentionInDays: args.retentionDays,
                    createMode: pulumi.unsecret(softDeleted.apply((found) => found && "recover")),
                },
            },
            // Otherwise a change that can't be made in place would delete the vault first, and then find its name taken by what it deleted.
            { parent: this, deleteBeforeReplace: false },
        );
        this.id = vault.id;
        const upToDate = pulumi
            .all([softDeleted, args.resourceGroupName, properties, vault.id])
            .apply(async ([found, resourceGroup, declared]) => {
                // A preview knows the id of a vault that the state still has.
                if (found && !pulumi.runtime.isDryRun()) {
                    const { token, cloud, ...place } = found;
                    const vault = { ...place, resourceGroup };
                    await inProgram(updateRecoveredVault(vault, declared, token, cloud));
                }
            });
        // Its keys have to wait for that: until then it lets in whom it let in before.
        this.uri = pulumi
            .all([vault.properties.vaultUri, pulumi.unsecret(upToDate)])
            .apply(([uri]) => uri);
        this.createdAt = vault.systemData.apply((data) => data?.createdAt);
        this.registerOutputs({ id: this.id, name: this.name, uri: this.uri });
    }

    /** The soft-deleted vault that holds the name, and what it takes to change it. Looked up with the identity that azure-native is signed in with. */
    private softDeleted() {
        const parent = { parent: this };
        const { subscriptionId } = authorization.getClientConfigOutput(parent);
        const { token } = authorization.getClientTokenOutput({}, parent);
        return pulumi
            .all([this.name, this.location, this.environment, subscriptionId, token])
            .apply(async ([name, location, environment, subscriptionId, token]) => {
                const place = { name, location, subscriptionId };
                const cloud = cloudOf(environment, process.env);
                // Pulumi's mocks have no token.
                const found = token && (await inProgram(isSoftDeletedVault(place, token, cloud)));
                return found ? { ...place, token, cloud } : undefined;
            });
    }
}

async function inProgram<T>(work: Promise<T>): Promise<T> {
    try {
        return await work;
    } catch (error) {
        throw toRunError(error);
    }
}
