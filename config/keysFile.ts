import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { Problem } from "./stackConfig";

/**
 * `keymgmt:keys` may be `file:PATH`: a YAML or JSON file that holds what would stand there. Pulumi hands the whole config to the program in one
 * environment variable, which takes 128 KiB on Linux (MAX_ARG_STRLEN, https://man7.org/linux/man-pages/man2/execve.2.html): some hundred keys.
 * @param text the config value of `keys`
 * @returns it, or what is in the file, as JSON
 */
export function readKeysFile(text: string | undefined): {
    text: string | undefined;
    problems: Problem[];
} {
    const path = /^file:(.+)$/.exec(text ?? "")?.[1];
    if (path === undefined) {
        return { text, problems: [] };
    }
    try {
        return { text: JSON.stringify(parse(readFileSync(path, "utf8")) ?? {}), problems: [] };
    } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        const reason =
            code && /^E[A-Z]+$/.test(code)
                ? `the file can't be read (${code})`
                : `the file isn't YAML or JSON: ${message.split("\n")[0]}`;
        return { text: "{}", problems: [{ path: "keys", value: text, reason }] };
    }
}
