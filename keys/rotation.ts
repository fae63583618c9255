/** What decides on a key's version, as the inputs of its resource hold it. */
export interface Rotation {
    /** The latest version. */
    version: number;
    /** Any text; a version is made whenever it changes. The last one that was given. */
    trigger?: string;
}

/**
 * The version that is wanted: the next one when the trigger was set to another text, else the one there is.
 * Taking the trigger away rotates nothing, and neither does putting the same one back.
 * @param previous undefined for a key that doesn't exist yet
 */
export function rotate(previous: Rotation | undefined, trigger: string | undefined): Rotation {
    if (!previous) {
        return { version: 1, ...(trigger !== undefined && { trigger }) };
    }
    if (trigger === undefined || trigger === previous.trigger) {
        return previous;
    }
    return { version: previous.version + 1, trigger };
}
