import type { Attributes, Copy, WantedCopy } from "./copy";
import type { Protection } from "./keyType";

export interface Change {
    copy: Copy;
    /** The attributes that differ, as they should be; a date that should be none is undefined. */
    to: Partial<Attributes>;
}

export interface Plan {
    /** Our version -> the copy of it that counts (the newest). */
    present: Map<number, Copy>;
    /** Our versions to import, in this order; the last one becomes the KMS's current version. */
    imports: number[];
    /** Copies of ours whose attributes differ; to be changed after the imports, so that a new version is there before an old one goes. */
    changes: Change[];
    /** Copies of ours that another one stands for: the same version once more, or in another protection. */
    older: Copy[];
    /** Versions that aren't ours. They are reported, never touched. */
    foreign: Copy[];
}

/**
 * What a KMS lacks to agree with us. Every missing version is imported, oldest first. The KMS serves the version that it got
 * last, so our latest one comes once more when something else would be on top, or may be: of two versions of one second, nobody
 * can tell which came last. (Ours come in order, so that only a foreign one can be it.)
 *
 * A copy can't leave the protection that it came with, and one in software must not pass for one in an HSM: where the protection is
 * another, the version is imported anew and the old copy disabled.
 * @param wanted our versions, oldest first
 * @param copies what the KMS has of the key
 */
export function reconcile(
    wanted: readonly WantedCopy[],
    protection: Protection,
    copies: readonly Copy[],
): Plan {
    const versionOf = new Map(wanted.map((version) => [version.thumbprint, version]));
    const ours = copies.filter(({ thumbprint }) => versionOf.has(thumbprint));
    const foreign = copies.filter(({ thumbprint }) => !versionOf.has(thumbprint));
    const present = new Map<number, Copy>();
    for (const { version, thumbprint } of wanted) {
        const newest = newestOf(
            ours.filter((copy) => copy.thumbprint === thumbprint && copy.protection === protection),
        );
        if (newest) {
            present.set(version, newest);
        }
    }
    const imports = wanted.map(({ version }) => version).filter((version) => !present.has(version));
    const latest = wanted.at(-1)?.version;
    const latestCopy = latest && present.get(latest);
    if (latestCopy && (imports.length > 0 || isCovered(latestCopy))) {
        imports.push(latest);
    }
    const changes = ours.flatMap((copy): Change[] => {
        const {
            version: _version,
            thumbprint: _thumbprint,
            ...to
        } = versionOf.get(copy.thumbprint)!;
        const superseded = copy.protection !== protection;
        const differing = superseded ? copy.enabled && { enabled: false } : differences(copy, to);
        return differing ? [{ copy, to: differing }] : [];
    });
    const counting = new Set(present.values());
    return {
        present,
        imports,
        changes,
        older: ours.filter((copy) => !counting.has(copy)),
        foreign,
    };

    function isCovered({ createdAt }: Copy): boolean {
        return (
            copies.some((copy) => copy.createdAt > createdAt) ||
            foreign.some((copy) => copy.createdAt === createdAt)
        );
    }
}

/** Whether a KMS agrees with us. */
export function isInStep({ imports, changes }: Plan): boolean {
    return imports.length === 0 && changes.length === 0;
}

function differences(from: Attributes, to: Attributes): Partial<Attributes> | undefined {
    const { enabled, purposes, tags, notBefore, expiresAt } = to;
    const differing: Partial<Attributes> = {
        ...(from.enabled !== enabled && { enabled }),
        ...(!sameSet(from.purposes, purposes) && { purposes }),
        ...(!sameTags(from.tags, tags) && { tags }),
        ...(from.notBefore !== notBefore && { notBefore }),
        ...(from.expiresAt !== expiresAt && { expiresAt }),
    };
    return Object.keys(differing).length > 0 ? differing : undefined;
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
    return a.length === b.length && a.every((value) => b.includes(value));
}

function sameTags(a: Attributes["tags"], b: Attributes["tags"]): boolean {
    const names = Object.keys(a);
    return sameSet(names, Object.keys(b)) && names.every((name) => a[name] === b[name]);
}

function newestOf(copies: readonly Copy[]): Copy | undefined {
    return copies.reduce<Copy | undefined>(
        (newest, copy) => (!newest || copy.createdAt >= newest.createdAt ? copy : newest),
        undefined,
    );
}
