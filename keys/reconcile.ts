import type { Protection } from "./keyType";

/** A version of a key in a KMS. */
export interface Copy {
    /** The KMS's own name of the version. */
    id: string;
    /** ISO 8601, UTC, whole seconds: the order in which the KMS got them, but for those of one second. */
    createdAt: string;
    enabled: boolean;
    /** RFC 7638, of the public key. */
    thumbprint: string;
    /** How the KMS holds it. */
    protection: Protection;
}

export interface WantedVersion {
    version: number;
    thumbprint: string;
}

export interface Plan {
    /** Our version -> the copy of it that counts (the newest). */
    present: Map<number, Copy>;
    /** Our versions to import, in this order; the last one becomes the KMS's current version. */
    imports: number[];
    /** Our versions whose copy is disabled, which it must not be. */
    enable: number[];
    /** Versions that aren't ours. They are reported, never touched. */
    foreign: Copy[];
}

/**
 * What a KMS lacks to agree with us. Every missing version is imported, oldest first. The KMS serves the version that it got
 * last, so our latest one comes once more when something else would be on top, or may be: of two versions of one second, nobody
 * can tell which came last. (Ours come in order, so that only a foreign one can be it.)
 * @param wanted our versions, oldest first; not empty
 * @param copies what the KMS has of the key
 */
export function reconcile(wanted: readonly WantedVersion[], copies: readonly Copy[]): Plan {
    const present = new Map<number, Copy>();
    for (const { version, thumbprint } of wanted) {
        const newest = newestOf(copies.filter((copy) => copy.thumbprint === thumbprint));
        if (newest) {
            present.set(version, newest);
        }
    }
    const ours = new Set(wanted.map(({ thumbprint }) => thumbprint));
    const imports = wanted.map(({ version }) => version).filter((version) => !present.has(version));

    const latest = wanted[wanted.length - 1]!.version;
    const latestCopy = present.get(latest);
    const foreign = copies.filter((copy) => !ours.has(copy.thumbprint));
    if (latestCopy && (imports.length > 0 || isCovered(latestCopy))) {
        imports.push(latest);
    }
    return {
        present,
        imports,
        enable: [...present].flatMap(([version, { enabled }]) => (enabled ? [] : [version])),
        foreign,
    };

    function isCovered({ createdAt }: Copy): boolean {
        return (
            copies.some((copy) => copy.createdAt > createdAt) ||
            foreign.some((copy) => copy.createdAt === createdAt)
        );
    }
}

function newestOf(copies: readonly Copy[]): Copy | undefined {
    return copies.reduce<Copy | undefined>(
        (newest, copy) => (!newest || copy.createdAt >= newest.createdAt ? copy : newest),
        undefined,
    );
}
