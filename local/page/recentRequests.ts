import { open } from "node:fs/promises";
import type { RequestLogEntry } from "../requestLog";

/** What is read of the log at once; older lines are left out. */
export const limit = 256 * 1024;

export interface RecentRequests {
    entries: RequestLogEntry[];
    /** Where the next reading begins. */
    cursor: number;
}

/** The requests that were logged after the cursor, or the last ones, oldest first. */
export async function recentRequests(file: string, after = 0): Promise<RecentRequests> {
    const log = await open(file);
    try {
        const { size } = await log.stat();
        // A cursor beyond the end is another log's: this one was begun anew.
        const from = after > size ? 0 : after;
        const start = Math.max(from, size - limit);
        const { buffer, bytesRead } = await log.read({
            buffer: Buffer.alloc(size - start),
            position: start,
        });
        const read = buffer.subarray(0, bytesRead);
        const end = read.lastIndexOf("\n") + 1;
        const begin = start === from ? 0 : read.indexOf("\n") + 1;
        const lines = read.subarray(begin, end).toString().split("\n").filter(Boolean);
        return {
            entries: lines.map((line) => JSON.parse(line) as RequestLogEntry),
            cursor: start + end,
        };
    } finally {
        await log.close();
    }
}
