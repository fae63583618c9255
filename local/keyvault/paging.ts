import { errors } from "./errors";

export interface Page<T> {
    items: T[];
    /** Where the next page starts, opaque to clients; absent on the last page. */
    skipToken?: string;
}

/**
 * A page of what a list holds in the order of ids, starting behind the id that the token names: complete for what
 * stays, also when items come and go between two pages. `behind` gives the first `count` items behind an id.
 */
export function page<T>(
    behind: (id: string, count: number) => readonly T[],
    idOf: (item: T) => string,
    maxResults: number,
    skipToken?: string,
): Page<T> {
    const marker = skipToken === undefined ? "" : readSkipToken(skipToken);
    const found = behind(marker, maxResults + 1);
    const items = found.slice(0, maxResults);
    const last = items.at(-1);
    return {
        items,
        ...(last && found.length > maxResults && { skipToken: writeSkipToken(idOf(last)) }),
    };
}

/** `maxresults` of a list: 1 to 25, default 25. */
export function readMaxResults(value: string | undefined): number {
    if (value === undefined) return 25;
    const number = /^\d+$/.test(value) ? Number(value) : 0;
    if (number < 1 || number > 25) throw errors.invalidProperty("maxresults");
    return number;
}

function writeSkipToken(marker: string): string {
    return Buffer.from(JSON.stringify({ NextMarker: marker })).toString("base64url");
}

function readSkipToken(token: string): string {
    try {
        const { NextMarker } = JSON.parse(Buffer.from(token, "base64url").toString()) as {
            NextMarker?: unknown;
        };
        if (typeof NextMarker === "string") return NextMarker;
    } catch {
        // Not one of ours: answered below.
    }
    throw errors.invalidProperty("$skiptoken");
}
