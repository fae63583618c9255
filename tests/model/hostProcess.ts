import { AsyncLocalStorage } from "node:async_hooks";
import { readdirSync } from "node:fs";
import https from "node:https";
import { basename } from "node:path";
import { PassThrough } from "node:stream";
import type * as DistributedKey from "../../providers/distributedKey";
import type * as ManagedKey from "../../providers/managedKey";
import type { Kill } from "./stack";

export type Providers = typeof ManagedKey & { distributedKey: typeof DistributedKey.provider };

interface ProcessOptions {
    kill?: Kill;
    /** Called before each import. */
    beforeImport: () => void;
}

/** What is loaded once: others' code, and keys/, which is pure. What could keep something from one run to the next is loaded anew. */
const kept = [
    ...readdirSync("keys")
        .filter((name) => name.endsWith(".ts"))
        .map((name) => `../../keys/${basename(name, ".ts")}`),
    "@azure/core-rest-pipeline",
    "@azure/identity",
    "@azure/keyvault-keys",
    "@pulumi/pulumi",
    "jose",
    "luxon",
    "p-throttle",
    "zod",
];

const processes = new AsyncLocalStorage<HostProcess>();
let restore: (() => void) | undefined;

/**
 * A process that hosts the providers in one run of the engine. It remembers nothing of the run before, and can be killed at one of its requests:
 * then none of its promises is ever settled.
 */
export class HostProcess {
    readonly requests: string[] = [];
    private count = { requests: 0, changes: 0 };
    private dead = false;
    private die!: () => void;
    private readonly died = new Promise<"killed">((resolve) => {
        this.die = () => {
            this.dead = true;
            resolve("killed");
        };
    });

    constructor(private readonly options: ProcessOptions) {}

    /** @returns what `act` does, unless this is killed before */
    async run<T>(act: (providers: Providers) => Promise<T>): Promise<T | "killed"> {
        return processes.run(this, () => Promise.race([freshProviders().then(act), this.died]));
    }

    get isDead(): boolean {
        return this.dead;
    }

    send(request: typeof https.request, args: unknown[]) {
        const call = request as unknown as (...given: unknown[]) => PassThrough;
        if (this.dead) {
            return new PassThrough();
        }
        const { method, path } = args[0] as { method: string; path: string };
        const url = path.split("?", 1)[0]!;
        const isImport = method === "PUT" && url.startsWith("/keys/");
        if (isImport) {
            this.options.beforeImport();
        }
        const isKey = url.startsWith("/keys") || url.startsWith("/deletedkeys");
        if (isKey) {
            this.requests.push(`${method} ${url}`);
        }
        const { kill } = this.options;
        this.count.requests++;
        this.count.changes += isKey && method !== "GET" ? 1 : 0;
        const counts = kill?.of === "requests" || (isKey && method !== "GET");
        if (!kill || !counts || this.count[kill.of] !== kill.at) {
            return call(...args);
        }
        if (!kill.landed) {
            this.die();
            return new PassThrough();
        }
        // Its effect takes place, and nobody hears of it.
        const last = call(args[0], () => this.die());
        last.on("error", () => this.die());
        return last;
    }
}

/** Lets the requests of host processes be counted and killed, and shortens their waits. */
export function watchProcesses(): void {
    const request = https.request.bind(https);
    const spied = jest
        .spyOn(https, "request")
        .mockImplementation(
            ((...args: unknown[]) =>
                processes.getStore()?.send(request, args) ??
                (request as (...given: unknown[]) => unknown)(...args)) as typeof https.request,
        );
    const wait = globalThis.setTimeout;
    // The waits between tries, which change nothing but how long it takes.
    globalThis.setTimeout = ((act: () => void, milliseconds = 0, ...given: unknown[]) =>
        wait(
            act,
            processes.getStore() ? milliseconds / 500 : milliseconds,
            ...(given as []),
        )) as typeof setTimeout;
    restore = () => {
        spied.mockRestore();
        globalThis.setTimeout = wait;
    };
}

export function unwatchProcesses(): void {
    restore?.();
}

async function freshProviders(): Promise<Providers> {
    const loaded = new Map(kept.map((name) => [name, jest.requireActual<object>(name)]));
    let providers: Providers | undefined;
    await jest.isolateModulesAsync(() => {
        for (const [name, actual] of loaded) {
            jest.doMock(name, () => actual);
        }
        providers = {
            ...jest.requireActual<typeof ManagedKey>("../../providers/managedKey"),
            distributedKey: jest.requireActual<typeof DistributedKey>(
                "../../providers/distributedKey",
            ).provider,
        };
        return Promise.resolve();
    });
    return providers!;
}
