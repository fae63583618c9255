/** What kind of failure it is; stable, so that callers can tell failures apart without reading the text. */
export type KeymgmtErrorCode =
    /** The seal key isn't where it is said to be, or isn't a seal key. */
    | "SEAL_KEY"
    /** A sealed token doesn't open: other seal key, other binding, or damaged. */
    | "SEALED_TOKEN"
    /** What was given as a key from outside can't be one of its key. */
    | "KEY_MATERIAL"
    /** The key may not be deleted. */
    | "DELETION_NOT_ALLOWED"
    /** Something of the key failed in the same run. */
    | "DELETION_POSTPONED"
    /** The name in the KMS is taken by a key that isn't ours. */
    | "NAME_TAKEN"
    /** The KMS returned another public key than ours. */
    | "PUBLIC_KEY_MISMATCH"
    /** The KMS holds our key in another protection than the one that was asked for. */
    | "PROTECTION_MISMATCH"
    /** The KMS's copy doesn't hold the private key. */
    | "PROOF_FAILED"
    /** Versions that aren't ours would go with ours. */
    | "FOREIGN_VERSIONS"
    /** The KMS refused a request, or can't be reached. */
    | "KMS"
    /** No identity, or one that can't be used. */
    | "IDENTITY";

/**
 * A failure that its reader can act on: the message says what happened, to which key, vault and version, why, and what to do.
 * It holds no secret bytes.
 */
export class KeymgmtError extends Error {
    constructor(
        readonly code: KeymgmtErrorCode,
        message: string,
        options?: ErrorOptions,
    ) {
        super(message, options);
        this.name = "KeymgmtError";
    }
}
