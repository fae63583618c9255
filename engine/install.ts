import semver from "semver";
import type { Progress } from "./engine";
import { pinnedVersion } from "./pin";

const site = "https://get.pulumi.com/install.sh";
const reachable = 5_000;
const installed = 10 * 60_000;

/** Pulumi's own installer, as the Automation API runs it. */
export async function installEngine(folder: string, progress: Progress): Promise<void> {
    const version = semver.parse(pinnedVersion())!;
    // The installer itself waits up to 2 minutes for a site that doesn't answer.
    await fetch(site, { method: "HEAD", signal: AbortSignal.timeout(reachable) }).catch(() => {
        throw new Error(`${new URL(site).origin} can't be reached`);
    });
    progress(`Installing Pulumi ${version.version} with Pulumi's installer ...`);
    // Loaded here: it takes most of a second, and is rarely needed.
    const { PulumiCommand } = await import("@pulumi/pulumi/automation/index.js");
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("not done after 10 minutes")), installed);
    });
    await Promise.race([PulumiCommand.install({ version, root: folder }), late]).finally(() =>
        clearTimeout(timer),
    );
}
