import * as pulumi from "@pulumi/pulumi";
import type { Protection, Purpose } from "../keys/keyType";
import type { Copy } from "../keys/copy";
import type { Deletion } from "../keys/deletion";
import type { Proof } from "../keys/proof";
import { seal } from "../keys/seal";
import type { Environment } from "../kms/azureKeyVault/environment";
import type { Sku } from "../kms/azureKeyVault/sku";
import { dynamicType, providerCode } from "../providers/dynamicResource";
import type { SecretLocation } from "../keys/secretLocation";
import { credentialBinding } from "../providers/vaults";
import { deleteNothingIfFailed } from "./afterFailure";
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
    /** Of all versions: 11 at most, of 256 characters. @default none but keymgmt's own */
    tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
    /** ISO 8601 date: before it the copy only decrypts, verifies and unwraps. @default none */
    notBefore?: pulumi.Input<string>;
    /** ISO 8601 duration: the age at which a version only decrypts, verifies and unwraps any more. @default never */
    expiresAfter?: pulumi.Input<string>;
    /**
     * What becomes of the copy when this resource is deleted: `delete` it softly, `detach` it and leave it as it is, or `purge` it, for good.
     * @default delete
     */
    onDelete?: pulumi.Input<Deletion>;
    /** `deep`: at each update every copy proves that it holds the private key, by an operation that its purposes allow. @default the public keys are compared */
    verify?: "deep";
}

export interface VaultArgs {
    name: pulumi.Input<string>;
    /** URL of the data plane. */
    uri: pulumi.Input<string>;
    sku: pulumi.Input<Sku>;
    environment: pulumi.Input<Environment>;
    /** Azure region. */
    location?: pulumi.Input<string | undefined>;
    /** When it was made, ISO 8601: a vault that was made anew at the same address is filled again. */
    createdAt?: pulumi.Input<string | undefined>;
    /** Whether nothing in it can be purged. @default false */
    purgeProtection?: pulumi.Input<boolean | undefined>;
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
    /** Older copies of ours, which those in `copies` stand for. */
    declare readonly older: pulumi.Output<Copy[]>;
    /** Versions in the vault that aren't ours. */
    declare readonly foreign: pulumi.Output<Copy[]>;
    /** Version of the key -> how its copy proved that it holds the private key; empty unless `verify` is `deep`. */
    declare readonly proofs: pulumi.Output<Record<string, Proof>>;
    /** Versionless key id (URL). */
    declare readonly keyId: pulumi.Output<string>;
    /** Key id (URL) of the current version. */
    declare readonly versionedKeyId: pulumi.Output<string>;
    /** The public key of each copy was compared with ours. */
    declare readonly verified: pulumi.Output<boolean>;
    /** The vault holds all versions, in order, each as it should be. */
    declare readonly inStep: pulumi.Output<boolean>;

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
                lifecycle: key.lifecycle,
                notifyBefore: key.rotation.apply(({ notifyBefore }) => notifyBefore),
                deletionAllowed: key.deletionAllowed,
                seal: key.seal,
                name: args.name ?? key.name,
                vault: {
                    name: vault.name,
                    uri: vault.uri,
                    sku: vault.sku,
                    environment: vault.environment,
                    location: vault.location,
                    createdAt: vault.createdAt,
                    purgeProtection: vault.purgeProtection,
                },
                identity: sealedIdentity(args.identity, key.sealLocation),
                purposes: args.purposes,
                protection: args.protection ?? "hsm",
                tags: args.tags ?? {},
                notBefore: args.notBefore,
                expiresAfter: args.expiresAfter,
                onDelete: args.onDelete ?? "delete",
                verify: args.verify,
                stack: `${pulumi.getProject()}/${pulumi.getStack()}`,
                // Outputs: https://github.com/pulumi/pulumi/issues/2931
                copies: undefined,
                older: undefined,
                foreign: undefined,
                proofs: undefined,
                inStep: undefined,
                keyId: undefined,
                versionedKeyId: undefined,
                verified: undefined,
            },
            opts,
        );
        deleteNothingIfFailed(name, this);
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
