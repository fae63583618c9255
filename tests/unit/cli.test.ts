import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { isUpdate, needsCloud, readArguments } from "../../cli/arguments";
import {
    cloudEnvironment,
    continuingEnvironment,
    localEnvironment,
    realEnvironment,
} from "../../cli/environment";
import { sealKey } from "../../cli/sealKey";
import { readStack } from "../../cli/stack";
import { mendState, removeState, stackExists } from "../../cli/state";
import { keyTable } from "../../cli/table";

const words = (line: string) => line.split(" ");

test.each([
    ["up", undefined],
    ["up -s prod", "prod"],
    ["up --stack prod", "prod"],
    ["--stack=prod up", "prod"],
    ["up -sprod", "prod"],
    ["up -s=prod", "prod"],
    ["up -ys prod", "prod"],
    ["up -s acme/keymgmt/prod", "prod"],
    ["config set name value -- -s", undefined],
    ["config set keymgmt:location westeurope", undefined],
    ["up --skip-preview", undefined],
    ["stack init prod", "prod"],
    ["stack init --secrets-provider passphrase prod", "prod"],
    ["stack rm prod --yes", "prod"],
    ["stack output keys", undefined],
    ["stack export --file state.json", undefined],
    ["cancel prod", "prod"],
])("`pulumi %s` means stack %s", (line, stack) => {
    expect(readArguments(words(line)).stack).toBe(stack);
});

test.each([
    ["up", true],
    ["--color never -v 3 preview --diff", true],
    ["refresh", true],
    ["destroy --yes", true],
    ["dn", true],
    ["up --help", false],
    ["up -h", false],
    ["--version", false],
    ["stack output up", false],
    ["stack import", false],
    ["config set up down", false],
    ["-C preview stack", false],
])("whether `pulumi %s` reaches the cloud: %s", (line, cloud) => {
    expect(needsCloud(readArguments(words(line)))).toBe(cloud);
});

test.each([
    ["up --yes", true],
    ["-v 3 update", true],
    ["preview", false],
    ["destroy --yes", false],
    ["stack output up", false],
])("whether `pulumi %s` goes on after an error unless it's told otherwise: %s", (line, update) => {
    expect(isUpdate(readArguments(words(line)))).toBe(update);
});

test("an update goes on after an error, unless the user's environment says otherwise", () => {
    const name = "PULUMI_CONTINUE_ON_ERROR";
    expect(continuingEnvironment({})).toEqual({ [name]: "true" });
    expect(continuingEnvironment({ [name]: "false" })).toEqual({ [name]: "false" });
});

describe("in a checkout", () => {
    let root: string;
    beforeEach(async () => {
        root = await mkdtemp(path.join(os.tmpdir(), "cli-test-"));
        await writeFile(path.join(root, "Pulumi.yaml"), "name: keymgmt\nruntime: nodejs\n");
    });
    afterEach(() => rm(root, { recursive: true }));

    const put = async (file: string, text = "") => {
        await mkdir(path.dirname(path.join(root, file)), { recursive: true });
        await writeFile(path.join(root, file), text);
    };
    const resources = (...all: object[]) =>
        JSON.stringify({ version: 3, checkpoint: { latest: { resources: all } } });

    test.each([
        ["without a config file", undefined, true],
        ["without an environment", "encryptionsalt: v1:abc\n", true],
        ["with an empty config file", "", true],
        ["with environment local", "config:\n  keymgmt:environment: local\n", true],
        ["in the public cloud", "config:\n  keymgmt:environment: AzurePublicCloud\n", false],
    ])("a stack %s", async (_, config, local) => {
        if (config !== undefined) await put("Pulumi.some.yaml", config);
        expect(readStack(root, "some").local).toBe(local);
    });

    test("dev's local Azure lives in .local, another stack's in a folder of its own", () => {
        expect(readStack(root, "dev").folder).toBe(path.join(root, ".local"));
        expect(readStack(root, "other").folder).toBe(path.join(root, ".local/stacks/other"));
    });

    test.each(["..", "a b", "", "a\\b"])("%j is no stack name", (name) => {
        expect(() => readStack(root, name)).toThrow(/can't be a stack's name/);
    });

    test("a config file that isn't YAML is named", async () => {
        await put("Pulumi.some.yaml", "config: [");
        expect(() => readStack(root, "some")).toThrow(/^Pulumi\.some\.yaml can't be read/);
    });

    test("a local stack's environment is inside the checkout, whatever the user has set", () => {
        const env = localEnvironment(readStack(root, "dev"), {
            HOME: "/home/user",
            PULUMI_CONFIG_PASSPHRASE: "the user's",
            PULUMI_BACKEND_URL: "https://api.pulumi.com",
        });
        expect(env).toMatchObject({
            HOME: "/home/user",
            PULUMI_STACK: "dev",
            PULUMI_BACKEND_URL: `file://${root}/.local/state`,
            PULUMI_HOME: `${root}/.local/pulumi`,
            PULUMI_CONFIG_PASSPHRASE: "local",
        });
    });

    const azure = {
        authorityHost: "https://127.0.0.1:20000",
        resourceManager: "https://127.0.0.1:20001",
        tenantId: "local-tenant",
        caFile: "/ca.pem",
        providers: "azure-native:1,azuread:2",
        pid: 1,
    };

    test("the local Azure takes the place of the real one, and the user's real identity stays away", () => {
        const identity = { AZURE_CLIENT_ID: "id", AZURE_CLIENT_SECRET: "secret" };
        const user = { ...identity, AZURE_TENANT_ID: "real", no_proxy: "intra" };
        const env = cloudEnvironment(azure, user);
        expect(env).toEqual({
            no_proxy: "intra",
            AZURE_AUTHORITY_HOST: azure.authorityHost,
            AZURE_RESOURCE_MANAGER: azure.resourceManager,
            NODE_EXTRA_CA_CERTS: azure.caFile,
            PULUMI_DEBUG_PROVIDERS: azure.providers,
            NO_PROXY: "intra,127.0.0.1,localhost",
        });
        const own = { ...identity, AZURE_TENANT_ID: azure.tenantId };
        expect(cloudEnvironment(azure, own)).toMatchObject(own);
    });

    test("a real stack gets the user's own environment, and never stand-in providers", () => {
        const stack = readStack(root, "prod");
        const env = { PATH: "/bin", PULUMI_BACKEND_URL: "s3://state" };
        expect(realEnvironment(stack, env)).toEqual({ ...env, PULUMI_STACK: "prod" });
        const other = { PULUMI_DEBUG_PROVIDERS: "random:1" };
        expect(realEnvironment(stack, other)).toMatchObject(other);
        for (const standIn of ["azure-native:1", "random:1, azuread:2"]) {
            expect(() => realEnvironment(stack, { PULUMI_DEBUG_PROVIDERS: standIn })).toThrow(
                /must not serve stack prod.*Unset it/,
            );
        }
    });

    describe("the seal key", () => {
        test("is made once, of 32 bytes, for the user alone", async () => {
            const stack = readStack(root, "dev");
            const [first, second] = await Promise.all([sealKey(stack, {}), sealKey(stack, {})]);
            expect(Buffer.from(first, "base64url")).toHaveLength(32);
            expect(second).toBe(first);
            expect(await sealKey(stack, {})).toBe(first);
            expect((await stat(path.join(root, ".local/seal.key"))).mode & 0o777).toBe(0o600);
            expect(await sealKey(readStack(root, "other"), {})).not.toBe(first);
        });

        test("is the user's own where one is set", async () => {
            const stack = readStack(root, "dev");
            expect(await sealKey(stack, { KEYMGMT_SEAL_KEY: "own" })).toBe("own");
            await expect(stat(stack.folder)).rejects.toThrow("ENOENT");
        });

        test("is never made anew under a state that holds resources", async () => {
            const stack = readStack(root, "dev");
            await put(".local/state/.pulumi/stacks/keymgmt/dev.json", resources({ urn: "u" }));
            await expect(sealKey(stack, {})).rejects.toThrow(
                /lost: .*seal\.key doesn't exist[^]*Put the file back, or set KEYMGMT_SEAL_KEY/,
            );
            await put(".local/state/.pulumi/stacks/keymgmt/dev.json", resources());
            expect(await sealKey(stack, {})).toHaveLength(43);
        });
    });

    test("an empty state is that of a killed run: the one before is put back, and no other is touched", async () => {
        const stack = readStack(root, "dev");
        const folder = path.join(root, ".local/state/.pulumi/stacks", stack.project);
        const file = path.join(folder, "dev.json");
        await mkdir(folder, { recursive: true });
        expect(mendState(stack)).toBe(false);
        await writeFile(file, "");
        expect(mendState(stack)).toBe(false); // there's nothing to put back
        await writeFile(`${file}.bak`, "before");
        expect(mendState(stack)).toBe(true);
        expect(await readFile(file, "utf8")).toBe("before");
        await writeFile(file, "after");
        expect(mendState(stack)).toBe(false);
        expect(await readFile(file, "utf8")).toBe("after");
    });

    test("a stack's state is removed, and none of another's", async () => {
        const of = (name: string) => [
            `.local/state/.pulumi/stacks/keymgmt/${name}.json`,
            `.local/state/.pulumi/stacks/keymgmt/${name}.json.attrs`,
            `.local/state/.pulumi/stacks/keymgmt/${name}.json.bak`,
            `.local/state/.pulumi/history/keymgmt/${name}/${name}-1.history.json`,
            `.local/state/.pulumi/backups/keymgmt/${name}/${name}.1.json`,
            `.local/pulumi/logs/organization+keymgmt+${name}-20261124T023137.log`,
        ];
        const others = ["dev2", "dev.json", "xdev", "dev-2"];
        for (const file of ["dev", ...others].flatMap(of)) await put(file);
        expect(stackExists(readStack(root, "dev"))).toBe(true);
        await removeState(readStack(root, "dev"));
        for (const file of of("dev"))
            await expect(readFile(path.join(root, file))).rejects.toThrow();
        for (const file of others.flatMap(of)) await readFile(path.join(root, file));
        await removeState(readStack(root, "dev"));
    });
});

test("the table shows each copy of each key", () => {
    const copy = {
        key: "rsa-1",
        vault: "learn-keyvault",
        versions: { 10: { enabled: true }, 2: { enabled: true }, 1: { enabled: false } },
        currentVersion: "10",
        purposes: ["encrypt", "decrypt"],
        protection: "hsm",
        verified: true,
    };
    const table = keyTable({
        keys: { "rsa-1": { type: "rsa-2048" }, spare: { type: "ecdsa-p256" } },
        distributions: [copy, { ...copy, vault: "second", verified: false }],
    });
    expect(table.split("\n")).toEqual([
        "KEY    TYPE        VAULT           PROTECTION  VERSIONS                       OPERATIONS        VERIFIED",
        "rsa-1  rsa-2048    learn-keyvault  hsm         1 (disabled), 2, 10 (current)  encrypt, decrypt  yes",
        "rsa-1  rsa-2048    second          hsm         1 (disabled), 2, 10 (current)  encrypt, decrypt  no",
        "spare  ecdsa-p256  -               -           -                              -                 -",
    ]);
});
