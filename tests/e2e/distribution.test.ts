import { independentClient, Project } from "./project";

/** Other types, protections, names and identities than the tutorial's. */
describe("distributions", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const app = {
        objectId: "00000000-0000-0000-0000-0000000000aa",
        keyPermissions: ["get", "wrapKey", "unwrapKey"],
    };
    const vaults = {
        "hsm-keyvault": { sku: "premium", access: [app] },
        "soft-keyvault": { sku: "standard" },
    };
    const inSoftware = {
        vault: "soft-keyvault",
        purpose: ["sign", "verify"],
        protection: "software",
    };
    const inHsm = { vault: "hsm-keyvault", purpose: ["sign"], protection: "hsm" };
    const keys = {
        "rsa-3072": { type: "rsa-3072", distribute: [inHsm, inSoftware] },
        "rsa-4096": {
            type: "rsa-4096",
            distribute: [{ ...inHsm, purpose: ["wrap", "unwrap"], name: "renamed" }],
        },
        "p-521": { type: "ecdsa-p521", distribute: [inHsm, inSoftware] },
        "not-distributed": { type: "ecdsa-p256" },
    };

    async function inVault(vault: string, name: string) {
        const key = await independentClient(project.azure(), vault).keys.getKey(name);
        return [key.keyType, ...key.keyOperations!].join(" ");
    }

    test("each type comes into HSM and software with its operations", async () => {
        project.config({ vaults, keys });

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(await inVault("hsm-keyvault", "rsa-3072")).toBe("RSA-HSM sign");
        expect(await inVault("soft-keyvault", "rsa-3072")).toBe("RSA sign verify");
        expect(await inVault("hsm-keyvault", "renamed")).toBe("RSA-HSM wrapKey unwrapKey");
        expect(await inVault("hsm-keyvault", "p-521")).toBe("EC-HSM sign");
        expect(await inVault("soft-keyvault", "p-521")).toBe("EC sign verify");
        const outputs = await project.outputs();
        expect(outputs.distributions).toHaveLength(5);
        expect(outputs.distributions.every(({ verified }) => verified)).toBe(true);
        expect(outputs.keys["not-distributed"]!.latestVersion).toBe(1);

        // The same key in both vaults.
        const [hsm, soft] = await Promise.all(
            ["hsm-keyvault", "soft-keyvault"].map(
                async (vault) =>
                    (await independentClient(project.azure(), vault).keys.getKey("rsa-3072")).key!
                        .n,
            ),
        );
        expect(hsm).toEqual(soft);
    });

    test("the service principal has exactly the permissions that its vault takes", async () => {
        const { resources } = await project.state();
        const permissions = resources
            .filter(({ type }) => type === "azure-native:keyvault:Vault")
            .map(({ inputs }) => {
                const { vaultName, properties } = inputs as {
                    vaultName: string;
                    properties: { accessPolicies: { permissions: unknown }[] };
                };
                return [vaultName, properties.accessPolicies.map(({ permissions }) => permissions)];
            });
        const always = ["get", "list", "import", "update", "delete", "recover"];
        expect(Object.fromEntries(permissions)).toEqual({
            "hsm-keyvault": [{ keys: [...always, "create"] }, { keys: app.keyPermissions }],
            "soft-keyvault": [{ keys: always }],
        });
    });

    test("purposes change in place, by a version that stays the same", async () => {
        const before = (await project.outputs()).distributions.find(
            ({ name }) => name === "renamed",
        );
        const changed = { ...keys["rsa-4096"].distribute[0]!, purpose: ["unwrap"] };
        project.config({
            vaults,
            keys: { ...keys, "rsa-4096": { type: "rsa-4096", distribute: [changed] } },
        });

        expect((await project.up()).code).toBe(0);

        expect(await inVault("hsm-keyvault", "renamed")).toBe("RSA-HSM unwrapKey");
        const after = (await project.outputs()).distributions.find(
            ({ name }) => name === "renamed",
        );
        expect(after).toEqual({ ...before, purposes: ["unwrap"] });
    });

    test("a distribution may end while its key stays, and come back as the same versions", async () => {
        const versions = (await project.outputs()).distributions.find(
            ({ key }) => key === "p-521",
        )!;
        project.config({ vaults, keys: { ...keys, "p-521": { type: "ecdsa-p521" } } });
        expect((await project.up()).code).toBe(0);
        await expect(inVault("hsm-keyvault", "p-521")).rejects.toMatchObject({ statusCode: 404 });

        project.config({ vaults, keys });
        expect((await project.up()).code).toBe(0);

        expect(await inVault("hsm-keyvault", "p-521")).toBe("EC-HSM sign");
        expect((await project.outputs()).distributions).toContainEqual(versions);
    });

    test("another protection is a replacement: new versions in the HSM, then the copy in software is disabled", async () => {
        const key = (protection: string) => ({
            type: "ecdsa-p256",
            distribute: [{ ...inHsm, protection }],
        });
        project.config({ vaults, keys: { ...keys, moved: key("software") } });
        expect((await project.up()).code).toBe(0);

        project.config({ vaults, keys: { ...keys, moved: key("hsm") } });
        const preview = await project.pulumi(["preview", "--diff"]);
        expect(preview.output).toMatch(/\+-.*DistributedKey.*replace/);
        expect(preview.output).toMatch(/protection *: "software" => "hsm"/);
        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(await inVault("hsm-keyvault", "moved")).toBe("EC-HSM sign");
        const { keys: client } = independentClient(project.azure(), "hsm-keyvault");
        const enabled: boolean[] = [];
        for await (const version of client.listPropertiesOfKeyVersions("moved")) {
            const { keyType, properties } = await client.getKey("moved", version);
            expect(properties.enabled).toBe(keyType === "EC-HSM");
            enabled.push(properties.enabled!);
        }
        expect(enabled.sort()).toEqual([false, true]);
        project.config({ vaults, keys: { ...keys, moved: { type: "ecdsa-p256" } } });
        expect((await project.up()).code).toBe(0);
    });

    test("another case of a name isn't another copy", async () => {
        const cased = { ...keys["rsa-4096"].distribute[0]!, name: "Renamed" };
        project.config({
            vaults,
            keys: {
                ...keys,
                "rsa-4096": { type: "rsa-4096", distribute: [cased] },
                moved: { type: "ecdsa-p256" },
            },
        });

        expect((await project.up()).code).toBe(0);

        expect(await inVault("hsm-keyvault", "renamed")).toMatch(/^RSA-HSM/);
    });

    test("a key that is taken out of the config is refused, and so are its copies", async () => {
        const { "rsa-3072": _gone, ...rest } = keys;
        const others = { ...rest, moved: { type: "ecdsa-p256" } };
        project.config({ vaults, keys: others });

        const { code, output } = await project.up();

        expect(code).not.toBe(0);
        expect(output).toMatch(/Key rsa-3072 isn't deleted, and neither is its copy/);
        expect(await inVault("hsm-keyvault", "rsa-3072")).toBe("RSA-HSM sign");
        expect(await inVault("soft-keyvault", "rsa-3072")).toBe("RSA sign verify");
    });

    test("AZURE_* may give another identity, and the vault's own wins over it", async () => {
        const { operator, tenantId } = project.azure();
        const other = {
            AZURE_TENANT_ID: tenantId,
            AZURE_CLIENT_ID: operator.clientId,
            AZURE_CLIENT_SECRET: operator.clientSecret,
        };
        const key = { type: "ecdsa-p256", distribute: [inHsm] };
        const clientsOfImport = (name: string) =>
            project
                .requests()
                .filter((each) => each.operation === "import" && each.key === name)
                .map(({ clientId }) => clientId);

        project.config({
            vaults,
            keys: { ...keys, moved: { type: "ecdsa-p256" }, "by-variables": key },
        });
        expect((await project.up(other)).code).toBe(0);
        expect(clientsOfImport("by-variables")).toEqual([operator.clientId]);

        const identity = {
            tenantId,
            clientId: operator.clientId,
            clientSecretFrom: "env:OPERATOR_SECRET",
        };
        project.config({
            vaults: { ...vaults, "hsm-keyvault": { sku: "premium", identity } },
            keys: { ...keys, moved: { type: "ecdsa-p256" }, "by-variables": key, "by-vault": key },
        });
        const nobody = { ...other, AZURE_CLIENT_ID: "nobody", AZURE_CLIENT_SECRET: "nothing" };
        // The other vault's distributions don't change, so the identity of nobody isn't asked for.
        const up = await project.up({ ...nobody, OPERATOR_SECRET: operator.clientSecret });
        expect([up.code, up.output]).toEqual([0, expect.any(String)]);
        expect(clientsOfImport("by-vault")).toEqual([operator.clientId]);
        expect(JSON.stringify(await project.state())).not.toContain(operator.clientSecret);
    });
});
