import { copyFileSync, existsSync, statSync } from "node:fs";
import type { Project } from "../e2e/project";
import type { Cloud } from "./cloud";
import type { Declared } from "./declared";
import type { Version } from "./oracle";
import type { Kill, Outcome, RunOptions, Stack } from "./stack";

/** A stack of the real engine. */
export class PulumiStack implements Stack {
    readonly name = "keymgmt/dev";

    constructor(
        private readonly project: Project,
        private readonly cloud: Cloud,
        private readonly vaults: readonly string[],
        private readonly now: () => number,
    ) {}

    async up(declared: Declared, { refresh, fault, kill }: RunOptions): Promise<Outcome> {
        const { project, cloud } = this;
        const asOf = this.now();
        project.config({
            asOf: new Date(asOf).toISOString(),
            vaults: Object.fromEntries(this.vaults.map((name) => [name, { sku: "premium" }])),
            keys: declared,
        });
        const before = project.requests().length;
        await (fault && cloud.inject(fault));
        const run = project.start([
            ...["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
            ...(refresh ? ["--refresh"] : []),
        ]);
        const killed = kill && (await this.killedAt(kill, before, run));
        const { code, output } = await run.ended;
        if (killed) {
            this.mendState();
            // A killed engine leaves its lock, if it got as far.
            await project.pulumi(["cancel", "--yes"]);
        }
        await (fault && cloud.mend());
        return {
            asOf,
            result: killed ? "killed" : code === 0 ? "done" : "failed",
            message: code === 0 || killed ? "" : output,
            requests: this.requestsSince(before),
            changes: output
                .split("\n")
                .filter((line) =>
                    /(Managed|Distributed)Key .* (created|updated|replaced|deleted)\b/.test(line),
                ),
        };
    }

    async keys(): Promise<Map<string, Version[]>> {
        const { resources = [] } = await this.project.state();
        const keys = resources.filter(({ type }) => type.endsWith(":ManagedKey"));
        return new Map(
            keys.map(({ outputs }) => {
                const { name, versions } = outputs as {
                    name: string;
                    versions: { createdAt: string; publicKey: string }[];
                };
                return [
                    name,
                    versions.map(({ createdAt, publicKey }) => ({
                        createdAt: Date.parse(createdAt),
                        publicKey,
                    })),
                ];
            }),
        );
    }

    /** Killed while it wrote the state, the engine leaves an empty file ("failed to load checkpoint: EOF"), and the state before it beside that. */
    private mendState(): void {
        const file = this.project.file(".local/state/.pulumi/stacks/keymgmt/dev.json");
        if (existsSync(file) && statSync(file).size === 0) {
            copyFileSync(`${file}.bak`, file);
        }
    }

    private requestsSince(before: number): string[] {
        return this.project
            .requests()
            .slice(before)
            .filter(({ plane }) => plane === "keyvault")
            .map(({ method, path }) => `${method} ${path}`);
    }

    /** @returns whether it was: it may have ended before it asked so much. */
    private async killedAt(
        { of, at }: Kill,
        before: number,
        run: ReturnType<Project["start"]>,
    ): Promise<boolean> {
        const count = () =>
            this.requestsSince(before).filter((each) => of === "requests" || !/^GET/.test(each))
                .length;
        const ended = new AbortController();
        void run.ended.then(() => ended.abort());
        try {
            await this.project.logged(() => count() >= at, ended.signal);
        } catch (error) {
            if (ended.signal.aborted) {
                return false;
            }
            throw error;
        }
        run.kill();
        return true;
    }
}
