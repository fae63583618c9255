import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pinHash, pinnedVersion } from "./pin";

/** Outside the checkout, so that a second clone starts at once. By machine type: a home may be shared over a network. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
    // The XDG base directory specification: a relative path is to be ignored.
    const xdg = env.XDG_CACHE_HOME;
    const base = xdg && path.isAbsolute(xdg) ? xdg : path.join(env.HOME ?? os.homedir(), ".cache");
    const name = `${pinnedVersion()}-${pinHash()}-${process.platform}-${process.arch}`;
    return path.join(base, "keymgmt", "engine", name);
}

/**
 * Lets `make` fill a draft folder and moves it to its place when it is whole. Of two processes that do this at
 * once, the later one throws its own away.
 */
export async function publish(
    folder: string,
    make: (draft: string) => Promise<void>,
): Promise<void> {
    await mkdir(path.dirname(folder), { recursive: true });
    const draft = await mkdtemp(`${folder}.draft-`);
    try {
        await make(draft);
        await rename(draft, folder);
    } catch (error) {
        if (!isTaken(error)) throw error;
    } finally {
        await rm(draft, { recursive: true, force: true });
    }
}

const isTaken = (error: unknown) =>
    ["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "");
