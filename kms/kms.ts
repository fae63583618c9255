import type { Attributes, Copy } from "../keys/copy";
import type { KeyType, Protection } from "../keys/keyType";
import type { Proof } from "../keys/proof";

/** A version of one of our keys on its way into a KMS. */
export interface Transfer {
    key: string;
    type: KeyType;
    version: number;
    protection: Protection;
    attributes: Attributes;
}

export type Material =
    | { /** PKCS#8 DER. */ plain: Uint8Array }
    | { /** A `.byok` file, wrapped for this KMS by somebody else. */ wrapped: Uint8Array };

/** A place that keys are distributed to. All methods throw KeymgmtError, code KMS unless said otherwise, and KmsGoneError. */
export interface Kms {
    /** What error messages call it. */
    readonly description: string;
    /** The id under which users of the KMS find a key; with a copy's id, of that version. */
    keyId(name: string, copyId?: string): string;
    /**
     * The versions of the key `name`, in no particular order; empty if there's no such key.
     * @param known copies that were seen before, by their id: asked for again only where the KMS says that they have changed since
     */
    copies(name: string, known: ReadonlyMap<string, Copy>): Promise<Copy[]>;
    /**
     * Brings a version in; it becomes the current one.
     * @throws SoftDeletedError, OutcomeUnknownError
     */
    importVersion(name: string, transfer: Transfer, material: Material): Promise<Copy>;
    /** Changes those attributes that are given; a date that is given as undefined is taken away. */
    setAttributes(name: string, copyId: string, to: Partial<Attributes>): Promise<Copy>;
    /**
     * Has the KMS give notice before a version of the key expires.
     * @param notifyBefore ISO 8601 duration
     */
    setNotice(name: string, notifyBefore: string): Promise<void>;
    /** Has the copy show that it holds the private half of `publicKey`. @throws KeymgmtError PROOF_FAILED */
    prove(name: string, copy: Copy, type: KeyType, publicKey: string): Promise<Proof>;
    /** Deletes the key with all versions, as softly as the KMS can; nothing if it isn't there. */
    remove(name: string): Promise<void>;
    /** Destroys the soft-deleted key `name` for good; nothing if it isn't there. */
    purge(name: string): Promise<void>;
    /** The current version of the soft-deleted key `name`; undefined if there's none. */
    softDeleted(name: string): Promise<Copy | undefined>;
    /** Brings the soft-deleted key back, with all versions. */
    recover(name: string): Promise<void>;
}

/** The name is held by a soft-deleted key. */
export class SoftDeletedError extends Error {}

/** The request may or may not have worked: its answer was lost. The KMS has to be asked before it's sent again. */
export class OutcomeUnknownError extends Error {}

/** There's no KMS where it should be. */
export class KmsGoneError extends Error {}
