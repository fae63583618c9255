import { execFile } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import semver from "semver";
import { version as sdkVersion } from "@pulumi/pulumi/package.json";
import type { Engine, Progress } from "./engine";

/** The user's own engine, if it is usable: of this SDK's version or newer, with its Node.js language host. */
export async function engineOnPath(
    env: NodeJS.ProcessEnv,
    progress: Progress,
): Promise<Engine | undefined> {
    const folders = (env.PATH ?? "").split(path.delimiter).filter((each) => path.isAbsolute(each));
    const pulumi = await findCommand("pulumi", folders);
    if (pulumi === undefined) return undefined;
    const binFolder = path.dirname(pulumi);
    const unusable = (why: string) => {
        progress(`${pulumi} isn't used: ${why}.`);
        return undefined;
    };
    if ((await findCommand("pulumi-language-nodejs", [binFolder, ...folders])) === undefined) {
        return unusable("it has no pulumi-language-nodejs beside it or on PATH");
    }
    const version = await versionOf(pulumi, env);
    if (version === null) return unusable("`pulumi version` doesn't tell a version");
    if (semver.major(version) !== semver.major(sdkVersion) || semver.lt(version, sdkVersion)) {
        return unusable(`version ${version} doesn't go with @pulumi/pulumi ${sdkVersion}`);
    }
    return { version, pulumi, binFolder };
}

async function versionOf(pulumi: string, env: NodeJS.ProcessEnv): Promise<string | null> {
    try {
        const { stdout } = await promisify(execFile)(pulumi, ["version"], {
            env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "true" },
            timeout: 30_000,
        });
        return semver.valid(stdout.trim());
    } catch {
        return null;
    }
}

async function findCommand(name: string, folders: readonly string[]): Promise<string | undefined> {
    for (const folder of folders) {
        const file = path.join(folder, name);
        try {
            await access(file, constants.X_OK);
            if ((await stat(file)).isFile()) return file;
        } catch {
            // Not in this folder.
        }
    }
    return undefined;
}
