import { DateTime, Duration } from "luxon";

const day = Duration.fromISO("P1D").toMillis();
const longest = Duration.fromISO("P50Y").toMillis();

/**
 * Why a text isn't a duration that rules take; undefined if it is one.
 * Rules take ISO 8601 durations, such as P90D or P1Y6M, from a day to 50 years: keys and their consumers need longer than hours to follow.
 */
export function durationProblem(text: string): string | undefined {
    const allowed = "allowed: an ISO 8601 duration from P1D to P50Y, such as P90D, P6M or P1Y";
    const duration = Duration.fromISO(text);
    if (!duration.isValid) {
        return `isn't an ISO 8601 duration; ${allowed}`;
    }
    const parts = Object.values(duration.toObject());
    if (parts.some((part) => part < 0) || duration.toMillis() < day) {
        return `is under a day; ${allowed}`;
    }
    return duration.toMillis() > longest ? `is too long; ${allowed}` : undefined;
}

/** Whether one duration is longer than another; months count 30 days and years 365. */
export function isLonger(one: string, other: string): boolean {
    return Duration.fromISO(one).toMillis() > Duration.fromISO(other).toMillis();
}

/**
 * A date and a duration added up as in a calendar, in UTC.
 * @param date ISO 8601
 * @returns ISO 8601, UTC
 */
export function after(date: string, duration: string): string {
    return utc(date).plus(Duration.fromISO(duration)).toJSDate().toISOString();
}

/** Why a text isn't a moment; undefined if it is an ISO 8601 date or date and time. Without a zone it's UTC. */
export function momentProblem(text: string): string | undefined {
    // A time alone would be on another day each day. Azure's dates go to 2106 here: see kms/azureKeyVault/attributes.ts.
    return /^20\d\d-\d\d-\d\d/.test(text) && utc(text).isValid
        ? undefined
        : "isn't an ISO 8601 date from 2000 to 2099; allowed: as in 2027-01-31 or 2027-01-31T08:00:00Z";
}

/** @returns ISO 8601, UTC */
export function moment(text: string): string {
    return utc(text).toJSDate().toISOString();
}

function utc(text: string): DateTime {
    return DateTime.fromISO(text, { zone: "utc" });
}
