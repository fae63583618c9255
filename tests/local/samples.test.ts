import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ClientSecretCredential } from "@azure/identity";
import * as sdk from "@azure/keyvault-keys";
import ts from "typescript";
import { startCloud, type Cloud } from "../../local/cloud";
import { createVault, operatorCredential } from "./operator";

jest.setTimeout(60_000);

let folder: string;
let cloud: Cloud;
let ca: string;
let credential: ClientSecretCredential;
beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "samples-"));
    cloud = await startCloud({ folder, stack: "dev" });
    ca = await readFile(cloud.description.caFile, "utf8");
    credential = await operatorCredential(cloud.description);
});
afterAll(async () => {
    await cloud.close();
    await rm(folder, { recursive: true });
});

/** What differs from Azure for a client: the vault's address, the CA and who signs in. */
const options = () => ({
    disableChallengeResourceVerification: true,
    tlsOptions: { ca },
});

/** The code blocks of the SDK's README and of its doc comments, by name: `ReadmeSampleCreateKey`. */
function documentedSamples(): Map<string, string> {
    const documentation = join(dirname(require.resolve("@azure/keyvault-keys")), "..", "..");
    const declarations = join(documentation, "dist", "commonjs");
    const comments = readdirSync(declarations)
        .filter((file) => file.endsWith(".d.ts"))
        .map((file) => readFileSync(join(declarations, file), "utf8"))
        .map((text) => text.replaceAll(/^ *\* ?/gm, ""));
    const texts = [readFileSync(join(documentation, "README.md"), "utf8"), ...comments];
    const blocks = texts.flatMap((text) => [
        ...text.matchAll(/^```ts snippet:(\w+)\n(.*?)^```/gms),
    ]);
    return new Map(
        blocks.map(([, name = "", code = ""]): [string, string] => [name, code]).reverse(),
    );
}

const samples = documentedSamples();

const AsyncFunction = (async () => {}).constructor as new (
    ...parametersAndBody: string[]
) => (...args: unknown[]) => Promise<void>;

/** Runs a sample as it is printed, against this vault; gives what it wrote to the console. */
async function run(name: string, vaultUri: string): Promise<unknown[][]> {
    class KeyClient extends sdk.KeyClient {
        constructor(_url: string, _credential: unknown, more?: sdk.KeyClientOptions) {
            super(vaultUri, credential, { ...more, ...options() });
        }
    }
    class CryptographyClient extends sdk.CryptographyClient {
        constructor(...[key]: [sdk.KeyVaultKey]) {
            super(key, credential, options());
        }
    }
    const modules: Record<string, unknown> = {
        "@azure/identity": { DefaultAzureCredential: class {} },
        "@azure/keyvault-keys": { ...sdk, KeyClient, CryptographyClient },
        "node:crypto": { createHash },
    };
    const { outputText } = ts.transpileModule(samples.get(name) ?? "", {
        compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
    });
    const output: unknown[][] = [];
    await new AsyncFunction("require", "exports", "console", "setTimeout", outputText)(
        (module: string) => modules[module],
        {},
        { log: (...args: unknown[]) => output.push(args) },
        // A sample that waits between two polls needn't.
        (callback: () => void) => setImmediate(callback),
    );
    return output;
}

let vaults = 0;
/** A new vault and a client for it, with the keys that the samples take for granted. */
async function vaultForSamples() {
    const uri = await createVault(cloud.description, `samples-${++vaults}`);
    const client = new sdk.KeyClient(uri, credential, options());
    await client.createEcKey("MyKeyName", { curve: "P-256" });
    return { uri, client };
}

async function deleteKey(client: sdk.KeyClient) {
    await (await client.beginDeleteKey("MyKeyName", { intervalInMs: 1 })).pollUntilDone();
}

async function names(keys: AsyncIterable<{ name: string }>): Promise<string[]> {
    const found = [];
    for await (const { name } of keys) found.push(name);
    return found;
}

/** What has to be so after a sample ran. Samples that only read are judged by what they wrote. */
const outcomes: Record<
    string,
    (client: sdk.KeyClient, output: unknown[][]) => Promise<void> | void
> = {
    ReadmeSampleCreateKey: (_client, output) =>
        expect(output).toMatchObject([["result: ", { name: "MyKeyName", keyType: "RSA" }]]),
    ReadmeSampleCreateEcKey: (_client, output) =>
        expect(output).toMatchObject([["result: ", { keyType: "EC", key: { crv: "P-256" } }]]),
    ReadmeSampleCreateRsaKey: (_client, output) =>
        expect(output).toMatchObject([["result: ", { name: "MyKey", keyType: "RSA" }]]),
    ReadmeSampleCreateKeyWithAttributes: (_client, output) =>
        expect(output).toMatchObject([["result: ", { properties: { enabled: false } }]]),
    ReadmeSampleUpdateKeyProperties: async (client) =>
        expect((await client.getKey("MyKeyName")).properties.enabled).toBe(false),
    ReadmeSampleGetKey: (_client, output) => expect(output[0]?.[1]).toEqual(output[1]?.[1]),
    ReadmeSampleListKeys: (_client, output) =>
        expect(output.map(([label]) => label)).toEqual([
            "Key properties: ",
            "Version properties: ",
        ]),
    ReadmeSampleListKeysByPage: (_client, output) =>
        expect(output.map(([label]) => label)).toEqual(["Key properties: ", "Version: "]),
    ReadmeSampleDeleteKey: async (client) =>
        expect(await names(client.listDeletedKeys())).toEqual(["MyKeyName"]),
    ReadmeSampleGetDeletedKey: () => {},
    ReadmeSamplePurgeDeletedKey: async (client) =>
        expect(await names(client.listDeletedKeys())).toEqual([]),
    ReadmeSampleRecoverDeletedKey: async (client) =>
        expect(await names(client.listPropertiesOfKeys())).toEqual(["MyKeyName"]),
    ReadmeSampleDeleteKeyWait: (_client, output) =>
        expect(output).toMatchObject([
            [{ name: "MyKeyName", properties: { recoverableDays: 90 } }],
        ]),
    ReadmeSampleDeleteKeyWaitIndividually: (_client, output) =>
        expect(output).toEqual([["The key MyKeyName is fully deleted"]]),
    ReadmeSampleKeyRotation: async (client) => {
        const policy = await client.getKeyRotationPolicy("MyKeyName");
        expect(policy.expiresIn).toBe("P90D");
        expect(policy.lifetimeActions).toContainEqual(
            expect.objectContaining({ action: "Rotate", timeBeforeExpiry: "P30D" }),
        );
        const { createdOn, expiresOn } = (await client.getKey("MyKeyName")).properties;
        expect(Number(expiresOn) - Number(createdOn)).toBe(90 * 86_400_000);
        expect(await names(client.listPropertiesOfKeyVersions("MyKeyName"))).toHaveLength(2);
    },
    ReadmeSampleGetKeyRotationPolicy: () => {},
    ReadmeSampleUpdateKeyRotationPolicy: () => {},
    ReadmeSampleBackupKey: () => {},
    ReadmeSampleCreateClient: () => {},
    ReadmeSampleCreateClientWithVersion: () => {},
    ReadmeSampleGetCryptographyClient: () => {},
    ReadmeSampleCreateCryptographyClient: () => {},
    ReadmeSampleCreateCryptographyClientLocal: () => {},
    ReadmeSampleEncrypt: (_client, [line]) => expect(line?.[1]).toHaveLength(256),
    ReadmeSampleDecrypt: (_client, output) =>
        expect(output[1]).toEqual(["decrypt result: ", "My Message"]),
    ReadmeSampleSign: (_client, output) => expect(output[1]?.[1]).toHaveLength(256),
    ReadmeSampleSignData: (_client, output) => expect(output[0]?.[1]).toHaveLength(256),
    ReadmeSampleVerify: (_client, output) => expect(output[1]).toEqual(["verify result: ", true]),
    ReadmeSampleVerifyData: (_client, output) =>
        expect(output[1]).toEqual(["verify result: ", true]),
    ReadmeSampleWrapKey: (_client, output) => expect(output[0]?.[1]).toHaveLength(256),
    ReadmeSampleUnwrapKey: (_client, output) =>
        expect(output[1]).toEqual(["unwrap result: ", Buffer.from("My Key")]),
};

/**
 * Samples that a vault of Azure refuses too: only Managed HSM does these, the printed key is none, a key that was just
 * recovered is purged, a backup is restored beside its own key.
 */
const refused: Record<string, number> = {
    ReadmeSampleCreateOctKey: 400,
    ReadmeSampleGetKeyAttestation: 400,
    ReadmeSampleGetRandomBytes: 404,
    ReadmeSampleImportKey: 400,
    ReadmeSampleReleaseKey: 404,
    ReadmeSampleDeleteKeySoftDelete: 404,
    ReadmeSampleRestoreKeyBackup: 409,
};

test.each(Object.entries(outcomes))("the SDK's %s", async (name, outcome) => {
    const { uri, client } = await vaultForSamples();
    if (name === "ReadmeSampleGetDeletedKey") await deleteKey(client);
    await outcome(client, await run(name, uri));
});

test.each(Object.entries(refused))("the SDK's %s is refused", async (name, statusCode) => {
    const { uri } = await vaultForSamples();
    await expect(run(name, uri)).rejects.toMatchObject({ name: "RestError", statusCode });
});

test("every documented sample is tried", () => {
    const documented = [...samples.keys()].filter((name) => name.startsWith("ReadmeSample"));
    expect(documented.length).toBeGreaterThan(30);
    expect([...Object.keys(outcomes), ...Object.keys(refused)].sort()).toEqual(documented.sort());
});

test("a backup brings a purged key back, with all its versions", async () => {
    const { client } = await vaultForSamples();
    await client.createEcKey("MyKeyName");
    const before = await client.getKey("MyKeyName");
    const backup = await client.backupKey("MyKeyName");
    await deleteKey(client);
    await client.purgeDeletedKey("MyKeyName");

    const restored = await client.restoreKeyBackup(backup!);
    expect(restored.id).toBe(before.id);
    expect(restored.key).toEqual(before.key);
    expect(await names(client.listPropertiesOfKeyVersions("MyKeyName"))).toHaveLength(2);
});

describe("every algorithm", () => {
    let client: sdk.KeyClient;
    beforeAll(async () => {
        client = (await vaultForSamples()).client;
        await client.createRsaKey("rsa");
        for (const curve of ["P-256", "P-256K", "P-384", "P-521"] as const)
            await client.createEcKey(curve, { curve });
    });
    const cryptography = async (name: string) =>
        new sdk.CryptographyClient(await client.getKey(name), credential, options());

    test.each(["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"] as const)(
        "%s encrypts and wraps",
        async (algorithm) => {
            const rsa = await cryptography("rsa");
            const plaintext = randomBytes(32);
            const encrypted = await rsa.encrypt({ algorithm, plaintext });
            const { result } = await rsa.decrypt({ algorithm, ciphertext: encrypted.result });
            expect(Buffer.from(result)).toEqual(plaintext);
            const wrapped = await rsa.wrapKey(algorithm, plaintext);
            const unwrapped = await rsa.unwrapKey(algorithm, wrapped.result);
            expect(Buffer.from(unwrapped.result)).toEqual(plaintext);
        },
    );

    test.each([
        ["RS256", "rsa"],
        ["RS384", "rsa"],
        ["RS512", "rsa"],
        ["PS256", "rsa"],
        ["PS384", "rsa"],
        ["PS512", "rsa"],
        ["ES256", "P-256"],
        ["ES256K", "P-256K"],
        ["ES384", "P-384"],
        ["ES512", "P-521"],
    ] as const)("%s signs and verifies", async (algorithm, key) => {
        const signer = await cryptography(key);
        const data = randomBytes(100);
        const digest = createHash(`sha${/\d+/.exec(algorithm)?.[0]}`)
            .update(data)
            .digest();
        const { result } = await signer.sign(algorithm, digest);
        expect((await signer.verify(algorithm, digest, result)).result).toBe(true);
        // The SDK verifies data by itself, and takes PS256 for RS256 then.
        if (!algorithm.startsWith("PS"))
            expect((await signer.verifyData(algorithm, data, result)).result).toBe(true);
        result[5]! ^= 1;
        expect((await signer.verify(algorithm, digest, result)).result).toBe(false);
    });
});
