import { isOfEarlierKey, type Copy, type Owner, type WantedCopy } from "../keys/copy";
import { KeymgmtError } from "../keys/errors";
import { openKeyVersion, type KeyVersion } from "../keys/keyVersion";
import type { KeyType, Protection } from "../keys/keyType";
import { reconcile, type Plan } from "../keys/reconcile";
import type { SealKey } from "../keys/seal";
import { OutcomeUnknownError, SoftDeletedError, type Kms, type Material } from "./kms";

/** One key in one KMS, as it should be. */
export interface Distribution extends Owner {
    type: KeyType;
    /** The key's name in the KMS. */
    name: string;
    /** All versions, oldest first. */
    versions: readonly KeyVersion[];
    /** The same, as the KMS should hold them. */
    wanted: readonly WantedCopy[];
    protection: Protection;
}

/** What a KMS has of a key, told apart: see Plan. */
export type Inventory = Pick<Plan, "present" | "older" | "foreign">;

// A lost answer is rare; twice in a row and more, the network is down and the user should hear of it.
const attempts = 3;

/**
 * Makes a KMS agree with us: lists what it has and does only what is missing, in version order, new versions before older ones are
 * retired. Run again after an interruption at any point, it neither imports twice nor skips.
 * @param known what an earlier run saw
 * @param progress called after each step with what the KMS has so far
 */
export async function converge(
    kms: Kms,
    wanted: Distribution,
    known: readonly Copy[],
    sealKey: SealKey,
    progress: (inventory: Inventory) => void,
): Promise<Inventory> {
    const seen = new Map(known.map((copy) => [copy.id, copy]));
    let revived = false;
    for (let attempt = 1; ; attempt++) {
        const copies = new Map(
            (await kms.copies(wanted.name, seen)).map((copy) => [copy.id, copy]),
        );
        const inventory = () => reconcile(wanted.wanted, wanted.protection, [...copies.values()]);
        const see = (copy: Copy) => {
            seen.set(copy.id, copy);
            copies.set(copy.id, copy);
            progress(inventory());
        };
        const plan = inventory();
        if (!revived) {
            assertOurs(kms, wanted, copies.size, plan.foreign);
        }
        progress(plan);
        try {
            if (revived) {
                await disableEarlierKey(kms, wanted, plan.foreign, see);
            }
            for (const version of plan.imports) {
                see(await importVersion(kms, wanted, version, sealKey));
            }
            for (const { copy, to } of inventory().changes) {
                see(await kms.setAttributes(wanted.name, copy.id, to));
            }
            return inventory();
        } catch (error) {
            if (!(error instanceof SoftDeletedError || error instanceof OutcomeUnknownError)) {
                throw error;
            }
            if (attempt === attempts) {
                throw unsettled(kms, wanted, error);
            }
            if (error instanceof SoftDeletedError) {
                revived = await recover(kms, wanted);
            }
        }
    }
}

/**
 * Takes our key out of a KMS, softly or for good. Run again after an interruption at any point, it goes on.
 *
 * What is soft-deleted is disabled before: when another key of ours needs the name, it comes back and has to be disabled. A run that is interrupted
 * in between would leave a live key of other material in use, as somebody else's is.
 * @param found what the KMS has of it
 * @param ours thumbprints
 */
export async function takeAway(
    kms: Kms,
    name: string,
    how: "delete" | "purge",
    found: readonly Copy[],
    ours: ReadonlySet<string>,
): Promise<void> {
    const own = found.filter(({ thumbprint }) => ours.has(thumbprint));
    if (own.length > 0) {
        const enabled = how === "delete" ? own.filter((copy) => copy.enabled) : [];
        try {
            await setEnabled(kms, name, enabled, false);
            await kms.remove(name);
        } catch (error) {
            // It stays, then, and is to be as the state has it. The first error is the one to be told.
            await setEnabled(kms, name, enabled, true).catch(() => undefined);
            throw error;
        }
    }
    if (how === "purge") {
        const deleted = await kms.softDeleted(name);
        if (deleted && ours.has(deleted.thumbprint)) {
            await kms.purge(name);
        }
    }
}

async function setEnabled(
    kms: Kms,
    name: string,
    copies: readonly Copy[],
    enabled: boolean,
): Promise<void> {
    for (const { id } of copies) {
        await kms.setAttributes(name, id, { enabled });
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

/** What a run left that was killed while it took a name over from an earlier key is ours to go on with: all of it disabled. */
function assertOurs(
    kms: Kms,
    wanted: Distribution,
    copies: number,
    foreign: readonly Copy[],
): void {
    const takenOver = foreign.every((copy) => !copy.enabled && isOfEarlierKey(copy, wanted));
    if (copies > 0 && foreign.length === copies && !takenOver) {
        throw new KeymgmtError(
            "NAME_TAKEN",
            `${kms.description} has a key ${wanted.name} that isn't key ${wanted.key}: none of its ${copies} version(s) has one of our public keys. ` +
                `It isn't touched. Distribute ${wanted.key} under another name. (It may be from an earlier key of this name; then only it can open ` +
                `what was encrypted with it, so delete it only if nobody needs it.)`,
        );
    }
}

async function importVersion(
    kms: Kms,
    wanted: Distribution,
    version: number,
    sealKey: SealKey,
): Promise<Copy> {
    const ours = wanted.versions.find((candidate) => candidate.version === version)!;
    const {
        thumbprint,
        version: _version,
        ...attributes
    } = wanted.wanted.find((candidate) => candidate.version === version)!;
    const { key, type, name, protection } = wanted;
    const transfer = { key, type, version, protection, attributes };
    const copy = await withMaterial(ours, { key, type, version }, sealKey, (material) =>
        kms.importVersion(name, transfer, material),
    );
    if (copy.thumbprint !== thumbprint) {
        throw new KeymgmtError(
            "PUBLIC_KEY_MISMATCH",
            `${kms.description} returned another public key for version ${version} of key ${key} (${kms.keyId(name, copy.id)}): ` +
                `thumbprint ${copy.thumbprint} instead of ${thumbprint}. Do not use that version; find out what stands between you and the vault.`,
        );
    }
    if (copy.protection !== protection) {
        throw new KeymgmtError(
            "PROTECTION_MISMATCH",
            `${kms.description} took version ${version} of key ${key} (${kms.keyId(name, copy.id)}) with protection ${copy.protection} and not ${protection}. ` +
                `Do not use that version; find out what stands between you and the vault.`,
        );
    }
    return copy;
}

async function withMaterial<T>(
    { sealed, byok }: KeyVersion,
    identity: { key: string; type: KeyType; version: number },
    sealKey: SealKey,
    use: (material: Material) => Promise<T>,
): Promise<T> {
    if (byok !== undefined) {
        return use({ wrapped: Buffer.from(byok, "base64url") });
    }
    const plain = await openKeyVersion(identity, sealed, sealKey);
    try {
        return await use({ plain });
    } finally {
        plain.fill(0);
    }
}

/**
 * A soft-deleted key comes back when its material is ours, or when it is what this stack left of an earlier key of the same name, whose deletion
 * was permitted; another one is left alone.
 * @returns whether it is of an earlier key
 */
async function recover(kms: Kms, wanted: Distribution): Promise<boolean> {
    const deleted = await kms.softDeleted(wanted.name);
    if (deleted === undefined) {
        return false;
    }
    const ours = wanted.wanted.some(({ thumbprint }) => thumbprint === deleted.thumbprint);
    if (!ours && !isOfEarlierKey(deleted, wanted)) {
        throw new KeymgmtError(
            "NAME_TAKEN",
            `The name ${wanted.name} in ${kms.description} is held by a soft-deleted key that isn't key ${wanted.key}: its current version, the only one that can be seen now, has another public key. ` +
                `If older versions of it may be yours, recover it by hand and run this again. Otherwise purge it, wait until its retention is over, or distribute ${wanted.key} under another name.`,
        );
    }
    await kms.recover(wanted.name);
    return !ours;
}

/** That key was deleted, and only its name was needed back. */
async function disableEarlierKey(
    kms: Kms,
    wanted: Distribution,
    foreign: readonly Copy[],
    see: (copy: Copy) => void,
): Promise<void> {
    for (const copy of foreign) {
        if (copy.enabled && isOfEarlierKey(copy, wanted)) {
            see(await kms.setAttributes(wanted.name, copy.id, { enabled: false }));
        }
    }
}
