import { randomBytes } from "node:crypto";
import { Project } from "./project";

const good = {
    vaults: { "learn-keyvault": { sku: "premium" }, "plain-keyvault": { sku: "standard" } },
    keys: {
        "rsa-1": {
            type: "rsa-2048",
            distribute: [
                { vault: "learn-keyvault", purpose: ["encrypt", "decrypt"], protection: "hsm" },
            ],
        },
    },
};

describe("bad input", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    test("every problem of the config is told at once, with path, value and what is allowed; nothing is made", async () => {
        project.config({
            vaults: good.vaults,
            kays: {},
            keys: {
                "rsa-1": {
                    type: "rsa-2049",
                    distribute: [
                        {
                            vault: "learn-keyvault",
                            purpose: ["encrypt", "dcrypt"],
                            protection: "hsm",
                        },
                        { vault: "nowhere", purpose: [], protection: "hsm" },
                        { vault: "plain-keyvault", purpose: ["sign"], protection: "hsm" },
                    ],
                },
                under_score: { type: "rsa-2048" },
                ec: {
                    type: "ecdsa-p256",
                    rotatoin: { trigger: 1 },
                    distribute: [
                        { vault: "learn-keyvault", purpose: ["sign", "wrap"], protection: "hsm" },
                        {
                            vault: "learn-keyvault",
                            name: "EC",
                            purpose: ["sign"],
                            protection: "hsm",
                        },
                    ],
                },
            },
        });

        const { code, output } = await project.pulumi(["up", "--yes", "--skip-preview"]);

        expect(code).not.toBe(0);
        for (const line of [
            "keymgmt:kays: unknown property; allowed: environment, location, seal, asOf, verify, vaults, keys",
            `keymgmt:keys.rsa-1.type: "rsa-2049": allowed: rsa-2048, rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, ecdsa-p521`,
            `keymgmt:keys.rsa-1.distribute[0].purpose[1]: "dcrypt": allowed: encrypt, decrypt, sign, verify, wrap, unwrap`,
            "keymgmt:keys.rsa-1.distribute[1].purpose: []: empty; allowed: at least one of encrypt",
            `keymgmt:keys.rsa-1.distribute[2].protection: "hsm": vault plain-keyvault has the standard SKU`,
            "keymgmt:keys.under_score: a key's name in Azure Key Vault has 1 to 127 of the characters",
            "keymgmt:keys.ec.rotatoin: unknown property; allowed: type, rotation, minEnabledVersion, disabledVersions, import, deletionAllowed, distribute",
            `keymgmt:keys.ec.distribute[0].purpose[1]: "wrap": a key of type ecdsa-p256 can't; allowed: sign, verify`,
            `keymgmt:keys.ec.distribute[1]: "EC": vault learn-keyvault has a key of this name already, by keys.ec.distribute[0]`,
        ]) {
            expect(output).toContain(line);
        }
        expect(output).not.toMatch(/^\s+at /m);
        const { resources } = await project.state();
        expect(resources.map(({ type }) => type)).toEqual(["pulumi:pulumi:Stack"]);
        expect(project.vaultRequests()).toEqual([]);
    });

    test("a missing seal key is told before anything is made", async () => {
        project.config({ ...good, seal: "file:/nonexistent/seal.key" });

        const { code, output } = await project.up();

        expect(code).not.toBe(0);
        expect(output).toContain(
            "There's no seal key: the file /nonexistent/seal.key can't be read (ENOENT).",
        );
        expect(output).not.toMatch(/^\s+at /m);
        expect(output).not.toMatch(/azure-native:|azuread:/);
    });

    test("what can't change in place is refused at preview, naming the key", async () => {
        project.config(good);
        expect((await project.up()).code).toBe(0);
        const requests = project.vaultRequests().length;
        const [distribution] = good.keys["rsa-1"].distribute;

        project.config({ ...good, keys: { "rsa-1": { ...good.keys["rsa-1"], type: "rsa-3072" } } });
        const type = await project.pulumi(["preview"]);
        expect(type.code).not.toBe(0);
        expect(type.output).toMatch(
            /key rsa-1 is of type rsa-2048 for life, so it can't become rsa-3072/,
        );

        project.config({
            ...good,
            vaults: { "learn-keyvault": { sku: "premium", purgeProtection: true } },
            keys: {
                "rsa-1": {
                    type: "rsa-2048",
                    minEnabledVersion: 2,
                    distribute: [{ ...distribution, expiresAfter: "PT1H", onDelete: "purge" }],
                },
            },
        });
        const rules = await project.pulumi(["preview"]);
        expect(rules.code).not.toBe(0);
        expect(rules.output).toMatch(/expiresAfter: "PT1H": is under a day/);
        expect(rules.output).toMatch(
            /onDelete: "purge": vault learn-keyvault has purge protection/,
        );

        project.config(good);
        const seal = await project.pulumi(["preview"], {
            KEYMGMT_SEAL_KEY: randomBytes(32).toString("base64url"),
        });
        expect(seal.code).not.toBe(0);
        expect(seal.output).toMatch(
            /the state is sealed with seal key [0-9a-f]{16}, but the one in env:KEYMGMT_SEAL_KEY is/,
        );

        project.config({ ...good, location: "northeurope" });
        const location = await project.pulumi(["preview"]);
        expect(location.code).not.toBe(0);
        expect(location.output).toMatch(
            /vault learn-keyvault is in westeurope and can't move to northeurope/,
        );

        project.config(good);
        const { resources } = await project.state();
        const { urn } = resources.find(({ type: token }) => token.endsWith(":ManagedKey"))!;
        const replacement = await project.pulumi(["preview", "--replace", urn]);
        expect(replacement.code).not.toBe(0);
        expect(replacement.output).toMatch(
            /ManagedKey::rsa-1"\s+as it is currently marked for protection/,
        );

        for (const { output } of [type, rules, seal, location, replacement]) {
            expect(output).not.toMatch(/^\s+at /m);
        }
        expect(project.vaultRequests().length).toBe(requests);
    });
});
