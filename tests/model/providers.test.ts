import * as fc from "fast-check";
import { ecKeyPair, rsaKeyPair } from "../keyPair";
import { TestVault } from "../provider/testVault";
import { Cloud } from "./cloud";
import type { KeyType } from "./declared";
import { unwatchProcesses, watchProcesses } from "./hostProcess";
import { parametersOf, play } from "./play";
import { ProviderStack } from "./providerStack";
import { day } from "./oracle";
import { sequences, type Sequence } from "./sequence";
import { MovableTime } from "./time";

const { MODEL_RUNS = "300" } = process.env;
jest.setTimeout(60_000 + Number(MODEL_RUNS) * 10_000);

const shared = ["model-0", "model-1", "model-2"];
const time = new MovableTime();
const second = 1000;

let vault: TestVault;
let cloud: Cloud;
let count = 0;
let given = 0;

beforeAll(async () => {
    vault = await TestVault.start(shared[0]!);
    const { azure } = vault;
    for (const name of shared.slice(1)) {
        await azure.createVault(name);
    }
    cloud = new Cloud(() => ({
        ...azure.description,
        credential: () => azure.credential(),
        loseVault: (name) => azure.deleteVault(name),
    }));
    for (let index = 0; index < rsaKeys; index++) {
        process.env[`MODEL_RSA_${index}`] = pem(rsaKeyPair(2048));
    }
    await renewExchangeKeys(shared);
    watchProcesses();
});
afterAll(async () => {
    unwatchProcesses();
    await vault.close();
    time.restore();
});

// More than one key can get in a sequence, so that none gets the same one twice.
const rsaKeys = 8;

function pem({ privateKey }: ReturnType<typeof ecKeyPair>): string {
    return privateKey.export({ format: "pem", type: "pkcs8" }) as string;
}

function privateKey(type: KeyType): `env:${string}` {
    if (type === "rsa-2048") {
        return `env:MODEL_RSA_${given++ % rsaKeys}`;
    }
    const name = `MODEL_EC_${given++}`;
    process.env[name] = pem(ecKeyPair(type === "ecdsa-p256" ? "P-256" : "P-384"));
    return `env:${name}`;
}

/** A small one: the one that is made where there's none takes seconds. */
async function renewExchangeKeys(vaults: readonly string[]): Promise<void> {
    for (const name of vaults.filter((each) => cloud.isThere(each))) {
        const options = { keySize: 2048, keyOps: ["import" as const] };
        await cloud.keys(name).createKey("keymgmt-kek", "RSA-HSM", options);
    }
}

async function playHere(sequence: Sequence): Promise<void> {
    const prefix = `s${++count}`;
    const loses = sequence.rounds.some(({ acts }) => acts.some(({ act }) => act === "loseVault"));
    const vaults = loses ? shared.map((name) => `${name}-${prefix}`) : shared;
    const pass = (milliseconds: number) => time.pass(milliseconds);
    time.reset();
    cloud.forgetTokens();
    if (loses) {
        for (const name of vaults) {
            await vault.azure.createVault(name);
        }
        await (sequence.hsm ? renewExchangeKeys(vaults) : undefined);
    }
    await play(sequence, {
        stack: new ProviderStack(vault.azure, cloud, vaults, () => pass(second)),
        cloud,
        prefix,
        vaults,
        now: () => Date.now(),
        pass,
        retention: 90 * day,
        privateKey,
        renewExchangeKeys: () => renewExchangeKeys(vaults),
    });
    for (const name of loses ? vaults.filter((each) => cloud.isThere(each)) : []) {
        await vault.azure.deleteVault(name);
    }
}

test("whatever happens on the way, the last run leaves every vault as declared", async () => {
    await fc.assert(
        fc.asyncProperty(sequences(), playHere),
        parametersOf("test:model", { numRuns: Number(MODEL_RUNS) }),
    );
});
