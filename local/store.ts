import { mkdir } from "node:fs/promises";
import { ClassicLevel } from "classic-level";

/** Records that outlive the process: held in memory, written through to disk before a change is answered. */
export interface Collection<T> {
    get(id: string): T | undefined;
    values(): Iterable<T>;
    put(id: string, value: T): Promise<void>;
    delete(id: string): Promise<void>;
}
export interface Store {
    collection<T>(name: string): Collection<T>;
    close(): Promise<void>;
}

type Write = { type: "put"; key: string; value: unknown } | { type: "del"; key: string };

/** Between the collection's name and the record's id in a database key; neither may hold it. */
const separator = "\u0000";

/**
 * Opens the store in this folder, or makes it. Only one process can have it open.
 *
 * A record changes in memory at once and is answered when it is on disk. So "read, decide, put" without an
 * `await` in between is atomic, and records must be replaced, never changed in place.
 */
export async function openStore(folder: string): Promise<Store> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const db = new ClassicLevel<string, unknown>(folder, { valueEncoding: "json" });
    await db.open().catch((error: unknown) => {
        throw openError(folder, error);
    });
    const collections = new Map<string, Map<string, unknown>>();
    const records = (name: string): Map<string, unknown> => {
        const present = collections.get(name);
        if (present) return present;
        const created = new Map<string, unknown>();
        collections.set(name, created);
        return created;
    };
    for await (const [key, value] of db.iterator()) {
        const at = key.indexOf(separator);
        records(key.slice(0, at)).set(key.slice(at + 1), value);
    }
    const write = groupCommit((writes: Write[]) => db.batch(writes));
    return {
        collection<T>(name: string): Collection<T> {
            const map = records(name) as Map<string, T>;
            const key = (id: string) => name + separator + id;
            return {
                get: (id) => map.get(id),
                values: () => map.values(),
                put: (id, value) => {
                    map.set(id, value);
                    return write({ type: "put", key: key(id), value });
                },
                delete: (id) => {
                    map.delete(id);
                    return write({ type: "del", key: key(id) });
                },
            };
        },
        close: () => db.close(),
    };
}

/**
 * One batch on its way to disk at a time, everything that arrives meanwhile in the next one: writes keep their
 * order (parallel `put`s of LevelDB needn't), and many at once cost little more than one. After a failed batch
 * disk and memory disagree, so every later write fails too.
 */
function groupCommit(commit: (writes: Write[]) => Promise<void>): (write: Write) => Promise<void> {
    let waiting: { writes: Write[]; done: Promise<void> } | undefined;
    let last = Promise.resolve();
    return (write) => {
        if (waiting) {
            waiting.writes.push(write);
            return waiting.done;
        }
        const writes = [write];
        const done = last.then(() => {
            waiting = undefined;
            return commit(writes);
        });
        waiting = { writes, done };
        last = done;
        return done;
    };
}

function openError(folder: string, error: unknown): Error {
    // classic-level puts LevelDB's own reason into `cause`.
    const { code, message } =
        (error as { cause?: { code?: string; message?: string } }).cause ?? {};
    const reason =
        code === "LEVEL_LOCKED"
            ? "another process has it open. Stop that one, or use another folder"
            : `${message ?? String(error)}. Check that the folder is yours to read and write`;
    return new Error(`Can't open the store in ${folder}: ${reason}.`, { cause: error });
}
