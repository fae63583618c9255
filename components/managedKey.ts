import * as pulumi from "@pulumi/pulumi";
import type { KeySource } from "../keys/keySource";
import type { KeyType } from "../keys/keyType";
import type { KeyVersion } from "../keys/keyVersion";
import type { LifecycleVersion, Retirement, Rotation } from "../keys/lifecycle";
import { dynamicType, providerCode } from "../providers/dynamicResource";
import type { SealReference } from "../providers/seal";
import type { SecretLocation } from "../keys/secretLocation";
import { readSealKey } from "../providers/readSecret";
import { toRunError } from "./runError";

export interface ManagedKeyArgs {
    /** @default the resource's logical name */
    name?: pulumi.Input<string>;
    /** For life: a change is refused. */
    type: pulumi.Input<KeyType>;
    rotation?: RotationArgs;
    /** Versions below it are disabled in every vault. @default 0: none */
    minEnabledVersion?: pulumi.Input<number>;
    /** Versions that are disabled in every vault; the latest can't be among them. @default none */
    disabledVersions?: pulumi.Input<pulumi.Input<number>[]>;
    /**
     * Versions that come from outside; all others are generated. A new one becomes the latest version. Each is read once, where it is, by the
     * provider: it never crosses the engine unsealed.
     * - `from`: a private key, PEM (PKCS#8, PKCS#1, SEC 1) or JWK; `passphraseFrom` opens an encrypted one.
     * - `sealed`: such a key, sealed by `keymgmt seal`.
     * - `byok` and `publicKey`: a vendor's `.byok` file for one vault, and the public key (PEM or JWK): distributed without us ever having the private key.
     * @default none
     */
    import?: KeySource[];
    /** Whether the key, and with it its copies, can be deleted. Not an output: Pulumi protects the resource by it. @default false */
    deletionAllowed?: boolean;
    /**
     * ISO 8601: the moment at which rules are looked at. Give all keys of a run the same, for a preview and its update to agree.
     * @default when the program started
     */
    asOf?: string;
    /** Where the seal key is: 32 bytes as base64url text. @default env:KEYMGMT_SEAL_KEY */
    seal?: SecretLocation;
}

/** Durations are ISO 8601, from P1D to P50Y, and count from the creation of a version. */
export interface RotationArgs {
    /** Any text. Setting it to another one makes a new version, which becomes the latest. */
    trigger?: pulumi.Input<string>;
    /** The age at which the latest version gets a successor, by the next `pulumi up`. @default never */
    interval?: pulumi.Input<string>;
    /** What becomes of versions that aren't the latest any more. @default they stay as they are */
    retire?: pulumi.Input<{
        /** The overlap, from the creation of the version that comes after; not longer than `interval`. */
        after: pulumi.Input<string>;
        /** `expire`: from then on they only decrypt, verify and unwrap. `disable`: nothing at all. */
        action: pulumi.Input<Retirement>;
    }>;
    /** How many versions, the newest ones, are enabled at most. @default all */
    keepEnabled?: pulumi.Input<number>;
    /**
     * How long before a version's expiry the vault sends its event KeyNearExpiry
     * (https://learn.microsoft.com/azure/key-vault/general/event-grid-overview). @default as the vault has it, or was told last
     */
    notifyBefore?: pulumi.Input<string>;
}

const programStart = new Date().toISOString();

/**
 * A key that is yours: generated here, version by version, and kept in the state as sealed tokens only. Deleting it deletes the originals,
 * so it is refused unless `deletionAllowed`.
 */
export class ManagedKey extends pulumi.CustomResource {
    declare readonly name: pulumi.Output<string>;
    declare readonly type: pulumi.Output<KeyType>;
    declare readonly deletionAllowed: pulumi.Output<boolean>;
    /** The latest version. A preview knows it. */
    declare readonly version: pulumi.Output<number>;
    /** Oldest first; `sealed` is ciphertext (JWE) and no secret. */
    declare readonly versions: pulumi.Output<KeyVersion[]>;
    /** Why and when each version was made, and whether it is enabled. A preview knows it. */
    declare readonly lifecycle: pulumi.Output<LifecycleVersion[]>;
    declare readonly rotation: pulumi.Output<Rotation>;
    declare readonly seal: pulumi.Output<SealReference>;
    /** Where the seal key is. */
    readonly sealLocation: SecretLocation;

    /** @throws RunError when the seal key isn't there */
    constructor(name: string, args: ManagedKeyArgs, opts?: pulumi.CustomResourceOptions) {
        const location = args.seal ?? "env:KEYMGMT_SEAL_KEY";
        super(
            dynamicType("ManagedKey"),
            name,
            {
                __provider: providerCode("managedKey"),
                name: args.name ?? name,
                type: args.type,
                rotation: args.rotation ?? {},
                minEnabledVersion: args.minEnabledVersion ?? 0,
                disabledVersions: args.disabledVersions ?? [],
                import: args.import,
                asOf: args.asOf ?? programStart,
                deletionAllowed: args.deletionAllowed ?? false,
                seal: { location, id: sealKeyAt(location).id },
                // Outputs: https://github.com/pulumi/pulumi/issues/2931
                version: undefined,
                lifecycle: undefined,
                versions: undefined,
            },
            // The provider refuses to delete it, but only the engine can refuse `up --replace`, which would make new material first.
            pulumi.mergeOptions({ protect: !args.deletionAllowed }, opts),
        );
        this.sealLocation = location;
    }
}

/** @throws RunError when it isn't there */
export function sealKeyAt(location: SecretLocation) {
    try {
        return readSealKey(location);
    } catch (error) {
        throw toRunError(error);
    }
}
