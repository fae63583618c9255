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
