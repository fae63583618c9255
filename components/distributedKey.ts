import * as pulumi from "@pulumi/pulumi";
import type { Protection, Purpose } from "../keys/keyType";
import type { Copy } from "../keys/reconcile";
import { seal } from "../keys/seal";
import type { Environment } from "../kms/azureKeyVault/environment";
import type { Sku } from "../kms/azureKeyVault/sku";
import { dynamicType, providerCode } from "../providers/dynamicResource";
import type { SecretLocation } from "../keys/secretLocation";
import { credentialBinding } from "../providers/vaults";
import { sealKeyAt, type ManagedKey } from "./managedKey";

export interface DistributedKeyArgs {
    key: ManagedKey;
    /** A `KeyVault`, or what is known of a vault that was made elsewhere. */
    vault: VaultArgs;
    /**
     * A `ServicePrincipal`, or another identity with a client secret. `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and `AZURE_TENANT_ID` win
     * over it where its secret is given as `clientSecret`; they don't where it is given as `clientSecretFrom`.
     */
    identity: IdentityArgs;
    /** The key's name in the vault: 1 to 127 of 0-9 a-z A-Z -. @default the key's name */
    name?: pulumi.Input<string>;
    /** What the copy can be used for, and nothing else. */
    purposes: pulumi.Input<pulumi.Input<Purpose>[]>;
    /** @default hsm */
    protection?: pulumi.Input<Protection>;
}

export interface VaultArgs {
    name: pulumi.Input<string>;
    /** URL of the data plane. */
    uri: pulumi.Input<string>;
    sku: pulumi.Input<Sku>;
    environment: pulumi.Input<Environment>;
}

export interface IdentityArgs {
    tenantId: pulumi.Input<string>;
    clientId: pulumi.Input<string>;
    /** Sealed here, before it goes anywhere. */
    clientSecret?: pulumi.Input<string>;
    /** Where the client secret is, instead of itself: read where it's needed, and never stored. */
    clientSecretFrom?: SecretLocation;
}

/**
 * A key in one vault: all its versions, in order, each proven to be the same key by its public key. The vault's current version is the key's
 * latest. What isn't ours in the vault is never touched.
 */
export class DistributedKey extends pulumi.CustomResource {
    /** The key's name in the vault. */
    declare readonly name: pulumi.Output<string>;
    declare readonly purposes: pulumi.Output<Purpose[]>;
    declare readonly protection: pulumi.Output<Protection>;
    /** The latest version of the key. */
    declare readonly version: pulumi.Output<number>;
    /** Version of the key -> its version in the vault. */
    declare readonly copies: pulumi.Output<Record<string, Copy>>;
    /** Versionless key id (URL). */
    declare readonly keyId: pulumi.Output<string>;
    /** Key id (URL) of the current version. */
    declare readonly versionedKeyId: pulumi.Output<string>;
    /** The public key of each copy was compared with ours. */
    declare readonly verified: pulumi.Output<boolean>;

    constructor(name: string, args: DistributedKeyArgs, opts?: pulumi.CustomResourceOptions) {
        const { key, vault } = args;
        super(
            dynamicType("DistributedKey"),
            name,
            {
                __provider: providerCode("distributedKey"),
                key: key.name,
                type: key.type,
                version: key.version,
                versions: key.versions,
                deletionAllowed: key.deletionAllowed,
                seal: key.seal,
                name: args.name ?? key.name,
                vault: {
                    name: vault.name,
                    uri: vault.uri,
                    sku: vault.sku,
                    environment: vault.environment,
                },
                identity: sealedIdentity(args.identity, key.sealLocation),
                purposes: args.purposes,
                protection: args.protection ?? "hsm",
                // Outputs: https://github.com/pulumi/pulumi/issues/2931
                copies: undefined,
                keyId: undefined,
                versionedKeyId: undefined,
                verified: undefined,
            },
            opts,
        );
    }
}

/** The client secret leaves the program as ciphertext, so it isn't a secret to Pulumi: see docs/security.md, "The client secret". */
function sealedIdentity(identity: IdentityArgs, location: SecretLocation) {
    const { tenantId, clientId, clientSecret, clientSecretFrom } = identity;
    const sealKey = sealKeyAt(location);
    return {
        tenantId,
        clientId,
        clientSecretFrom,
        clientSecret:
            clientSecret &&
            pulumi.unsecret(
                pulumi
                    .all([tenantId, clientId, clientSecret])
                    .apply(([tenant, client, secret]) =>
                        seal(
                            sealKey,
                            Buffer.from(secret),
                            credentialBinding({ tenantId: tenant, clientId: client }),
                        ),
                    ),
            ),
    };
}
