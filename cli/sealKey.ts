import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Stack } from "./stack";
import { hasResources } from "./state";

/** The seal key of a local stack, made on first use. The user's own `KEYMGMT_SEAL_KEY` wins. */
export async function sealKey(stack: Stack, env: NodeJS.ProcessEnv): Promise<string> {
    if (env.KEYMGMT_SEAL_KEY !== undefined) return env.KEYMGMT_SEAL_KEY;
    const file = path.join(stack.folder, "seal.key");
    if (!existsSync(file)) {
        if (hasResources(stack)) throw new Error(sealKeyLost(stack, file));
        await mkdir(stack.folder, { recursive: true });
        // "wx": of two commands at once, the first one's key is everyone's.
        await writeFile(file, `${randomBytes(32).toString("base64url")}\n`, {
            mode: 0o600,
            flag: "wx",
        }).catch((error: NodeJS.ErrnoException) => {
            if (error.code !== "EEXIST") throw error;
        });
    }
    return (await readFile(file, "utf8")).trim();
}

const sealKeyLost = ({ name }: Stack, file: string) =>
    [
        `The seal key of stack ${name} is lost: ${file} doesn't exist, but the stack's state holds resources. Without the key its sealed key material can't be opened, and a new one is no help.`,
        `Put the file back, or set KEYMGMT_SEAL_KEY to the key that the stack was made with. If there is no copy: \`npm run keymgmt -- down --stack ${name}\` removes the local stack with all its keys.`,
    ].join("\n");
