import type { KeyType, Protection, Purpose } from "../keys/keyType";
import type { Copy } from "../keys/reconcile";

/** A version of one of our keys on its way into a KMS. */
export interface Transfer {
    key: string;
    type: KeyType;
    version: number;
    thumbprint: string;
    purposes: readonly Purpose[];
    protection: Protection;
}

/** A place that keys are distributed to. All methods throw KeymgmtError, code KMS unless said otherwise. */
export interface Kms {
    /** What error messages call it. */
    readonly description: string;
    /** The id under which users of the KMS find a key; with a copy's id, of that version. */
    keyId(name: string, copyId?: string): string;
    /**
     * The versions of the key `name`, in no particular order; empty if there's no such key.
     * @param known copies whose public key was compared before, by their id: what they are for life is taken from here
     */
    copies(name: string, known: ReadonlyMap<string, Copy>): Promise<Copy[]>;
    /**
     * Brings a version in; it becomes the current one.
     * @param material PKCS#8 DER
     * @throws SoftDeletedError, OutcomeUnknownError
     */
    importVersion(name: string, transfer: Transfer, material: Uint8Array): Promise<Copy>;
    enable(name: string, copyId: string): Promise<void>;
    setPurposes(name: string, copyId: string, purposes: readonly Purpose[]): Promise<void>;
    /** Deletes the key with all versions, as softly as the KMS can; nothing if it isn't there. */
    remove(name: string): Promise<void>;
    /** The current version of the soft-deleted key `name`; undefined if there's none. */
    softDeleted(name: string): Promise<Copy | undefined>;
    /** Brings the soft-deleted key back, with all versions. */
    recover(name: string): Promise<void>;
}

/** The name is held by a soft-deleted key. */
export class SoftDeletedError extends Error {}

/** The request may or may not have worked: its answer was lost. The KMS has to be asked before it's sent again. */
export class OutcomeUnknownError extends Error {}
