import { readFileSync } from "node:fs";
import { KeymgmtError, type KeymgmtErrorCode } from "../keys/errors";
import { parseSealKey, type SealKey } from "../keys/seal";
import type { SecretLocation } from "../keys/secretLocation";

/**
 * Reads a secret where it is. Only its location ever goes through Pulumi: the engine writes config values into traces.
 * @param what what it is, for the message
 * @throws KeymgmtError with `code`
 */
export function readSecret(location: SecretLocation, what: string, code: KeymgmtErrorCode): string {
    const [kind, place] = [
        location.slice(0, location.indexOf(":")),
        location.slice(location.indexOf(":") + 1),
    ];
    const text = kind === "env" ? process.env[place] : readFile(place, what, code);
    if (!text?.trim()) {
        throw new KeymgmtError(
            code,
            kind === "env"
                ? `There's no ${what}: the environment variable ${place} isn't set. Set it, or say where the ${what} is.`
                : `There's no ${what}: the file ${place} is empty.`,
        );
    }
    return text.trim();
}

/** @throws KeymgmtError SEAL_KEY */
export function readSealKey(location: SecretLocation): SealKey {
    return parseSealKey(readSecret(location, "seal key", "SEAL_KEY"), location);
}

function readFile(path: string, what: string, code: KeymgmtErrorCode): string {
    try {
        return readFileSync(path, "utf8");
    } catch (cause) {
        throw new KeymgmtError(
            code,
            `There's no ${what}: the file ${path} can't be read (${(cause as { code?: string }).code}).`,
            { cause },
        );
    }
}
