import { access, constants } from "node:fs/promises";
import path from "node:path";
import { buildEngine } from "./build";
import { cacheFolder, publish } from "./cache";
import { installEngine } from "./install";
import { engineOnPath } from "./onPath";
import { pinnedVersion } from "./pin";

export interface Engine {
    readonly version: string;
    /** The executable. */
    readonly pulumi: string;
    readonly binFolder: string;
}

/** Told what happens, one line at a time: getting an engine may take minutes. */
export type Progress = (line: string) => void;

/** How to make an engine in a folder, as `<folder>/bin/pulumi` and what belongs beside it. */
export interface Source {
    readonly name: string;
    readonly make: (folder: string, progress: Progress) => Promise<void>;
}

const sources = (env: NodeJS.ProcessEnv): Source[] => [
    { name: "Pulumi's installer", make: installEngine },
    { name: "build with Go", make: (folder, progress) => buildEngine(folder, progress, env) },
];

/** The Pulumi engine with its Node.js language host: found, or else installed or built, once. */
export async function ensureEngine(progress: Progress, env = process.env): Promise<Engine> {
    return (
        (await engineOnPath(env, progress)) ??
        (await cachedEngine(cacheFolder(env), sources(env), progress))
    );
}

export async function cachedEngine(
    folder: string,
    from: readonly Source[],
    progress: Progress,
): Promise<Engine> {
    const binFolder = path.join(folder, "bin");
    const engine = { version: pinnedVersion(), pulumi: path.join(binFolder, "pulumi"), binFolder };
    if (await exists(engine.pulumi)) return engine;
    const reasons: string[] = [];
    for (const source of from) {
        try {
            await publish(folder, (draft) => source.make(draft, progress));
            return engine;
        } catch (error) {
            const reason = error instanceof Error ? error.message : String(error);
            reasons.push(`- ${source.name}: ${reason}`);
        }
    }
    throw new Error(
        [
            `There is no Pulumi engine on this machine, and it couldn't be had:`,
            `- PATH: no usable pulumi with pulumi-language-nodejs`,
            ...reasons,
            `Install Pulumi ${engine.version} or newer (https://www.pulumi.com/docs/iac/download-install/), or Go (https://go.dev/dl/) to have it built here, then try again.`,
        ].join("\n"),
    );
}

/** The environment in which this engine and its plugins find each other. */
export function withEngine(engine: Engine, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    const folders = (env.PATH ?? "").split(path.delimiter);
    // An engine of the user's stays where it is on PATH: its folder may hold another node.
    return folders.includes(engine.binFolder)
        ? env
        : { ...env, PATH: [engine.binFolder, ...folders].join(path.delimiter) };
}

const exists = (file: string) =>
    access(file, constants.X_OK).then(
        () => true,
        () => false,
    );
