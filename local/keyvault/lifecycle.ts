import type { KeyRecord, KeyVersion } from "./keys";
import { rotationDue } from "./rotation";

/** A change of a deleted key, or of one to a deleted key, that was answered and isn't visible yet. */
export interface Change {
    kind: "deleting" | "recovering" | "purging";
    /** Milliseconds since the Unix epoch. */
    visibleAt: number;
}

export type Stage = "live" | "deleted" | Change["kind"];

export function stageOf(record: KeyRecord): Stage {
    return record.change?.kind ?? (record.deleted ? "deleted" : "live");
}

/**
 * Whether the key shows among the deleted ones. What was asked for is seen late: a deletion there (at its own name at
 * once), a recovery and a purge everywhere.
 */
export function showsAsDeleted(stage: Stage): boolean {
    return stage === "deleted" || stage === "recovering" || stage === "purging";
}

/** A key's record as it is by now; undefined: purged, on demand or because its time is over. */
export function settled(record: KeyRecord, now: number): KeyRecord | undefined {
    if (!record.deleted) return record;
    const { change, ...rest } = record;
    const isVisible = change !== undefined && now >= change.visibleAt;
    if (change?.kind === "recovering") {
        if (!isVisible) return record;
        const { deleted: _, ...live } = rest;
        return live;
    }
    if (now >= record.deleted.purgeDate * 1000) return undefined;
    if (!isVisible) return record;
    return change.kind === "purging" ? undefined : rest;
}

/** When the clock alone changes this record, by `settled` or a rotation; Infinity: never. Milliseconds since the Unix epoch. */
export function dueAt(record: KeyRecord): number {
    const { deleted, change, rotationPolicy } = record;
    if (!deleted) return (rotationDue(rotationPolicy, current(record)) ?? Infinity) * 1000;
    const visibleAt = change?.visibleAt ?? Infinity;
    return change?.kind === "recovering"
        ? visibleAt
        : Math.min(visibleAt, deleted.purgeDate * 1000);
}

/** The version that a key's name stands for. */
export function current(record: KeyRecord): KeyVersion {
    const version = record.versions.at(-1);
    if (!version) throw new Error(`The key ${record.name} has no version: its record is broken.`);
    return version;
}
