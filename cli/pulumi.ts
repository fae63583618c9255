import { execFile, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import os from "node:os";
import { promisify } from "node:util";
import { type Engine, ensureEngine, withEngine } from "../engine/engine";
import { isUpdate, needsCloud, readArguments } from "./arguments";
import {
    backendFolder,
    cloudEnvironment,
    continuingEnvironment,
    localEnvironment,
    realEnvironment,
} from "./environment";
import { startAzure } from "./localAzure";
import { sealKey } from "./sealKey";
import { readStack, type Stack } from "./stack";
import { mendState, stackExists } from "./state";

type Environment = NodeJS.ProcessEnv;

/** Standard output is Pulumi's alone. */
export const progress = (line: string) => console.error(line);

/** Plain Pulumi, in the environment of the stack that the arguments mean. Returns the exit code. */
export async function pulumi(root: string, args: string[], env: Environment): Promise<number> {
    const meaning = readArguments(args);
    const [command, subcommand] = meaning.words;
    if (command === "stack" && subcommand === "select" && !meaning.help) {
        throw new Error(
            "keymgmt doesn't use Pulumi's selected stack, so there is no `stack select`: name the stack in each command with --stack NAME, or set PULUMI_STACK. Without both it is dev.",
        );
    }
    const stack = readStack(root, meaning.stack ?? env.PULUMI_STACK?.split("/").at(-1) ?? "dev");
    const engine = await ensureEngine(progress, env);
    const cloud = needsCloud(meaning);
    const stackEnv = await stackEnvironment(stack, cloud, env);
    if (cloud && stack.name === "dev") await createStack(stack, engine, stackEnv);
    const runEnv = isUpdate(meaning) ? continuingEnvironment(stackEnv) : stackEnv;
    return runPulumi(root, engine, args, runEnv);
}

/** Makes a local stack that is only a config file yet. */
export async function createStack(stack: Stack, engine: Engine, env: Environment): Promise<void> {
    if (!stack.local || stackExists(stack)) return;
    await pulumiOutput(stack.root, engine, ["stack", "init", stack.name, "--no-select"], env);
    progress(`Created stack ${stack.name}.`);
}

/** Starts the stack's local Azure if the command needs it. */
export async function stackEnvironment(
    stack: Stack,
    cloud: boolean,
    env: Environment,
): Promise<Environment> {
    if (!stack.local) return realEnvironment(stack, env);
    await mkdir(backendFolder(stack.root), { recursive: true });
    if (mendState(stack)) {
        progress(
            `The state of stack ${stack.name} was empty, as a killed run leaves it: the one before its last step is put back.`,
        );
    }
    const local = localEnvironment(stack, env);
    if (!cloud) return local;
    const seal = stack.sealFromEnvironment ? { KEYMGMT_SEAL_KEY: await sealKey(stack, env) } : {};
    return { ...cloudEnvironment(await startAzure(stack, progress), local), ...seal };
}

export async function runPulumi(
    root: string,
    engine: Engine,
    args: readonly string[],
    env: Environment,
): Promise<number> {
    const forward = (signal: NodeJS.Signals) => {
        // Ctrl-C at a terminal reaches the child by itself, and a second SIGINT makes Pulumi drop everything.
        if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    // Before the child is there: a signal in between would end us and leave it alone.
    for (const signal of signals) process.on(signal, forward);
    const child = spawn(engine.pulumi, args, {
        cwd: root,
        env: withEngine(engine, env),
        stdio: "inherit",
    });
    try {
        return await new Promise<number>((resolve, reject) => {
            child.on("error", reject);
            child.on("close", (code, signal) =>
                resolve(code ?? 128 + (signal ? os.constants.signals[signal] : 0)),
            );
        });
    } finally {
        for (const signal of signals) process.off(signal, forward);
    }
}

export async function pulumiOutput(
    root: string,
    engine: Engine,
    args: readonly string[],
    env: Environment,
): Promise<string> {
    const { stdout } = await promisify(execFile)(engine.pulumi, args, {
        cwd: root,
        env: withEngine(engine, env),
        maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
}
