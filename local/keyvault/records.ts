import type { Collection, Store } from "../store";
import type { DeletedKeyRecord, KeyRecord } from "./keys";
import { dueAt, showsAsDeleted, stageOf } from "./lifecycle";

/**
 * The records of a vault's keys, and what finds them without a walk through all: names in order, and times. Nothing
 * else writes them.
 */
export class KeyRecords {
    readonly #records: Collection<KeyRecord>;
    readonly #live = new SortedIds();
    readonly #deleted = new SortedIds();
    /** When the clock alone changes a record, of those that it ever will. Milliseconds since the Unix epoch. */
    readonly #dueTimes = new Map<string, number>();
    #nothingDueBefore = Infinity;

    constructor(store: Store, vaultName: string) {
        this.#records = store.collection(`keyvault/keys/${vaultName.toLowerCase()}`);
        for (const record of this.#records.values()) this.#index(nameId(record), record);
    }

    get(name: string): KeyRecord | undefined {
        return this.#records.get(name.toLowerCase());
    }

    put(record: KeyRecord): Promise<void> {
        const id = nameId(record);
        this.#index(id, record);
        return this.#records.put(id, record);
    }

    delete(name: string): Promise<void> {
        const id = name.toLowerCase();
        this.#index(id, undefined);
        return this.#records.delete(id);
    }

    /** The first `count` of the live keys behind this id, in the order of ids. */
    live(behind: string, count: number): KeyRecord[] {
        return this.#all(this.#live.behind(behind, count));
    }

    /** The same of those that show as deleted. */
    deleted(behind: string, count: number): DeletedKeyRecord[] {
        return this.#all(this.#deleted.behind(behind, count)) as DeletedKeyRecord[];
    }

    /** The names of the keys that the clock has changed by now. */
    due(now: number): string[] {
        if (now < this.#nothingDueBefore) return [];
        const times = [...this.#dueTimes];
        this.#nothingDueBefore = times.reduce((first, [, at]) => Math.min(first, at), Infinity);
        return times.filter(([, at]) => at <= now).map(([id]) => id);
    }

    #all(ids: string[]): KeyRecord[] {
        return ids.map((id) => this.#records.get(id)!);
    }

    #index(id: string, record: KeyRecord | undefined): void {
        const stage = record && stageOf(record);
        this.#live.set(id, stage === "live");
        this.#deleted.set(id, stage !== undefined && showsAsDeleted(stage));
        const due = record ? dueAt(record) : Infinity;
        if (due === Infinity) this.#dueTimes.delete(id);
        else this.#dueTimes.set(id, due);
        this.#nothingDueBefore = Math.min(this.#nothingDueBefore, due);
    }
}

/** A set that can be read in order from anywhere. */
class SortedIds {
    readonly #ids: string[] = [];

    set(id: string, belongs: boolean): void {
        const at = this.#firstFrom(id);
        const present = this.#ids[at] === id;
        if (belongs && !present) this.#ids.splice(at, 0, id);
        if (!belongs && present) this.#ids.splice(at, 1);
    }

    behind(id: string, count: number): string[] {
        const at = this.#firstFrom(id);
        const start = this.#ids[at] === id ? at + 1 : at;
        return this.#ids.slice(start, start + count);
    }

    #firstFrom(id: string): number {
        let from = 0;
        let to = this.#ids.length;
        while (from < to) {
            const middle = (from + to) >>> 1;
            if (this.#ids[middle]! < id) from = middle + 1;
            else to = middle;
        }
        return from;
    }
}

/** A key's name as it is compared. */
export function nameId(record: { name: string }): string {
    return record.name.toLowerCase();
}
