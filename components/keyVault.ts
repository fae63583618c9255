import * as authorization from "@pulumi/azure-native/authorization";
import * as keyvault from "@pulumi/azure-native/keyvault";
import * as pulumi from "@pulumi/pulumi";
import type { Environment } from "../kms/azureKeyVault/environment";
import type { KeyPermission } from "../kms/azureKeyVault/permissions";
import type { Sku } from "../kms/azureKeyVault/sku";

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

/** A key vault whose access policies are declared with it: one request sets both, so a vault is never there without them. */
export class KeyVault extends pulumi.ComponentResource {
    /** ARM id. */
    readonly id: pulumi.Output<string>;
    readonly name: pulumi.Output<string>;
    /** URL of the data plane. */
    readonly uri: pulumi.Output<string>;
    readonly sku: pulumi.Output<Sku>;
    readonly environment: pulumi.Output<Environment>;
    /** ISO 8601. */
    readonly createdAt: pulumi.Output<string | undefined>;
    readonly purgeProtection: pulumi.Output<boolean>;

    constructor(name: string, args: KeyVaultArgs, opts?: pulumi.ComponentResourceOptions) {
        super("keymgmt:index:KeyVault", name, {}, opts);
        const parent = { parent: this };
        const tenantId = args.tenantId ?? authorization.getClientConfigOutput(parent).tenantId;
        const vault = new keyvault.Vault(
            name,
            {
                vaultName: args.vaultName,
                resourceGroupName: args.resourceGroupName,
                location: args.location,
                properties: {
                    tenantId,
                    sku: { family: "A", name: args.sku },
                    enableSoftDelete: true,
                    softDeleteRetentionInDays: args.retentionDays,
                    // Azure takes true or nothing (https://learn.microsoft.com/azure/templates/microsoft.keyvault/vaults).
                    enablePurgeProtection: pulumi
                        .output(args.purgeProtection)
                        .apply((protection) => protection || undefined),
                    // Said explicitly, since the default changes with the API version:
                    // https://learn.microsoft.com/azure/key-vault/general/access-control-default
                    enableRbacAuthorization: false,
                    accessPolicies: args.access.map(({ objectId, keyPermissions }) => ({
                        tenantId,
                        objectId,
                        permissions: { keys: keyPermissions },
                    })),
                },
            },
            parent,
        );
        this.id = vault.id;
        this.name = pulumi.output(args.vaultName);
        this.uri = vault.properties.vaultUri;
        this.sku = pulumi.output(args.sku);
        this.environment = pulumi.output(args.environment ?? "AzurePublicCloud");
        this.createdAt = vault.systemData.apply((data) => data?.createdAt);
        this.purgeProtection = pulumi.output(args.purgeProtection ?? false);
        this.registerOutputs({ id: this.id, name: this.name, uri: this.uri });
    }
}
