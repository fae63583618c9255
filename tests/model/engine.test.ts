import { readFileSync } from "node:fs";
import { ClientSecretCredential } from "@azure/identity";
import * as fc from "fast-check";
import { Project } from "../e2e/project";
import { ecKeyPair, rsaKeyPair } from "../keyPair";
import { Cloud } from "./cloud";
import type { KeyType } from "./declared";
import { parametersOf, play } from "./play";
import { PulumiStack } from "./pulumiStack";
import { sequencesOfOneStack, type Sequence } from "./sequence";
import { together } from "./together";

/** Sequences in one stack: a run of the engine costs seconds, and hardly more for many keys. */
const sideBySide = 10;
const rounds = 3;
const vaults = ["model-0", "model-1", "model-2"];
const second = 1000;

const { MODEL_STACKS = "1" } = process.env;
jest.setTimeout(600_000 * Number(MODEL_STACKS));

async function playInStack(sequences: Sequence[]): Promise<void> {
    const project = new Project();
    // Rules are looked at as of a year that is over: the engine's own clock doesn't move.
    let now = Date.parse("2026-01-01T00:00:00Z");
    const cloud: Cloud = new Cloud(() => {
        const azure = project.azure();
        const ca = readFileSync(azure.caFile, "utf8");
        return {
            ...azure,
            ca,
            credential: () =>
                new ClientSecretCredential(
                    azure.tenantId,
                    azure.operator.clientId,
                    azure.operator.clientSecret,
                    {
                        authorityHost: azure.authorityHost,
                        disableInstanceDiscovery: true,
                        tlsOptions: { ca },
                    },
                ),
            loseVault: async (name) => {
                const id = (await project.outputs()).vaults[name]!.id;
                await cloud.manage("DELETE", id);
                const [subscription] = id.split("/resourceGroups/");
                await cloud.manage(
                    "POST",
                    `${subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/${name}/purge`,
                );
            },
        };
    });
    try {
        // The local Azure starts with the first run.
        project.config({ vaults: {}, keys: {} });
        await project.pulumi(["preview"]);
        const stack = new PulumiStack(project, cloud, vaults, () => now);
        const stacks = together(stack, sequences.length);
        await Promise.all(
            sequences.map((sequence, index) =>
                play(sequence, {
                    stack: stacks[index]!,
                    cloud,
                    prefix: `s${index}`,
                    vaults,
                    now: () => now,
                    pass: (milliseconds) => {
                        now += milliseconds;
                        return cloud.advance(second / 1000);
                    },
                    retention: Infinity,
                    privateKey,
                    renewExchangeKeys: () => Promise.resolve(),
                }),
            ),
        );
    } finally {
        await project.dispose();
    }
}

let given = 0;

function privateKey(type: KeyType): `env:${string}` {
    const name = `MODEL_KEY_${given++}`;
    const { privateKey: key } =
        type === "rsa-2048"
            ? rsaKeyPair(2048)
            : ecKeyPair(type === "ecdsa-p256" ? "P-256" : "P-384");
    process.env[name] = key.export({ format: "pem", type: "pkcs8" }) as string;
    return `env:${name}`;
}

test("whatever happens on the way, the last up of the real engine leaves every vault as declared", async () => {
    await fc.assert(
        fc.asyncProperty(sequencesOfOneStack(sideBySide, rounds), playInStack),
        // As it was found: to look for a shorter one would take hours.
        parametersOf("test:model:engine", { numRuns: Number(MODEL_STACKS), endOnFailure: true }),
    );
});
