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
 * A copy may go when its key may go, or when the key stays and only this distribution of it ends.
 * @throws KeymgmtError DELETION_NOT_ALLOWED
 */
export function assertCopyMayBeDeleted(
    copy: { key: string; name: string; vault: string },
    deletionAllowed: boolean,
    keyStays: boolean,
): void {
    if (!deletionAllowed && !keyStays) {
        throw new KeymgmtError(
            "DELETION_NOT_ALLOWED",
            `Key ${copy.key} isn't deleted, and neither is its copy ${copy.name} in vault ${copy.vault}: ` +
                `its deletionAllowed is false. ${wayOut(copy.key)}`,
        );
    }
}
