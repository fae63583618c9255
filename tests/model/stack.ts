import type { Declared } from "./declared";
import type { Version } from "./oracle";

/** How a run is stopped: at which of its requests, or of those that change a key, and whether that one still reaches its vault. */
export interface Kill {
    of: "requests" | "changes";
    at: number;
    landed: boolean;
}

export interface RunOptions {
    refresh: boolean;
    /** A rule of the local Azure, for this run. */
    fault?: object;
    kill?: Kill;
    /** A second passes at each import, so that no two versions are of the same one. */
    slow?: boolean;
}

export interface Outcome {
    /** Milliseconds: the moment at which rules were looked at. */
    asOf: number;
    result: "done" | "failed" | "killed";
    /** Why it failed. */
    message: string;
    /** `<method> <path>` of each request to a vault. */
    requests: string[];
    /** What was done to which resource; nothing for one that stayed as it is. */
    changes: string[];
}

/** A Pulumi stack, at one level or another. */
export interface Stack {
    /** As in project/stack. */
    readonly name: string;
    up(declared: Declared, options: RunOptions): Promise<Outcome>;
    /** The versions of each key in the state, oldest first. */
    keys(): Promise<Map<string, Version[]>>;
}
