import { KeymgmtError } from "./errors";

/** What becomes of the copy when its distribution goes. */
export const deletions = ["delete", "detach", "purge"] as const;
export type Deletion = (typeof deletions)[number];

const wayOut = (key: string) =>
    `To delete it after all, set deletionAllowed: true for ${key} (in the stack config: pulumi config set --path ` +
    `'keymgmt:keys.${key}.deletionAllowed' true; put the key back first if it was taken out), run pulumi up, and then repeat this.`;

/** @throws KeymgmtError DELETION_NOT_ALLOWED */
export function assertKeyMayBeDeleted(key: string, deletionAllowed: boolean): void {
    if (!deletionAllowed) {
        throw new KeymgmtError(
            "DELETION_NOT_ALLOWED",
            `Key ${key} isn't deleted: its deletionAllowed is false. ${wayOut(key)}`,
        );
    }
}

/**
 * What takes a copy's place may be what failed: a key that moves to another KMS stays in the old one until it is wholly in the new one.
 * @param failed what of the key failed in this run
 * @throws KeymgmtError DELETION_POSTPONED
 */
export function assertNothingFailed(
    { key, name, vault }: EndingCopy,
    failed: string | undefined,
): void {
    if (failed !== undefined) {
        throw new KeymgmtError(
            "DELETION_POSTPONED",
            `The copy ${name} of key ${key} in vault ${vault} isn't deleted in this run, since ${failed} failed in it. It goes with the next up that has no errors.`,
        );
    }
}

export interface EndingCopy {
    key: string;
    name: string;
    vault: string;
    onDelete: Deletion;
    /** A version that is external: its copy is all there is of it. */
    external?: number;
}

/**
 * A copy may go when its key may go, or when the key stays and only this distribution of it ends. With a copy that holds an external version the
 * key wouldn't stay.
 * @throws KeymgmtError DELETION_NOT_ALLOWED
 */
export function assertCopyMayBeDeleted(
    { key, name, vault, onDelete, external }: EndingCopy,
    deletionAllowed: boolean,
    keyStays: boolean,
): void {
    if (deletionAllowed || (keyStays && (external === undefined || onDelete === "detach"))) {
        return;
    }
    const why = `its deletionAllowed is false. ${wayOut(key)}`;
    throw new KeymgmtError(
        "DELETION_NOT_ALLOWED",
        keyStays
            ? `The copy ${name} of key ${key} in vault ${vault} isn't deleted: it is all there is of version ${external}, which is external, and ${why}`
            : `Key ${key} isn't deleted, and neither is its copy ${name} in vault ${vault}: ${why} (If the key stays, and the run has targets, make the key a target too.)`,
    );
}
