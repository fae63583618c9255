import { KeymgmtError } from "../keys/errors";
import { openKeyVersion, type KeyVersion } from "../keys/keyVersion";
import type { KeyType, Protection, Purpose } from "../keys/keyType";
import { reconcile, type Copy } from "../keys/reconcile";
import type { SealKey } from "../keys/seal";
import { OutcomeUnknownError, SoftDeletedError, type Kms } from "./kms";

/** One key in one KMS, as it should be. */
export interface Distribution {
    key: string;
    type: KeyType;
    /** The key's name in the KMS. */
    name: string;
    /** All versions, oldest first. */
    versions: readonly KeyVersion[];
    purposes: readonly Purpose[];
    protection: Protection;
}

/** What is known from earlier of the copies in the KMS. */
export interface Known {
    /** Our version -> its copy. */
    copies: ReadonlyMap<number, Copy>;
    /** The purposes that those copies have; undefined if that isn't known. */
    purposes?: readonly Purpose[];
}

// A lost answer is rare; twice in a row and more, the network is down and the user should hear of it.
const attempts = 3;

/**
 * Makes a KMS agree with us: lists what it has and does only what is missing, in version order. Run again after an
 * interruption at any point, it neither imports twice nor skips.
 * @param known what an earlier run left in the state
 * @param progress called after each step with our version -> copy so far
 * @returns our version -> its copy
 */
export async function converge(
    kms: Kms,
    wanted: Distribution,
    known: Known,
    sealKey: SealKey,
    progress: (copies: ReadonlyMap<number, Copy>) => void,
): Promise<ReadonlyMap<number, Copy>> {
    const seen = new Map([...known.copies.values()].map((copy) => [copy.id, copy]));
    for (let attempt = 1; ; attempt++) {
        const copies = await kms.copies(wanted.name, seen);
        const plan = reconcile(wanted.versions, copies);
        assertOurs(kms, wanted, copies.length, plan.foreign.length);
        assertProtection(kms, wanted, plan.present);
        const result = new Map(plan.present);
        progress(result);
        try {
            const ours = copies.filter((copy) => !plan.foreign.includes(copy));
            await setPurposes(kms, wanted, ours, known);
            for (const version of plan.enable) {
                const copy = result.get(version)!;
                await kms.enable(wanted.name, copy.id);
                result.set(version, { ...copy, enabled: true });
                progress(result);
            }
            for (const version of plan.imports) {
                const copy = await importVersion(kms, wanted, version, sealKey);
                seen.set(copy.id, copy);
                result.set(version, copy);
                progress(result);
            }
            return new Map([...result].sort(([a], [b]) => a - b));
        } catch (error) {
            if (!(error instanceof SoftDeletedError || error instanceof OutcomeUnknownError)) {
                throw error;
            }
            if (attempt === attempts) {
                throw unsettled(kms, wanted, error);
            }
            if (error instanceof SoftDeletedError) {
                await recover(kms, wanted);
            }
        }
    }
}

function unsettled(
    kms: Kms,
    { key, name }: Distribution,
    cause: SoftDeletedError | OutcomeUnknownError,
): KeymgmtError {
    const why =
        cause instanceof SoftDeletedError
            ? "a soft-deleted key of that name is there, and doesn't come back."
            : cause.message;
    return new KeymgmtError(
        "KMS",
        `Key ${key} isn't wholly in ${kms.description} as ${name}: ${attempts} attempts failed, the last one with: ${why} ` +
            `Nothing is lost; run this again, which goes on from there.`,
        { cause },
    );
}

function assertOurs(kms: Kms, wanted: Distribution, copies: number, foreign: number): void {
    if (copies > 0 && foreign === copies) {
        throw new KeymgmtError(
            "NAME_TAKEN",
            `${kms.description} has a key ${wanted.name} that isn't key ${wanted.key}: none of its ${copies} version(s) has one of our public keys. ` +
                `It isn't touched. Distribute ${wanted.key} under another name. (It may be from an earlier key of this name; then only it can open ` +
                `what was encrypted with it, so delete and purge it only if nobody needs it.)`,
        );
    }
}

/** A copy can't leave the protection that it came with, and one in software must not pass for one in an HSM. */
function assertProtection(
    kms: Kms,
    { key, name, protection }: Distribution,
    present: ReadonlyMap<number, Copy>,
): void {
    for (const [version, copy] of present) {
        if (copy.protection !== protection) {
            throw new KeymgmtError(
                "PROTECTION_MISMATCH",
                `Version ${version} of key ${key} is in ${kms.description} as ${name} (${kms.keyId(name, copy.id)}), but its protection there is ` +
                    `${copy.protection} and not ${protection}, which can't change. Distribute ${key} under another name, or purge the key there first.`,
            );
        }
    }
}

async function setPurposes(
    kms: Kms,
    wanted: Distribution,
    ours: readonly Copy[],
    known: Known,
): Promise<void> {
    const knownIds = new Set([...known.copies.values()].map(({ id }) => id));
    const same = sameSet(known.purposes ?? [], wanted.purposes);
    for (const copy of ours) {
        if (!same || !knownIds.has(copy.id)) {
            await kms.setPurposes(wanted.name, copy.id, wanted.purposes);
        }
    }
}

async function importVersion(
    kms: Kms,
    wanted: Distribution,
    version: number,
    sealKey: SealKey,
): Promise<Copy> {
    const ours = wanted.versions.find((candidate) => candidate.version === version)!;
    const { key, type, name, purposes, protection } = wanted;
    const material = await openKeyVersion({ key, type, version }, ours.sealed, sealKey);
    let copy: Copy;
    try {
        const transfer = { key, type, version, thumbprint: ours.thumbprint, purposes, protection };
        copy = await kms.importVersion(name, transfer, material);
    } finally {
        material.fill(0);
    }
    if (copy.thumbprint !== ours.thumbprint) {
        throw new KeymgmtError(
            "PUBLIC_KEY_MISMATCH",
            `${kms.description} returned another public key for version ${version} of key ${key} (${kms.keyId(name, copy.id)}): ` +
                `thumbprint ${copy.thumbprint} instead of ${ours.thumbprint}. Do not use that version; find out what stands between you and the vault.`,
        );
    }
    assertProtection(kms, wanted, new Map([[version, copy]]));
    return copy;
}

/** A soft-deleted key with our material comes back; another one is left alone. */
async function recover(kms: Kms, wanted: Distribution): Promise<void> {
    const deleted = await kms.softDeleted(wanted.name);
    if (deleted === undefined) {
        return;
    }
    const ours = wanted.versions.find(({ thumbprint }) => thumbprint === deleted.thumbprint);
    if (!ours) {
        throw new KeymgmtError(
            "NAME_TAKEN",
            `The name ${wanted.name} in ${kms.description} is held by a soft-deleted key that isn't key ${wanted.key} (its public key is another). ` +
                `Purge that key, wait until its retention is over, or distribute ${wanted.key} under another name.`,
        );
    }
    assertProtection(kms, wanted, new Map([[ours.version, deleted]]));
    await kms.recover(wanted.name);
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
    return a.length === b.length && a.every((value) => b.includes(value));
}
