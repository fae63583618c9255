import fc from "fast-check";
import { cloudOf } from "../../kms/azureKeyVault/environment";
import { identityOfVariables } from "../../kms/azureKeyVault/identity";
import {
    foldName,
    keyNameProblem,
    kekName,
    moveProblem,
    vaultNameProblem,
} from "../../kms/azureKeyVault/names";
import { keyPermissions, type Use } from "../../kms/azureKeyVault/permissions";
import { protectionProblem } from "../../kms/azureKeyVault/sku";

test.each(["a", "rsa-1", "RSA-1", "-", "0".repeat(127), "keymgmt-kek-2"])(
    "Azure takes the key name %j",
    (name) => expect(keyNameProblem(name)).toBeUndefined(),
);

test.each([
    "",
    "a".repeat(128),
    "a_b",
    "a.b",
    "a b",
    "ä",
    "a/b",
    "rsa-1\n",
    "\nrsa-1",
    "__proto__",
])("Azure refuses the key name %j", (name) =>
    expect(keyNameProblem(name)).toMatch(/1 to 127 of the characters 0-9 a-z A-Z -/),
);

test("the name of the key exchange key is taken, in any case", () => {
    for (const name of [kekName, kekName.toUpperCase(), "Keymgmt-Kek"]) {
        expect(keyNameProblem(name)).toMatch(/is the name of the key exchange key/);
    }
});

test.each(["abc", "learn-keyvault", "A1b", "a".repeat(24), "a-1-b-2"])(
    "Azure takes the vault name %j",
    (name) => expect(vaultNameProblem(name)).toBeUndefined(),
);

test.each(["", "ab", "a".repeat(25), "1ab", "-ab", "ab-", "a--b", "a_b", "abc\n", "a.b", "äbc"])(
    "Azure refuses the vault name %j",
    (name) => expect(vaultNameProblem(name)).toMatch(/3 to 24 of the characters/),
);

test("no name is taken that isn't made of the allowed characters alone", () => {
    fc.assert(
        fc.property(fc.string({ unit: "binary", maxLength: 140 }), (name) => {
            const allowed = /^[0-9a-zA-Z-]+$/.test(name) && !name.includes("\n");
            if (!allowed || name.length > 127) {
                expect(keyNameProblem(name)).toBeDefined();
                expect(vaultNameProblem(name)).toBeDefined();
            }
        }),
    );
});

test("names that differ in case alone are one name", () => {
    expect(foldName("RSA-1")).toBe(foldName("rsa-1"));
    expect(foldName("rsa-1")).not.toBe(foldName("rsa-2"));
});

describe("the permissions are exactly those needed", () => {
    const always = ["get", "list", "import", "update", "delete", "recover"];
    const software: Use = { protection: "software", purposes: ["sign", "decrypt", "unwrap"] };
    const added = (...uses: Use[]) => {
        const given = keyPermissions(uses);
        expect(given.slice(0, always.length)).toEqual(always);
        return given.slice(always.length);
    };

    test("where a copy is to be purged that isn't declared any more", () => {
        expect(keyPermissions([], true)).toEqual([...always, "purge"]);
        expect(keyPermissions([{ ...software, onDelete: "purge" }], true)).toEqual([
            ...always,
            "purge",
        ]);
    });

    test.each<[string, Use[], string[]]>([
        ["nothing is distributed", [], []],
        ["copies are held in software", [software], []],
        ["a key exchange key is made", [software, { ...software, protection: "hsm" }], ["create"]],
        ["copies are purged", [software, { ...software, onDelete: "purge" }], ["purge"]],
        ["copies are left or can be recovered", [{ ...software, onDelete: "detach" }], []],
        ["notice is given", [{ ...software, notifyBefore: "P30D" }], ["setrotationpolicy"]],
        [
            "copies prove themselves",
            [{ ...software, verify: "deep" }],
            ["decrypt", "unwrapKey", "sign"],
        ],
        [
            "a copy that only verifies is to prove itself",
            [software, { ...software, purposes: ["verify", "encrypt", "wrap"], verify: "deep" }],
            [],
        ],
        [
            "two distributions take the same",
            [
                { ...software, onDelete: "purge" },
                { ...software, onDelete: "purge" },
            ],
            ["purge"],
        ],
    ])("where %s", (_where, uses, permissions) => {
        expect(added(...uses)).toEqual(permissions);
    });
});

test("only a premium vault protects by HSM", () => {
    const problem = (sku: "standard" | "premium", protection: "hsm" | "software") =>
        protectionProblem({ name: "learn-keyvault", sku }, protection);
    expect(problem("premium", "hsm")).toBeUndefined();
    expect(problem("premium", "software")).toBeUndefined();
    expect(problem("standard", "software")).toBeUndefined();
    expect(problem("standard", "hsm")).toMatch(/vault learn-keyvault .* premium.* software/);
});

test("AZURE_* is an identity only when all three are set", () => {
    const all = { AZURE_TENANT_ID: "t", AZURE_CLIENT_ID: "c", AZURE_CLIENT_SECRET: "s" };
    expect(identityOfVariables(all)).toEqual({ tenantId: "t", clientId: "c", clientSecret: "s" });
    for (const name of Object.keys(all)) {
        expect(identityOfVariables({ ...all, [name]: undefined })).toBeUndefined();
        expect(identityOfVariables({ ...all, [name]: "" })).toBeUndefined();
    }
});

test("only the local Azure is told by variables where it is, and is trusted without a well-known name", () => {
    const variables = {
        AZURE_AUTHORITY_HOST: "https://127.0.0.1:20000",
        AZURE_RESOURCE_MANAGER: "https://127.0.0.1:20001",
    };
    expect(cloudOf("local", variables)).toEqual({
        authorityHost: "https://127.0.0.1:20000",
        resourceManager: "https://127.0.0.1:20001",
        vaultScope: "https://vault.azure.net/.default",
        wellKnownHosts: false,
    });
    const real = (["AzurePublicCloud", "AzureUSGovernment", "AzureChinaCloud"] as const).map(
        (environment) => cloudOf(environment, variables),
    );
    expect(real.map(({ wellKnownHosts }) => wellKnownHosts)).toEqual([true, true, true]);
    expect(real.map(({ authorityHost }) => authorityHost)).toEqual([
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.us",
        "https://login.chinacloudapi.cn",
    ]);
});

describe("a vault moves", () => {
    const west = { name: "learn-keyvault", location: "westeurope" };

    test("nowhere under its own name, and the refusal says what to do", () => {
        const problem = moveProblem(west, { name: "Learn-Keyvault", location: "eastus" });
        expect(problem).toMatch(/learn-keyvault is in westeurope and can't move to eastus/);
        expect(problem).toMatch(/another name/);
    });

    test.each([
        { name: "learn-keyvault", location: "West Europe" },
        { name: "learn-keyvault-2", location: "eastus" },
        { name: "learn-keyvault" },
    ])("if it is another one, or in the same region still: %o", (to) => {
        expect(moveProblem(west, to)).toBeUndefined();
        expect(moveProblem(to, west)).toBeUndefined();
    });
});
