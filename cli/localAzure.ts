import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, open, readFile } from "node:fs/promises";
import https from "node:https";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Stack } from "./stack";

/** How to reach a stack's local Azure: the part of its azure.json that is needed here. */
const azureFile = z.object({
    authorityHost: z.url(),
    resourceManager: z.url(),
    tenantId: z.string(),
    caFile: z.string(),
    providers: z.string(),
    pid: z.int().positive(),
});

export type Azure = z.infer<typeof azureFile>;

const poll = 100;
const startLimit = 60_000;
const stopLimit = 10_000;
/** Another command may be starting the same local Azure; ours is refused then, and theirs is soon there. */
const otherStarterLimit = 3_000;

/** The stack's local Azure, if it runs. A file that a killed one left is ignored. */
export async function runningAzure(folder: string): Promise<Azure | undefined> {
    const azure = readAzureFile(path.join(folder, "azure.json"));
    if (azure === undefined || !isAlive(azure.pid)) return undefined;
    return (await healthyPid(azure)) === azure.pid ? azure : undefined;
}

function readAzureFile(file: string): Azure | undefined {
    try {
        return azureFile.parse(JSON.parse(readFileSync(file, "utf8")));
    } catch {
        return undefined;
    }
}

export async function startAzure(stack: Stack, progress: (line: string) => void): Promise<Azure> {
    const running = await runningAzure(stack.folder);
    if (running) return running;
    progress(`Starting the local Azure of stack ${stack.name} ...`);
    await mkdir(stack.folder, { recursive: true });
    const log = path.join(stack.folder, "azure.log");
    const output = await open(log, "a", 0o600);
    const logStart = (await output.stat()).size;
    const child = spawn(
        process.execPath,
        ["local/start.mjs", "--folder", stack.folder, "--stack", stack.name],
        { cwd: stack.root, detached: true, stdio: ["ignore", output.fd, output.fd] },
    );
    const exited = new Promise<void>((resolve) => {
        child.once("exit", () => resolve());
        child.once("error", () => resolve());
    });
    await output.close();
    child.unref();

    let deadline = Date.now() + startLimit;
    void exited.then(() => (deadline = Math.min(deadline, Date.now() + otherStarterLimit)));
    while (Date.now() < deadline) {
        await delay(poll);
        const azure = await runningAzure(stack.folder);
        if (azure) return azure;
    }
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (!ended) child.kill();
    const lines = (await readFile(log))
        .subarray(logStart)
        .toString()
        .trimEnd()
        .split("\n")
        .slice(-15);
    throw new Error(
        [
            `The local Azure of stack ${stack.name} ${ended ? "didn't start" : `wasn't ready after ${startLimit / 1000} s`}. The end of ${log}:`,
            ...lines.map((line) => `  ${line}`),
        ].join("\n"),
    );
}

/** Returns whether there was one to stop. */
export async function stopAzure(folder: string): Promise<boolean> {
    const azure = await runningAzure(folder);
    if (azure === undefined) return false;
    process.kill(azure.pid, "SIGTERM");
    const deadline = Date.now() + stopLimit;
    while (isAlive(azure.pid)) {
        if (Date.now() > deadline) {
            throw new Error(
                `The local Azure (process ${azure.pid}) didn't stop within ${stopLimit / 1000} s, so nothing was removed. End it with \`kill -KILL ${azure.pid}\` and try again.`,
            );
        }
        await delay(poll);
    }
    return true;
}

function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
        return true;
    } catch {
        return false;
    }
}

/** The process id that answers at this address: a port, like a process id, may have got a new owner. */
function healthyPid({ authorityHost, caFile }: Azure): Promise<number | undefined> {
    if (!existsSync(caFile)) return Promise.resolve(undefined);
    return new Promise((resolve) => {
        const nobody = () => resolve(undefined);
        const options = { ca: readFileSync(caFile), agent: false, timeout: 2_000 };
        const request = https.get(new URL("/health", authorityHost), options, (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("error", nobody);
            response.on("end", () => {
                try {
                    const health: unknown = JSON.parse(Buffer.concat(chunks).toString());
                    resolve(z.object({ pid: z.number() }).parse(health).pid);
                } catch {
                    nobody();
                }
            });
        });
        request.on("timeout", () => request.destroy());
        request.on("error", nobody);
    });
}
