import { execFile, spawn } from "node:child_process";
import { chmod, copyFile, mkdir } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import semver from "semver";
import type { Progress } from "./engine";
import type { PinnedModule } from "./pin";
import { goVersionNeeded, modules, pinnedVersion } from "./pin";

const reportEvery = 30_000;

/** Builds engine and language host from Pulumi's Go modules. */
export async function buildEngine(
    folder: string,
    progress: Progress,
    userEnv: NodeJS.ProcessEnv,
): Promise<void> {
    // No toolchain download, no workspace of the user's, no C compiler needed.
    const env = { ...userEnv, GOTOOLCHAIN: "local", GOWORK: "off", CGO_ENABLED: "0" };
    await checkGo(env);
    const bin = path.join(folder, "bin");
    await mkdir(bin, { recursive: true });
    progress(
        `Building the Pulumi engine ${pinnedVersion()} with Go. This is done once, and takes about 5 minutes ...`,
    );
    await goBuild(modules.pulumi, path.join(bin, "pulumi"), progress, env);
    await goBuild(modules.nodejs, path.join(bin, "pulumi-language-nodejs"), progress, env);
    // The engine warns when it finds this one on PATH instead of beside itself. The script looks up the SDK from
    // the program's folder, so one copy serves every checkout.
    const script = require.resolve("@pulumi/pulumi/pulumi-resource-pulumi-nodejs");
    await copyFile(script, path.join(bin, path.basename(script)));
    await chmod(path.join(bin, path.basename(script)), 0o755);
    progress("The Pulumi engine is built.");
}

async function checkGo(env: NodeJS.ProcessEnv): Promise<void> {
    const needed = goVersionNeeded(modules.pulumi);
    let found: string;
    try {
        // Not in the module's folder: an old Go stumbles over its go.mod.
        const { stdout } = await promisify(execFile)("go", ["env", "GOVERSION"], {
            env,
            cwd: os.tmpdir(),
        });
        found = stdout.trim();
    } catch (error) {
        const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
        throw new Error(
            missing ? "Go isn't installed" : `\`go env GOVERSION\` failed: ${String(error)}`,
            { cause: error },
        );
    }
    const version = semver.coerce(found);
    if (version === null || semver.lt(version, needed)) {
        throw new Error(
            `Go ${needed} or newer is needed, ${found || "an unknown version"} is installed`,
        );
    }
}

async function goBuild(
    module: PinnedModule,
    output: string,
    progress: Progress,
    env: NodeJS.ProcessEnv,
): Promise<void> {
    // Without the version the Automation API can't parse `pulumi version`, and calls with onEvent hang.
    const version = `github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${pinnedVersion(module)}`;
    const args = [
        "-v",
        "-mod=readonly",
        "-buildvcs=false",
        "-ldflags",
        `-X ${version}`,
        "-o",
        output,
    ];
    // "tool" stands for the one tool that go.mod declares.
    const go = spawn("go", ["build", ...args, "tool"], {
        cwd: module.folder,
        env,
        stdio: ["ignore", "ignore", "pipe"],
    });
    const started = Date.now();
    const counts = { packages: 0, downloads: 0 };
    const messages: string[] = [];
    const report = setInterval(() => {
        const minutes = ((Date.now() - started) / 60_000).toFixed(1);
        progress(
            `  ${path.basename(output)}: ${minutes} min, ${counts.downloads} modules downloaded, ${counts.packages} packages built`,
        );
    }, reportEvery);
    const ended = new Promise<number | null>((resolve, reject) => {
        go.on("error", reject);
        go.on("close", resolve);
    });
    try {
        for await (const line of createInterface({ input: go.stderr })) {
            if (line.startsWith("go: downloading ")) counts.downloads++;
            else if (/^[\w.~/-]+$/.test(line)) counts.packages++;
            else messages.push(line);
        }
        if ((await ended) !== 0) {
            throw new Error(
                `\`go build\` failed in ${module.folder}:\n${messages.slice(-15).join("\n")}`,
            );
        }
    } finally {
        clearInterval(report);
    }
}
