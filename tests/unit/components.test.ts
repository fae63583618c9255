import { createPrivateKey, randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import {
    DistributedKey,
    KeyRing,
    ManagedKey,
    type DistributedKeyArgs,
    type KeyRingArgs,
} from "../../components";
import type { Copy } from "../../keys/copy";
import { openKeyVersion, type KeyVersion } from "../../keys/keyVersion";
import { parseSealKey, unseal } from "../../keys/seal";
import { provider } from "../../providers/managedKey";

type Properties = Record<string, unknown>;
interface Registered {
    type: string;
    name: string;
    parent: string;
    protect: boolean;
    deleteBeforeReplace: boolean;
    ignoreChanges: string[];
    /** Its provider's reference; empty for the default one. */
    provider: string;
    /** Names that it had before. */
    aliases: string[];
    inputs: Properties;
}

const managedKeyType = "pulumi-nodejs:dynamic/keymgmt:ManagedKey";
const distributedKeyType = "pulumi-nodejs:dynamic/keymgmt:DistributedKey";
const vaultType = "azure-native:keyvault:Vault";
const groupType = "azure-native:resources:ResourceGroup";
/** https://github.com/pulumi/pulumi: marks a secret on the wire. */
const secretMark = "4dabf18193072939515e22adb298388d";

const clientSecret = "client-secret-of-the-test";
const sealText = randomBytes(32).toString("base64url");
const sealKey = parseSealKey(sealText, "the test");

const registered: Registered[] = [];

const copy: Omit<Copy, "id"> = {
    createdAt: "2026-11-24T00:00:00.000Z",
    updatedAt: "2026-11-24T00:00:00.000Z",
    enabled: true,
    purposes: ["sign"],
    tags: {},
    thumbprint: "t",
    protection: "hsm",
};

/** Outputs of the resources, as their providers would return them; those of a key by the real provider. */
async function outputsOf({ type, name, inputs }: pulumi.runtime.MockResourceArgs) {
    const given = inputs as Properties;
    switch (type) {
        case managedKeyType: {
            const { inputs: checked, failures } = await provider.check({}, given);
            if (failures?.length || !checked) {
                throw new Error(JSON.stringify(failures));
            }
            return (await provider.create(checked)).outs!;
        }
        case distributedKeyType:
            return {
                ...given,
                versions: undefined,
                copies: { 1: { ...copy, id: "azure-1", expiresAt: "2027-11-24T00:00:00.000Z" } },
                older: [{ ...copy, id: "azure-0" }],
                foreign: [{ ...copy, id: "azure-f", thumbprint: "f" }],
                proofs: { 1: { by: "sign" } },
                inStep: given.name !== "behind",
                keyId: `https://vault/keys/${given.name as string}`,
                versionedKeyId: `https://vault/keys/${given.name as string}/azure-1`,
                verified: true,
            };
        case vaultType:
            return {
                ...given,
                properties: {
                    ...(given.properties as Properties),
                    vaultUri: `https://${name}.vault.azure.net/`,
                },
                systemData: { createdAt: "2026-11-23T00:00:00.000Z" },
            };
        case "azuread:index/application:Application":
            return { ...given, clientId: "the-client" };
        case "azuread:index/servicePrincipal:ServicePrincipal":
            return { ...given, objectId: "the-principal" };
        case "azuread:index/applicationPassword:ApplicationPassword":
            return { ...given, value: pulumi.secret(clientSecret) };
        default:
            return given;
    }
}

beforeAll(async () => {
    process.env.KEYMGMT_SEAL_KEY = sealText;
    await pulumi.runtime.setMocks(
        {
            newResource: async (args) => {
                const state = await outputsOf(args);
                return { id: `${args.name}-id`, state };
            },
            call: ({ token }) =>
                token === "azuread:index/getClientConfig:getClientConfig"
                    ? { tenantId: "the-tenant" }
                    : {},
        },
        "project",
        "stack",
    );
    recordParents();
});
afterAll(() => {
    delete process.env.KEYMGMT_SEAL_KEY;
});
beforeEach(() => {
    registered.length = 0;
});

/** Mocks aren't told of parents, so the requests to the engine are read. */
function recordParents(): void {
    interface Request {
        getType(): string;
        getName(): string;
        getParent(): string;
        getProtect(): boolean;
        getDeletebeforereplace(): boolean;
        getIgnorechangesList(): string[];
        getProvider(): string;
        getAliasesList(): { getSpec(): { getName(): string } | undefined }[];
        getObject(): { toJavaScript(): Properties };
    }
    const monitor = pulumi.runtime.getMonitor() as unknown as {
        registerResource(request: Request, done: unknown): unknown;
    };
    const register = monitor.registerResource.bind(monitor);
    monitor.registerResource = (request, done) => {
        registered.push({
            type: request.getType(),
            name: request.getName(),
            parent: request.getParent().split("::").slice(2).join("::"),
            protect: request.getProtect(),
            deleteBeforeReplace: request.getDeletebeforereplace(),
            ignoreChanges: request.getIgnorechangesList(),
            provider: request.getProvider(),
            aliases: request.getAliasesList().flatMap((alias) => alias.getSpec()?.getName() ?? []),
            inputs: request.getObject().toJavaScript(),
        });
        return register(request, done);
    };
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
    return new Promise((resolve) => output.apply((value) => resolve(value)));
}

const find = (type: string, name: string) =>
    registered.find((resource) => resource.type === type && resource.name === name)!;

const args: KeyRingArgs = {
    environment: "AzurePublicCloud",
    location: "westeurope",
    vaults: { "vault-1": { sku: "premium" }, "vault-2": { sku: "standard" } },
    keys: {
        "ec-1": {
            type: "ecdsa-p256",
            distribute: [
                { vault: "vault-1", purpose: ["sign"], protection: "hsm" },
                { vault: "vault-2", name: "other", purpose: ["verify"], protection: "software" },
            ],
        },
        "ec-2": { type: "ecdsa-p384", deletionAllowed: true, rotation: { trigger: "1" } },
    },
};

async function makeRing(name: string, changes: Partial<KeyRingArgs> = {}) {
    const ring = new KeyRing(name, { ...args, ...changes });
    const { vaults, servicePrincipal, keys, distributions } = ring;
    return valueOf(pulumi.output({ vaults, servicePrincipal, keys, distributions }));
}

test("a key ring registers its resources, each below its parent, by the types and names of its contract", async () => {
    await makeRing("ring");
    const ring = "keymgmt:index:KeyRing::ring";
    const principal = "keymgmt:index:KeyRing$keymgmt:index:ServicePrincipal::ring";
    const vault = (name: string) => `keymgmt:index:KeyRing$keymgmt:index:KeyVault::${name}`;
    const lines = registered.map(({ type, name, parent }) => `${type}::${name} < ${parent}`);
    expect(lines.sort()).toEqual(
        [
            "keymgmt:index:KeyRing::ring < ",
            `keymgmt:index:ServicePrincipal::ring < ${ring}`,
            `azuread:index/application:Application::ring < ${principal}`,
            `azuread:index/servicePrincipal:ServicePrincipal::ring < ${principal}`,
            `azuread:index/applicationPassword:ApplicationPassword::ring < ${principal}`,
            `azure-native:resources:ResourceGroup::ring < ${ring}`,
            `keymgmt:index:KeyVault::vault-1 < ${ring}`,
            `keymgmt:index:KeyVault::vault-2 < ${ring}`,
            `${vaultType}::vault-1 < ${vault("vault-1")}`,
            `${vaultType}::vault-2 < ${vault("vault-2")}`,
            `${managedKeyType}::ec-1 < ${ring}`,
            `${managedKeyType}::ec-2 < ${ring}`,
            `${distributedKeyType}::ec-1@vault-1 < ${ring}`,
            `${distributedKeyType}::ec-1@vault-2 < ${ring}`,
        ].sort(),
    );
});

test("the service principal gets exactly the permissions that a vault's distributions need", async () => {
    await makeRing("ring");
    const software = ["get", "list", "import", "update", "delete", "recover"];
    for (const [vault, sku, permissions] of [
        ["vault-1", "premium", [...software, "create"]],
        ["vault-2", "standard", software],
    ] as const) {
        const { inputs } = find(vaultType, vault);
        expect(inputs).toMatchObject({
            vaultName: vault,
            location: "westeurope",
            properties: {
                tenantId: "the-tenant",
                sku: { family: "A", name: sku },
                enableSoftDelete: true,
                enableRbacAuthorization: false,
            },
        });
        expect((inputs.properties as Properties).accessPolicies).toEqual([
            {
                tenantId: "the-tenant",
                objectId: "the-principal",
                permissions: { keys: permissions },
            },
        ]);
    }
});

test("permissions follow the features that are declared, in the vault where they're declared", async () => {
    await makeRing("ring", {
        verify: "deep",
        keys: {
            "rsa-1": {
                type: "rsa-2048",
                rotation: { notifyBefore: "P30D" },
                distribute: [{ vault: "vault-1", purpose: ["decrypt"], protection: "software" }],
            },
            "ec-1": {
                type: "ecdsa-p256",
                distribute: [
                    {
                        vault: "vault-2",
                        purpose: ["sign"],
                        protection: "software",
                        onDelete: "purge",
                    },
                ],
            },
        },
    });
    const added = (vault: string) => {
        const { accessPolicies } = find(vaultType, vault).inputs.properties as {
            accessPolicies: { permissions: { keys: string[] } }[];
        };
        return accessPolicies[0]!.permissions.keys.slice(6);
    };
    expect(added("vault-1")).toEqual(["setrotationpolicy", "decrypt"]);
    expect(added("vault-2")).toEqual(["purge", "sign"]);
});

test("a distribution's logical name is key@vault whatever its copy is called, and it had another one before", async () => {
    const sign = { purpose: ["sign" as const], protection: "hsm" as const };
    const distribute = [
        { ...sign, vault: "vault-1", name: "Other" },
        { ...sign, vault: "vault-2" },
        { ...sign, vault: "vault-2", name: "second" },
    ];
    await makeRing("ring", { keys: { "ec-1": { type: "ecdsa-p256", distribute } } });
    const names = registered
        .filter(({ type }) => type === distributedKeyType)
        .map(({ name, aliases }) => [name, aliases]);
    expect(names.sort()).toEqual([
        ["ec-1@vault-1", ["ec-1@vault-1/other"]],
        // Several in one vault can't be told apart but by their copies' names.
        ["ec-1@vault-2", []],
        ["ec-1@vault-2/second", []],
    ]);
});

test("a key is in step if each of its copies is", async () => {
    const sign = { purpose: ["sign" as const], protection: "software" as const };
    const distribute = [
        { ...sign, vault: "vault-1" },
        { ...sign, vault: "vault-2", name: "behind" },
    ];
    const { keys, distributions } = await makeRing("ring", {
        keys: {
            "ec-1": { type: "ecdsa-p256", distribute },
            "ec-2": { type: "ecdsa-p256", distribute: [distribute[0]!] },
        },
    });
    expect(keys["ec-1"]!.inStep).toBe(false);
    expect(keys["ec-2"]!.inStep).toBe(true);
    expect(distributions.map(({ key, inStep }) => [key, inStep])).toEqual([
        ["ec-1", true],
        ["ec-1", false],
        ["ec-2", true],
    ]);
});

test("vaults are made as they're declared", async () => {
    await makeRing("ring", {
        vaults: {
            "vault-1": { sku: "premium", location: "northeurope", retentionDays: 7 },
            "vault-2": { sku: "standard", purgeProtection: true },
            "vault-3": { sku: "standard", purgeProtection: false },
        },
    });
    expect(find(vaultType, "vault-1").inputs).toMatchObject({
        location: "northeurope",
        properties: { softDeleteRetentionInDays: 7 },
    });
    expect(find(vaultType, "vault-2").inputs).toMatchObject({
        location: "westeurope",
        properties: { enablePurgeProtection: true },
    });
    expect(find(vaultType, "vault-3").inputs.properties).not.toHaveProperty(
        "enablePurgeProtection",
    );
});

test("what can't be replaced isn't: keys are protected, vaults aren't deleted first, resource groups stay", async () => {
    await makeRing("ring");
    expect(find(managedKeyType, "ec-1").protect).toBe(true);
    expect(find(managedKeyType, "ec-2").protect).toBe(false); // its deletion is allowed
    for (const vault of ["vault-1", "vault-2"]) {
        expect(find(vaultType, vault)).toMatchObject({
            protect: false,
            deleteBeforeReplace: false,
        });
    }
    expect(find(groupType, "ring")).toMatchObject({
        ignoreChanges: ["location", "resourceGroupName"],
        inputs: { resourceGroupName: "project-stack", location: "westeurope" },
    });
});

describe("vaults elsewhere", () => {
    const [subscriptionId, tenantId] = ["the-subscription", "another-tenant"];
    const provider = "pulumi:providers:azure-native";
    const identity = {
        tenantId,
        clientId: "another-client",
        objectId: "another-principal",
        clientSecretFrom: "env:NOT_SET_ANYWHERE" as const,
    };
    const elsewhere = {
        sku: "premium" as const,
        location: "usgovvirginia",
        environment: "AzureUSGovernment" as const,
        subscriptionId,
        tenantId,
        identity,
    };
    const sign = { purpose: ["sign" as const], protection: "software" as const };
    const changes: Partial<KeyRingArgs> = {
        vaults: { "vault-1": { sku: "premium" }, "vault-2": elsewhere, "vault-3": elsewhere },
        keys: {
            "ec-1": {
                type: "ecdsa-p256",
                distribute: ["vault-1", "vault-2"].map((vault) => ({ vault, ...sign })),
            },
        },
    };

    test("are made by one provider for their subscription, in one resource group there", async () => {
        await makeRing("ring", changes);
        expect(registered.filter(({ type }) => type === provider)).toMatchObject([
            {
                name: subscriptionId,
                inputs: { subscriptionId, tenantId, environment: "usgovernment" },
            },
        ]);
        expect(registered.filter(({ type }) => type === groupType)).toMatchObject([
            { name: "ring", provider: "", inputs: { location: "westeurope" } },
            {
                name: `ring-${subscriptionId}`,
                provider: expect.stringContaining(subscriptionId) as string,
                inputs: { location: "usgovvirginia", resourceGroupName: "project-stack" },
            },
        ]);
        expect(find(vaultType, "vault-1").provider).toBe("");
        for (const vault of ["vault-2", "vault-3"]) {
            expect(find(vaultType, vault)).toMatchObject({
                provider: expect.stringContaining(subscriptionId) as string,
                inputs: { location: "usgovvirginia", properties: { tenantId } },
            });
        }
    });

    test("let their own identity in, and nobody of the stack's tenant; it reaches them in their cloud", async () => {
        await makeRing("ring", changes);
        expect(find(vaultType, "vault-2").inputs.properties).toMatchObject({
            accessPolicies: [
                {
                    tenantId,
                    objectId: "another-principal",
                    permissions: {
                        keys: ["get", "list", "import", "update", "delete", "recover"],
                    },
                },
            ],
        });
        const { inputs } = find(distributedKeyType, "ec-1@vault-2");
        expect(inputs.vault).toMatchObject({ environment: "AzureUSGovernment" });
        expect(inputs.identity).toMatchObject({ tenantId, clientId: "another-client" });
        expect(find(distributedKeyType, "ec-1@vault-1").inputs.vault).toMatchObject({
            environment: "AzurePublicCloud",
        });
    });
});

test("all keys of a ring look at their rules at one moment", async () => {
    const asOf = "2027-01-31T00:00:00.000Z";
    const { keys } = await makeRing("ring", { asOf });
    for (const name of ["ec-1", "ec-2"]) {
        expect(find(managedKeyType, name).inputs.asOf).toBe(asOf);
        expect(keys[name]!.versions["1"]!.createdAt).toBe(asOf);
    }
    registered.length = 0;
    await makeRing("ring");
    const now = find(managedKeyType, "ec-1").inputs.asOf;
    expect(now).toBe(find(managedKeyType, "ec-2").inputs.asOf);
    expect(Date.parse(now as string)).toBeLessThanOrEqual(Date.now());
});

test("the code in the state is one line of less than 200 bytes, the same for all resources of a type", async () => {
    await makeRing("ring");
    for (const type of [managedKeyType, distributedKeyType]) {
        const codes = registered
            .filter((resource) => resource.type === type)
            .map(({ inputs }) => inputs.__provider as string);
        expect(codes).toHaveLength(2);
        expect(new Set(codes).size).toBe(1);
        expect(Buffer.byteLength(codes[0]!)).toBeLessThan(200);
        expect(codes[0]).not.toContain("\n");
        // Paths in it are relative to the project: a state is used on other machines, too.
        expect(codes[0]).not.toContain(process.cwd());
    }
    // They stand in the state of every user, so they must never change.
    expect(find(managedKeyType, "ec-1").inputs.__provider).toContain('/providers/managedKey"');
    expect(find(distributedKeyType, "ec-1@vault-1").inputs.__provider).toContain(
        '/providers/distributedKey"',
    );
});

test("what is said of a key and of its distribution reaches their resources", async () => {
    const rules = {
        rotation: {
            trigger: "1",
            interval: "P1Y",
            retire: { after: "P30D", action: "expire" as const },
            keepEnabled: 3,
            notifyBefore: "P14D",
        },
        minEnabledVersion: 1,
        disabledVersions: [],
    };
    const attributes = {
        tags: { team: "blue" },
        notBefore: "2027-01-31",
        expiresAfter: "P2Y",
        onDelete: "detach" as const,
    };
    const distribute = [
        {
            vault: "vault-2",
            purpose: ["sign" as const],
            protection: "software" as const,
            ...attributes,
        },
    ];
    await makeRing("ring", {
        verify: "deep",
        keys: { "ec-1": { type: "ecdsa-p256", ...rules, distribute } },
    });
    expect(find(managedKeyType, "ec-1").inputs).toMatchObject(rules);
    expect(find(distributedKeyType, "ec-1@vault-2").inputs).toMatchObject({
        ...attributes,
        notifyBefore: "P14D",
        verify: "deep",
    });
});

test("a distribution's inputs say what is to be where, and hold secrets only sealed", async () => {
    await makeRing("ring");
    const { inputs } = find(distributedKeyType, "ec-1@vault-2");
    expect(inputs).toMatchObject({
        key: "ec-1",
        type: "ecdsa-p256",
        version: 1,
        name: "other",
        purposes: ["verify"],
        protection: "software",
        tags: {},
        onDelete: "delete",
        stack: "project/stack",
        lifecycle: [{ version: 1, reason: "the first version", enabled: true }],
        deletionAllowed: false,
        vault: {
            name: "vault-2",
            uri: "https://vault-2.vault.azure.net/",
            sku: "standard",
            environment: "AzurePublicCloud",
            location: "westeurope",
            createdAt: "2026-11-23T00:00:00.000Z",
            purgeProtection: false,
        },
        identity: { tenantId: "the-tenant", clientId: "the-client" },
        seal: { location: "env:KEYMGMT_SEAL_KEY", id: sealKey.id },
    });
    // Being ciphertext, nothing of it is a secret for Pulumi, which would store it encrypted once more.
    const text = JSON.stringify(inputs);
    expect(text).not.toContain(secretMark);
    expect(text).not.toContain(clientSecret);
    const { identity, versions } = inputs as {
        identity: { clientSecret: string };
        versions: KeyVersion[];
    };
    const binding = { use: "client secret", tenant: "the-tenant", client: "the-client" };
    const opened = await unseal(sealKey, identity.clientSecret, binding);
    expect(Buffer.from(opened).toString()).toBe(clientSecret);
    await assertNoMaterial(text, versions[0]!);
});

test("the outputs tell what the issue's table needs, and hold neither secrets nor sealed tokens", async () => {
    const outputs = await makeRing("ring");
    expect(outputs).toEqual({
        vaults: {
            "vault-1": {
                id: "vault-1-id",
                uri: "https://vault-1.vault.azure.net/",
                sku: "premium",
            },
            "vault-2": {
                id: "vault-2-id",
                uri: "https://vault-2.vault.azure.net/",
                sku: "standard",
            },
        },
        servicePrincipal: {
            tenantId: "the-tenant",
            clientId: "the-client",
            objectId: "the-principal",
        },
        keys: {
            "ec-1": {
                type: "ecdsa-p256",
                latestVersion: 1,
                versions: { 1: versionShape },
                inStep: true,
            },
            "ec-2": {
                type: "ecdsa-p384",
                latestVersion: 1,
                versions: { 1: versionShape },
                inStep: true,
            },
        },
        distributions: [
            {
                key: "ec-1",
                vault: "vault-1",
                name: "ec-1",
                keyId: "https://vault/keys/ec-1",
                versionedKeyId: "https://vault/keys/ec-1/azure-1",
                currentVersion: 1,
                versions: {
                    1: { id: "azure-1", enabled: true, expiresAt: "2027-11-24T00:00:00.000Z" },
                },
                foreign: ["azure-f"],
                purposes: ["sign"],
                protection: "hsm",
                verified: true,
                proofs: { 1: { by: "sign" } },
                inStep: true,
            },
            expect.objectContaining({ vault: "vault-2", name: "other", purposes: ["verify"] }),
        ],
    });
    const text = JSON.stringify(outputs);
    expect(text).not.toMatch(/eyJ|sealed/);
    expect(text).not.toContain(clientSecret);
    const { versions } = find(distributedKeyType, "ec-1@vault-1").inputs as {
        versions: KeyVersion[];
    };
    await assertNoMaterial(text, versions[0]!);
});

const versionShape = {
    createdAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    publicKey: expect.stringContaining("BEGIN PUBLIC KEY") as string,
    thumbprint: expect.stringMatching(/^[\w-]{43}$/) as string,
};

test("a vault's own identity is used where one is given; its secret isn't looked at by the program", async () => {
    await makeRing("ring", {
        vaults: {
            "vault-1": {
                sku: "premium",
                identity: {
                    tenantId: "another-tenant",
                    clientId: "another-client",
                    clientSecretFrom: "env:NOT_SET_ANYWHERE",
                },
            },
            "vault-2": { sku: "standard" },
        },
    });
    expect(find(distributedKeyType, "ec-1@vault-1").inputs.identity).toEqual({
        tenantId: "another-tenant",
        clientId: "another-client",
        clientSecretFrom: "env:NOT_SET_ANYWHERE",
    });
    expect(find(distributedKeyType, "ec-1@vault-2").inputs.identity).toMatchObject({
        clientId: "the-client",
    });
});

test("without a seal key nothing is registered with Azure, and the error says what to do", () => {
    const seal = "env:NO_SEAL_KEY_HERE" as const;
    expect(() => new KeyRing("ring", { ...args, seal })).toThrow(pulumi.RunError);
    expect(() => new KeyRing("ring", { ...args, seal })).toThrow(
        /There's no seal key: the environment variable NO_SEAL_KEY_HERE isn't set/,
    );
    expect(registered.filter(({ type }) => type.startsWith("azure"))).toEqual([]);
});

test("the components work one by one, with their defaults", async () => {
    const key = new ManagedKey("alone", { type: "ecdsa-p256" });
    const distributed: DistributedKeyArgs = {
        key,
        vault: {
            name: "elsewhere",
            uri: "https://elsewhere.vault.azure.net/",
            sku: "premium",
            environment: "AzurePublicCloud",
        },
        identity: { tenantId: "t", clientId: "c", clientSecretFrom: "file:/run/secret" },
        purposes: ["sign"],
    };
    const copy = new DistributedKey("alone@elsewhere", distributed);
    expect(await valueOf(copy.keyId)).toBe("https://vault/keys/alone");
    expect(await valueOf(copy.protection)).toBe("hsm");
    expect(find(managedKeyType, "alone").inputs).toMatchObject({
        name: "alone",
        type: "ecdsa-p256",
        rotation: {},
        minEnabledVersion: 0,
        disabledVersions: [],
        deletionAllowed: false,
    });
    expect(find(distributedKeyType, "alone@elsewhere").inputs).toMatchObject({
        name: "alone",
        protection: "hsm",
        tags: {},
        onDelete: "delete",
    });
});

async function assertNoMaterial(text: string, { version, sealed }: KeyVersion): Promise<void> {
    const identity = { key: "ec-1", type: "ecdsa-p256" as const, version };
    const material = await openKeyVersion(identity, sealed, sealKey);
    const { d } = createPrivateKey({
        key: Buffer.from(material),
        format: "der",
        type: "pkcs8",
    }).export({ format: "jwk" });
    for (const encoding of ["hex", "base64", "base64url"] as const) {
        expect(text).not.toContain(Buffer.from(d!, "base64url").toString(encoding));
    }
}
