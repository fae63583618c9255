import type { AccessPolicy } from "../vault";

/** Access policies that were replaced and count until the change is everywhere. */
export interface SupersededPolicies {
    /** Milliseconds since the Unix epoch. */
    until: number;
    accessPolicies: AccessPolicy[];
}

/** What is remembered of earlier policies after a change, which counts `delay` milliseconds from now. */
export function superseded(
    earlier: readonly SupersededPolicies[],
    accessPolicies: AccessPolicy[],
    now: number,
    delay: number,
): SupersededPolicies[] {
    return [...earlier, { until: now + delay, accessPolicies }].filter(({ until }) => until > now);
}

/** The policies that count now: the oldest of those that were replaced, as long as it counts, or else the newest. */
export const countingPolicies = (
    earlier: readonly SupersededPolicies[],
    newest: AccessPolicy[],
    now: number,
): AccessPolicy[] => earlier.find(({ until }) => until > now)?.accessPolicies ?? newest;

/** From when and until when something counts, in milliseconds since the Unix epoch. */
export interface Counting {
    from: number;
    /** Absent: it wasn't removed. */
    until?: number;
}

export const counts = ({ from, until }: Counting, now: number): boolean =>
    from <= now && (until === undefined || now < until);
