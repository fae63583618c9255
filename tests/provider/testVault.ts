import { randomBytes } from "node:crypto";
import type { KeyType } from "../../keys/keyType";
import { generateKeyVersion, type KeyVersion } from "../../keys/keyVersion";
import { lifecycle, type LifecycleRules } from "../../keys/lifecycle";
import { parseSealKey, seal } from "../../keys/seal";
import { provider, type Inputs, type State } from "../../providers/distributedKey";
import { credentialBinding } from "../../providers/vaults";
import { TestAzure } from "./azure";

const sealText = randomBytes(32).toString("base64url");
export const sealKey = parseSealKey(sealText, "the test");

/** As the engine hands it on to the host, and back. */
const code = { __provider: "the code" };

/** A vault of a local Azure, and keys to distribute to it. */
export class TestVault {
    private constructor(
        readonly azure: TestAzure,
        readonly name: string,
        readonly uri: string,
        private readonly clientSecret: string,
    ) {}

    static async start(name: string): Promise<TestVault> {
        process.env.SEAL_OF_TEST = sealText;
        const azure = await TestAzure.start();
        const uri = await azure.createVault(name);
        return new TestVault(azure, name, uri, await sealedSecret(azure));
    }

    async close(): Promise<void> {
        await this.azure.close();
        delete process.env.SEAL_OF_TEST;
    }

    /**
     * A key of a name of its own, so that tests don't meet.
     * @param createdAt of each version
     */
    async newKey(
        name: string,
        type: KeyType = "ecdsa-p256",
        versions = 1,
        createdAt: (version: number) => string = () => new Date().toISOString(),
    ) {
        const make = (version: number) =>
            generateKeyVersion({ key: name, type, version }, sealKey, createdAt(version));
        const all: KeyVersion[] = [];
        for (let version = 1; version <= versions; version++) {
            all.push(await make(version));
        }
        return {
            versions: all,
            inputs: (changes: Partial<Inputs> = {}, rules: Partial<LifecycleRules> = {}) =>
                this.inputsOf(name, type, all, changes, rules),
            /** The same key with one version more. */
            rotated: async (changes: Partial<Inputs> = {}, rules: Partial<LifecycleRules> = {}) => {
                const next = await make(all.length + 1);
                return this.inputsOf(name, type, [...all, next], changes, rules);
            },
        };
    }

    /** The operations on one key, in order. */
    async operationsOn(key: string): Promise<string[]> {
        const entries = await this.azure.requests(this.name);
        return entries
            .filter((entry) => entry.key === key)
            .map(({ operation }) => operation ?? "?");
    }

    /** What an act asks of the vault for one key, in order. */
    async requestsOf(key: string, act: () => Promise<unknown>): Promise<string[]> {
        const before = (await this.operationsOn(key)).length;
        await act();
        return (await this.operationsOn(key)).slice(before);
    }

    /** Oldest first. */
    async versionsOf(name: string): Promise<string[]> {
        const found: { id: string; at: number }[] = [];
        for await (const version of this.azure
            .client(this.name)
            .listPropertiesOfKeyVersions(name)) {
            found.push({ id: version.version!, at: version.createdOn!.getTime() });
        }
        return found.sort((a, b) => a.at - b.at).map(({ id }) => id);
    }

    private async inputsOf(
        key: string,
        type: KeyType,
        versions: KeyVersion[],
        changes: Partial<Inputs>,
        rules: Partial<LifecycleRules>,
    ): Promise<Inputs> {
        const { tenantId, clientId } = this.azure.operator;
        const made = versions.map(({ version, createdAt }) => ({
            version,
            createdAt,
            reason: "the test",
            enabled: true,
        }));
        const allRules = { rotation: {}, minEnabledVersion: 0, disabledVersions: [], ...rules };
        const given = {
            ...code,
            key,
            type,
            version: versions.length,
            versions,
            lifecycle: lifecycle({ versions: made }, allRules, new Date().toISOString()),
            name: key,
            vault: { name: this.name, uri: this.uri, sku: "premium", environment: "local" },
            identity: { tenantId, clientId, clientSecret: this.clientSecret },
            purposes: ["sign"],
            protection: "software",
            tags: {},
            onDelete: "delete",
            stack: "shop/dev",
            deletionAllowed: false,
            seal: { location: "env:SEAL_OF_TEST", id: sealKey.id },
            ...changes,
        };
        const { inputs, failures } = await provider.check({}, given);
        expect(failures ?? []).toEqual([]);
        // As the host does.
        return { ...inputs!, ...code };
    }
}

export function sealedSecret(azure: TestAzure, secret = azure.operator.clientSecret) {
    return seal(sealKey, Buffer.from(secret), credentialBinding(azure.operator));
}

export async function create(inputs: Inputs): Promise<{ id: string; state: State }> {
    const { id, outs } = await provider.create(inputs);
    return { id, state: outs as State };
}

export async function update(id: string, state: State, inputs: Inputs): Promise<State> {
    return (await provider.update(id, state, inputs)).outs as State;
}

/** Undefined: the engine would forget it. */
export async function refresh(id: string, state: State): Promise<State | undefined> {
    return (await provider.read(id, state)).props as State | undefined;
}

/** What the engine would do. */
export async function changes(state: State, inputs: Inputs) {
    return (await provider.diff("id", state, inputs)).changes;
}
