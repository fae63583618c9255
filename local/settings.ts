import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { writeAtomically } from "./writeAtomically";

/** How this local Azure behaves where a test wants it quick, or slow, or strict. */
const settings = z.strictObject({
    /** Seconds until a deletion, recovery or purge of a key is visible. Azure: a few. */
    visibilityDelay: z.number().min(0).default(0),
    /** Seconds until a new or changed access policy or role assignment counts. Azure: up to minutes. */
    propagationDelay: z.number().min(0).default(0),
    /** Whether the documented transaction limits of a vault are kept. */
    limits: z.boolean().default(false),
});
export type Settings = z.infer<typeof settings>;

export const defaultSettings: Settings = settings.parse({});

/** Settings that are asked for by name; those left out have their default. Throws a ZodError. */
export const readSettings = (value: unknown): Settings => settings.parse(value);

/** The settings of a cloud, which can change while it runs. */
export interface CurrentSettings {
    (): Settings;
    /** Replaces all of them, in the file too: a restart keeps them. */
    replace(next: Settings): void;
}

/** Those in the file, if it is there; `overrides` count for this run only. */
export function openSettings(file: string, overrides: Partial<Settings> = {}): CurrentSettings {
    let current = read(file, overrides);
    return Object.assign(() => current, {
        replace(next: Settings) {
            writeAtomically(file, next);
            current = next;
        },
    });
}

function read(file: string, overrides: Partial<Settings>): Settings {
    try {
        const kept: unknown = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
        return { ...readSettings(kept), ...overrides };
    } catch (error) {
        const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
        throw new Error(
            `The settings in ${file} can't be used: ${reason}. Correct the file, or remove it for the defaults: ` +
                `${JSON.stringify(defaultSettings)}.`,
            { cause: error },
        );
    }
}
