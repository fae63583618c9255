import { after } from "./duration";
import type { Protection, Purpose } from "./keyType";
import type { LifecycleVersion } from "./lifecycle";

/** What of a copy can be changed in place. */
export interface Attributes {
    enabled: boolean;
    /** The KMS's words where it has operations beyond the purposes. In no order. */
    purposes: readonly string[];
    tags: Readonly<Record<string, string>>;
    /** ISO 8601, UTC, whole seconds. */
    notBefore?: string;
    /** ISO 8601, UTC, whole seconds. */
    expiresAt?: string;
}

/** A version of a key in a KMS. */
export interface Copy extends Attributes {
    /** The KMS's own name of the version. */
    id: string;
    /** ISO 8601, UTC, whole seconds: the order in which the KMS got them, but for those of one second. */
    createdAt: string;
    /** ISO 8601, UTC, whole seconds: when its attributes were changed last. */
    updatedAt: string;
    /** RFC 7638, of the public key. */
    thumbprint: string;
    /** How the KMS holds it. */
    protection: Protection;
}

/** A version of ours as a KMS should hold it. */
export interface WantedCopy extends Attributes {
    version: number;
    thumbprint: string;
}

/** Whose copies they are. */
export interface Owner {
    key: string;
    /** The Pulumi project and stack, as in project/stack. */
    stack: string;
}

/** What a distribution says of all its copies. */
export interface CopyRules {
    purposes: readonly Purpose[];
    tags: Readonly<Record<string, string>>;
    /** ISO 8601, UTC. */
    notBefore?: string;
    /** ISO 8601 duration, from the version's creation. */
    expiresAfter?: string;
}

/** How copies are told apart by people and their tools. They never make a version ours: anyone with access to the KMS can set them. */
const tagNames = {
    key: "keymgmt-key",
    stack: "keymgmt-stack",
    version: "keymgmt-version",
    thumbprint: "keymgmt-thumbprint",
};

/**
 * Our versions as a KMS should hold them.
 * @param thumbprints of each version, in order
 */
export function wantedCopies(
    owner: Owner,
    versions: readonly LifecycleVersion[],
    thumbprints: readonly string[],
    rules: CopyRules,
): WantedCopy[] {
    return versions.map((version, index) => ({
        version: version.version,
        thumbprint: thumbprints[index]!,
        enabled: version.enabled,
        purposes: rules.purposes,
        tags: {
            ...rules.tags,
            [tagNames.key]: owner.key,
            [tagNames.stack]: owner.stack,
            [tagNames.version]: String(version.version),
            [tagNames.thumbprint]: thumbprints[index]!,
        },
        ...datesOf(version, rules),
    }));
}

/** The earlier of the two dates at which a version may expire. */
function datesOf(
    { createdAt, expiresAt }: LifecycleVersion,
    { notBefore, expiresAfter }: CopyRules,
): Pick<Attributes, "notBefore" | "expiresAt"> {
    const ends = [expiresAt, expiresAfter && after(createdAt, expiresAfter)];
    const end = ends.filter((date) => date !== undefined).sort()[0];
    return {
        ...(notBefore && { notBefore: wholeSeconds(notBefore) }),
        ...(end && { expiresAt: wholeSeconds(end) }),
    };
}

function wholeSeconds(date: string): string {
    return date.replace(/\.\d+Z$/, ".000Z");
}

/**
 * Whether a copy was made by this stack for a key of this name: for an earlier one, if its material isn't ours. What hangs on the
 * answer must do no harm if someone else set the tags. A version that the KMS itself made by a rotation has our tags too, but those of
 * other material.
 */
export function isOfEarlierKey({ tags, thumbprint }: Copy, { key, stack }: Owner): boolean {
    return (
        tags[tagNames.key] === key &&
        tags[tagNames.stack] === stack &&
        tags[tagNames.thumbprint] === thumbprint
    );
}

/** Why a copy could never be used for all that it is for; undefined if it could. */
export function datesProblem({ notBefore, expiresAt }: Attributes): string | undefined {
    return notBefore !== undefined && expiresAt !== undefined && notBefore >= expiresAt
        ? `${notBefore} is not before its expiry, ${expiresAt}`
        : undefined;
}

/** Why users can't have a tag; undefined if they can. Azure takes 15 tags of 256 characters at most (https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#key-tags). */
export function tagsProblem(tags: Readonly<Record<string, string>>): string | undefined {
    const own = Object.values(tagNames);
    const most = 15 - own.length;
    const entries = Object.entries(tags);
    if (entries.length > most) {
        return `${entries.length} tags; allowed: ${most} at most`;
    }
    const taken = entries.find(([name]) => own.includes(name.toLowerCase()));
    if (taken) {
        return `${taken[0]} is a tag that keymgmt sets itself`;
    }
    return entries.some(([name, value]) => name === "" || name.length > 256 || value.length > 256)
        ? "names and values of tags have 256 characters at most, and names one at least"
        : undefined;
}
