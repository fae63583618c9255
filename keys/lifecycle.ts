import { after, isLonger } from "./duration";

/** What happens to a version that isn't the latest any more. */
export const retirements = ["keep", "expire", "disable"] as const;
export type Retirement = (typeof retirements)[number];

/** When versions are made, and what becomes of older ones. Durations are ISO 8601 and count from a version's creation, never from now. */
export interface Rotation {
    /** Any text; a version is made whenever it changes. */
    trigger?: string;
    /** The age at which the latest version gets a successor, by the next run. */
    interval?: string;
    retire?: {
        /** The overlap: counted from the creation of the version that comes after. */
        after: string;
        action: Retirement;
    };
    /** How many versions, the newest ones, may be enabled at most. */
    keepEnabled?: number;
    /** How long before a version's expiry the KMS itself gives notice of it. */
    notifyBefore?: string;
}

/** A version that comes from outside, and isn't generated. */
export interface GivenVersion {
    /** The number that it is to have. */
    version: number;
    origin: "imported" | "external";
    /** RFC 7638, of its public key; undefined for a version that exists, which isn't read again. */
    thumbprint?: string;
    /** External: the host of the one vault that it is wrapped for. */
    vaultHost?: string;
}

export interface LifecycleRules {
    rotation: Rotation;
    /** Versions below it are disabled; 0: none. */
    minEnabledVersion: number;
    disabledVersions: readonly number[];
    given?: readonly GivenVersion[];
}

/** A version as a whole: when and why it was made, and what it may be used for now. Decided before it is made. */
export interface LifecycleVersion {
    version: number;
    /** ISO 8601, UTC. */
    createdAt: string;
    /** Why it was, or is to be, made. */
    reason: string;
    /** Undefined: it was generated. */
    origin?: GivenVersion["origin"];
    /** Of a version from outside: see GivenVersion. */
    thumbprint?: string;
    vaultHost?: string;
    enabled: boolean;
    /** Why it isn't enabled. */
    disabledBy?: string;
    /** ISO 8601, UTC: from then on it only decrypts, verifies and unwraps. */
    expiresAt?: string;
    /** ISO 8601, UTC: from then on the next run disables it. */
    disabledFrom?: string;
}

export interface Previous {
    versions: readonly LifecycleVersion[];
    /** The last trigger that was given. */
    trigger?: string;
}

/**
 * All versions that there should be, oldest first: those there are, and the next one where a rule asks for it.
 * @param previous undefined for a key that doesn't exist yet
 * @param asOf ISO 8601: the moment at which rules are looked at
 */
export function lifecycle(
    previous: Previous | undefined,
    rules: LifecycleRules,
    asOf: string,
): LifecycleVersion[] {
    const made = [...(previous?.versions ?? [])];
    const next = () => rules.given?.find(({ version }) => version === made.length + 1);
    const make = (reason: string) =>
        made.push({ version: made.length + 1, createdAt: asOf, reason, ...next(), enabled: true });
    const reason = previous ? dueReason(previous, rules.rotation, asOf) : "the first version";
    if (reason) {
        make(reason);
    }
    while (next()) {
        make("it was given");
    }
    return made.map((version) => withStatus(version, made, rules, asOf));
}

/** Why the next version is due; undefined if it isn't. Taking the trigger away rotates nothing, and neither does putting the same one back. */
function dueReason(
    { versions, trigger }: Previous,
    rotation: Rotation,
    asOf: string,
): string | undefined {
    if (rotation.trigger !== undefined && rotation.trigger !== trigger) {
        return `trigger ${rotation.trigger}`;
    }
    const latest = versions.at(-1)!;
    const due = rotation.interval && after(latest.createdAt, rotation.interval);
    return due && due <= asOf
        ? `version ${latest.version} had its interval of ${rotation.interval} on ${due}`
        : undefined;
}

function withStatus(
    { disabledBy: _by, expiresAt: _at, disabledFrom: _from, ...version }: LifecycleVersion,
    all: readonly LifecycleVersion[],
    rules: LifecycleRules,
    asOf: string,
): LifecycleVersion {
    const { retire } = rules.rotation;
    const successor = all[version.version];
    const retiredAt = successor && retire && after(successor.createdAt, retire.after);
    const disabledBy = disabledReason(version.version, all.length, rules, retiredAt, asOf);
    return {
        ...version,
        enabled: disabledBy === undefined,
        ...(disabledBy !== undefined && { disabledBy }),
        ...(retire?.action === "expire" && retiredAt && { expiresAt: retiredAt }),
        ...(retire?.action === "disable" && retiredAt && { disabledFrom: retiredAt }),
    };
}

function disabledReason(
    version: number,
    latest: number,
    { rotation, minEnabledVersion, disabledVersions }: LifecycleRules,
    retiredAt: string | undefined,
    asOf: string,
): string | undefined {
    if (version < minEnabledVersion) {
        return `minEnabledVersion ${minEnabledVersion}`;
    }
    if (disabledVersions.includes(version)) {
        return "disabledVersions";
    }
    if (rotation.keepEnabled !== undefined && version <= latest - rotation.keepEnabled) {
        return `keepEnabled ${rotation.keepEnabled}`;
    }
    return rotation.retire?.action === "disable" && retiredAt && retiredAt <= asOf
        ? `retire: ${rotation.retire.after} after version ${version + 1}`
        : undefined;
}

/** What is wrong with rules, by the property that it is in. */
export interface RuleProblem {
    path: readonly (string | number)[];
    reason: string;
}

/** What is wrong with a rotation rule whatever versions there are; each duration is right in itself. */
export function rotationProblems({ interval, retire }: Rotation): RuleProblem[] {
    return interval && retire && isLonger(retire.after, interval)
        ? [
              {
                  path: ["rotation", "retire", "after"],
                  reason: `is longer than the interval, ${interval}: each version would be succeeded twice before it retires; make it ${interval} at most`,
              },
          ]
        : [];
}

/**
 * What is wrong with rules for the versions that there would be.
 * @param existing those that there are
 */
export function lifecycleProblems(
    { minEnabledVersion, disabledVersions, given = [] }: LifecycleRules,
    latest: number,
    existing: readonly LifecycleVersion[] = [],
): RuleProblem[] {
    const problems: RuleProblem[] = [];
    if (minEnabledVersion > latest) {
        problems.push({
            path: ["minEnabledVersion"],
            reason: `${minEnabledVersion} would disable the latest version, which is ${latest}; allowed: 0 to ${latest}`,
        });
    }
    for (const [index, version] of disabledVersions.entries()) {
        if (version >= latest) {
            problems.push({
                path: ["disabledVersions", index],
                reason:
                    version === latest
                        ? `${version} is the latest version, which can't be disabled; rotate the key first`
                        : `${version} doesn't exist; the latest version is ${latest}`,
            });
        }
    }
    for (const [index, { version }] of given.entries()) {
        if (version > latest) {
            problems.push({
                path: ["import", index, "version"],
                reason: `${version} can't be next: the version after the latest one is ${latest + 1}`,
            });
        } else if (existing[version - 1] && !existing[version - 1]!.origin) {
            problems.push({
                path: ["import", index, "version"],
                reason: `${version} exists already and was generated, which stays so; the next version is ${latest + 1}`,
            });
        }
    }
    return problems;
}
