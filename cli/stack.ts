import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";

/** A stack, as its config file and its place in the checkout tell it. */
export interface Stack {
    readonly root: string;
    readonly project: string;
    readonly name: string;
    /** Its cloud is a local Azure. */
    readonly local: boolean;
    /** Where a local stack's Azure and seal key are. Every one has its own. */
    readonly folder: string;
    /** `KEYMGMT_SEAL_KEY` is where its seal key comes from. */
    readonly sealFromEnvironment: boolean;
}

const projectFile = z.object({ name: z.string() });
const stackFile = z.object({ config: z.record(z.string(), z.unknown()).nullish() }).nullish();

export function readStack(root: string, name: string): Stack {
    if (!/^[\w.-]{1,100}$/.test(name) || /^\.+$/.test(name)) {
        throw new Error(
            `"${name}" can't be a stack's name: 1 to 100 letters, digits, hyphens, underscores and dots are allowed.`,
        );
    }
    const { name: project } = readYaml(path.join(root, "Pulumi.yaml"), projectFile);
    const file = path.join(root, `Pulumi.${name}.yaml`);
    const config = existsSync(file) ? (readYaml(file, stackFile)?.config ?? {}) : {};
    const setting = (key: string, absent: string) => config[`keymgmt:${key}`] ?? absent;
    return {
        root,
        project,
        name,
        local: setting("environment", "local") === "local",
        folder: name === "dev" ? path.join(root, ".local") : path.join(root, ".local/stacks", name),
        sealFromEnvironment: setting("seal", "env:KEYMGMT_SEAL_KEY") === "env:KEYMGMT_SEAL_KEY",
    };
}

function readYaml<T>(file: string, shape: z.ZodType<T>): T {
    try {
        return shape.parse(parse(readFileSync(file, "utf8")));
    } catch (error) {
        const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
        throw new Error(`${path.basename(file)} can't be read: ${why}`, { cause: error });
    }
}
