import { isDeepStrictEqual } from "node:util";
import type { dynamic } from "@pulumi/pulumi";
import { foldName } from "../../kms/azureKeyVault/names";
import type { Provider } from "../../providers/dynamicResource";
import type { Inputs as DistributedKeyInputs } from "../../providers/distributedKey";
import type { State as KeyState } from "../../providers/managedKey";
import type { TestAzure } from "../provider/azure";
import { sealedSecret, sealKey } from "../provider/testVault";
import type { Cloud } from "./cloud";
import { type Declared, type DeclaredDistribution } from "./declared";
import { HostProcess, type Providers } from "./hostProcess";
import type { Version } from "./oracle";
import type { Outcome, RunOptions, Stack } from "./stack";

type Properties = Record<string, unknown>;
type Kind = "managedKey" | "distributedKey";

interface Resource {
    kind: Kind;
    name: string;
    id: string;
    inputs: Properties;
    outputs: Properties;
    /** Deleting and replacing it is refused. */
    protect: boolean;
    /** It was made or changed half-way: the next run updates it. */
    initErrors: boolean;
    /** Its replacement is there, and it is to go. */
    replaced: boolean;
}

/** What the engine hands on to the host with each call, and the host puts into each result. */
const code = { __provider: "the code" };
const seal = { location: "env:SEAL_OF_TEST", id: sealKey.id };

/**
 * A stack whose runs keep to the engine's contract for the two providers: check with the old inputs, diff with the old outputs, then
 * create, update, replace (the new one first) or nothing; what isn't declared any more goes last, copies before keys; the state is written after each step, also
 * after one that failed half-way. One resource after the other, so that a sequence does the same each time.
 */
export class ProviderStack implements Stack {
    readonly name = "model/dev";
    private resources: Resource[] = [];
    private vaults = new Map<string, { uri: string; createdAt: string }>();

    constructor(
        private readonly azure: TestAzure,
        private readonly cloud: Cloud,
        private readonly vaultNames: readonly string[],
        private readonly passSecond: () => void,
    ) {}

    async up(declared: Declared, options: RunOptions): Promise<Outcome> {
        const { kill, slow, refresh, fault } = options;
        const asOf = Date.now();
        const process = new HostProcess({
            kill,
            beforeImport: () => (slow ? this.passSecond() : undefined),
        });
        const identity = await this.identity();
        const changes: string[] = [];
        const step = async (providers: Providers) => {
            const run = new Run(this.resources, providers, (state, change) => {
                if (!process.isDead) {
                    this.resources = state;
                    changes.push(...(change ? [change] : []));
                }
            });
            if (refresh) {
                await run.refresh();
            }
            for (const key of Object.keys(declared)) {
                await this.declareKey(run, key, declared, asOf);
            }
            for (const [key, { distribute }] of Object.entries(declared)) {
                for (const distribution of distribute) {
                    await this.declareCopy(run, key, declared, distribution, identity);
                }
            }
            await run.deleteOthers();
        };
        await this.makeVaults(refresh);
        await (fault && this.cloud.inject(fault));
        let outcome: Pick<Outcome, "result" | "message">;
        try {
            const result = (await process.run(step)) === "killed" ? "killed" : "done";
            outcome = { result, message: "" };
        } catch (error) {
            outcome = { result: "failed", message: (error as Error).message };
        }
        await (fault && this.cloud.mend());
        return { ...outcome, asOf, requests: process.requests, changes };
    }

    keys(): Promise<Map<string, Version[]>> {
        const keys = this.resources.filter(({ kind }) => kind === "managedKey");
        return Promise.resolve(
            new Map(
                keys.map(({ name, outputs }) => [
                    name,
                    (outputs as unknown as KeyState).versions.map(({ createdAt, publicKey }) => ({
                        createdAt: Date.parse(createdAt),
                        publicKey,
                    })),
                ]),
            ),
        );
    }

    /** What azure-native does: a refresh misses a vault that is gone, and the program makes it anew. */
    private async makeVaults(refresh: boolean): Promise<void> {
        for (const name of this.vaultNames) {
            const there = this.azure.description.vaults[name];
            if (!this.vaults.has(name) || (refresh && there === undefined)) {
                const uri = there ?? (await this.azure.createVault(name));
                this.vaults.set(name, { uri, createdAt: new Date().toISOString() });
            }
        }
    }

    private async identity() {
        const { tenantId, clientId } = this.azure.operator;
        return { tenantId, clientId, clientSecret: await sealedSecret(this.azure) };
    }

    private declareKey(run: Run, name: string, declared: Declared, asOf: number) {
        const { distribute: _distribute, ...key } = declared[name]!;
        const inputs = {
            minEnabledVersion: 0,
            disabledVersions: [],
            ...key,
            name,
            seal,
            asOf: new Date(asOf).toISOString(),
        };
        return run.declare("managedKey", [name], inputs, !key.deletionAllowed);
    }

    private async declareCopy(
        run: Run,
        key: string,
        declared: Declared,
        { vault, purpose, name = key, ...distribution }: DeclaredDistribution,
        identity: DistributedKeyInputs["identity"],
    ) {
        const { type, deletionAllowed, distribute } = declared[key]!;
        const { version, versions, lifecycle, rotation } = run.outputs(
            "managedKey",
            key,
        ) as unknown as KeyState;
        const inputs = {
            tags: {},
            onDelete: "delete",
            ...distribution,
            key,
            type,
            version,
            versions,
            lifecycle,
            notifyBefore: rotation.notifyBefore,
            deletionAllowed,
            seal,
            name,
            vault: {
                name: vault,
                ...this.vaults.get(vault),
                sku: "premium",
                environment: "local",
            },
            identity,
            purposes: purpose,
            stack: this.name,
        };
        // As a key ring names them.
        const named = `${key}@${vault}${foldName(name) === foldName(key) ? "" : `/${foldName(name)}`}`;
        const alone = distribute.filter((each) => each.vault === vault).length === 1;
        await run.declare(
            "distributedKey",
            alone ? [`${key}@${vault}`, named] : [named],
            inputs,
            false,
        );
    }
}

/** One run, from the state of the one before. */
class Run {
    private readonly declared = new Set<Resource>();

    constructor(
        private resources: readonly Resource[],
        private readonly providers: Providers,
        private readonly persist: (state: Resource[], change?: string) => void,
    ) {}

    outputs(kind: Kind, name: string): Properties {
        return this.find(kind, name)!.outputs;
    }

    async refresh(): Promise<void> {
        for (const resource of this.resources) {
            const { kind, id, outputs } = resource;
            const read = await this.provider(kind).read(id, copyOf(outputs));
            const found = read.id && { ...copyOf(read.props as Properties), ...code };
            const same = found && isDeepStrictEqual(found, outputs);
            this.replace(
                resource,
                found ? [{ ...resource, outputs: found, initErrors: false }] : [],
                same ? undefined : `refresh ${resource.name}`,
            );
        }
    }

    /** @param names the resource's name, and those that it may have had before */
    async declare(kind: Kind, names: string[], given: object, protect: boolean): Promise<void> {
        const [name] = names as [string];
        const provider = this.provider(kind);
        const old = names.map((each) => this.find(kind, each)).find((each) => each !== undefined);
        const news = { ...copyOf(given as Properties), ...code };
        const checked = await provider.check(copyOf(old?.inputs ?? {}), news);
        if (checked.failures?.length) {
            throw new Error(`check: ${checked.failures.map(({ reason }) => reason).join("; ")}`);
        }
        const inputs = { ...copyOf(checked.inputs as Properties), ...code };
        const next = { kind, name, inputs, protect, initErrors: false, replaced: false };
        if (!old) {
            await this.create(next);
            return;
        }
        const { id, outputs } = old;
        const diff = await provider.diff(id, copyOf(outputs), copyOf(inputs));
        if (diff.replaces?.length) {
            if (old.protect) {
                throw new Error(`${name} is protected, so it can't be replaced`);
            }
            await this.create(next, old);
            return;
        }
        const changes = diff.changes ?? !isDeepStrictEqual(inputs, old.inputs);
        if (!changes && !old.initErrors) {
            this.put(old, { ...next, id, outputs });
            return;
        }
        await this.carryOut(
            `update ${name}`,
            async () => {
                const { outs } = await provider.update(id, copyOf(outputs), copyOf(inputs));
                return { id, outs };
            },
            (made) => this.put(old, { ...next, ...made }, `update ${name}`),
        );
    }

    /** What isn't declared any more, copies before the keys that they are of. */
    async deleteOthers(): Promise<void> {
        const others = this.resources.filter((each) => !this.declared.has(each));
        const order: Kind[] = ["distributedKey", "managedKey"];
        for (const resource of order.flatMap((kind) => others.filter((one) => one.kind === kind))) {
            const { kind, name, id, outputs, protect, replaced } = resource;
            if (protect && !replaced) {
                throw new Error(`${name} is protected, so it can't be deleted`);
            }
            await this.provider(kind).delete(id, copyOf(outputs));
            this.replace(resource, [], `delete ${name}`);
        }
    }

    private create(next: Omit<Resource, "id" | "outputs">, old?: Resource): Promise<void> {
        const { kind, name, inputs } = next;
        const what = `${old ? "replace" : "create"} ${name}`;
        return this.carryOut(
            what,
            () => this.provider(kind).create(copyOf(inputs)),
            (made) => {
                this.put(undefined, { ...next, ...made }, what);
                if (old) {
                    this.replace(old, [{ ...old, replaced: true }]);
                }
            },
        );
    }

    /** A step that fails half-way leaves what was done, and so that it is gone on with. */
    private async carryOut(
        what: string,
        act: () => Promise<{ id: string; outs?: unknown }>,
        put: (made: Pick<Resource, "id" | "outputs" | "initErrors">) => void,
    ): Promise<void> {
        try {
            const { id, outs } = await act();
            put({ id, outputs: { ...copyOf(outs as Properties), ...code }, initErrors: false });
        } catch (error) {
            const { id, properties } = error as { id?: string; properties?: Properties };
            if (id !== undefined && properties) {
                put({ id, outputs: copyOf(properties), initErrors: true });
            }
            throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
        }
    }

    private put(old: Resource | undefined, resource: Resource, change?: string): void {
        this.declared.add(resource);
        this.replace(old, [resource], change);
    }

    private replace(old: Resource | undefined, by: readonly Resource[], change?: string): void {
        this.resources = old
            ? this.resources.flatMap((each) => (each === old ? by : [each]))
            : [...this.resources, ...by];
        this.persist([...this.resources], change);
    }

    private find(kind: Kind, name: string): Resource | undefined {
        return this.resources.find(
            (each) => each.kind === kind && each.name === name && !each.replaced,
        );
    }

    private provider(kind: Kind): Provider<Properties, Properties> & dynamic.ResourceProvider {
        const { provider, distributedKey } = this.providers;
        return (kind === "managedKey" ? provider : distributedKey) as unknown as Provider<
            Properties,
            Properties
        > &
            dynamic.ResourceProvider;
    }
}

/** Only JSON comes through. */
function copyOf(properties: Properties): Properties {
    return JSON.parse(JSON.stringify(properties)) as Properties;
}
