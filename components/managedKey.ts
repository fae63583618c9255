import * as pulumi from "@pulumi/pulumi";
import { KeymgmtError } from "../keys/errors";
import type { KeyType } from "../keys/keyType";
import type { KeyVersion } from "../keys/keyVersion";
import { dynamicType, providerCode } from "../providers/dynamicResource";
import type { SealReference } from "../providers/seal";
import type { SecretLocation } from "../keys/secretLocation";
import { readSealKey } from "../providers/readSecret";

export interface ManagedKeyArgs {
    /** @default the resource's logical name */
    name?: pulumi.Input<string>;
    /** For life: a change is refused. */
    type: pulumi.Input<KeyType>;
    rotation?: {
        /** Any text. Setting it to another one makes a new version, which becomes the latest. */
        trigger?: pulumi.Input<string>;
    };
    /** Whether the key, and with it its copies, can be deleted. @default false */
    deletionAllowed?: pulumi.Input<boolean>;
    /** Where the seal key is: 32 bytes as base64url text. @default env:KEYMGMT_SEAL_KEY */
    seal?: SecretLocation;
}

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
                deletionAllowed: args.deletionAllowed ?? false,
                seal: { location, id: sealKeyAt(location).id },
                // Outputs: https://github.com/pulumi/pulumi/issues/2931
                version: undefined,
                versions: undefined,
            },
            // The provider refuses to delete it, but only the engine can refuse `up --replace`, which would make new material first.
            pulumi.mergeOptions({ protect: !args.deletionAllowed }, opts),
        );
        this.sealLocation = location;
    }
}

/** A missing seal key is the user's to mend: a message without a stack trace. */
export function sealKeyAt(location: SecretLocation) {
    try {
        return readSealKey(location);
    } catch (error) {
        throw error instanceof KeymgmtError ? new pulumi.RunError(error.message) : error;
    }
}
