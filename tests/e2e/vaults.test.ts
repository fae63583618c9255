import { constants, publicEncrypt } from "node:crypto";
import { ask, manage, requestsSince } from "./operator";
import { independentClient, Project, type Distribution } from "./project";

interface Tenant {
    tenantId: string;
    subscriptionIds: string[];
    operator: { clientId: string; clientSecret: string };
}

/** One key in three vaults: of two subscriptions of our tenant, and of another tenant. Each step is on what the one before left. */
describe("vaults of several tenants and subscriptions, and what becomes of them", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    let partner: Tenant;
    let vaults: Record<string, object>;
    /** What a run needs to be let into the partner's vault. */
    let env: NodeJS.ProcessEnv;
    const rules = { trigger: "1", retire: { after: "P7D", action: "expire" } };
    const secret = Buffer.from("made in one vault, opened in the others");
    let ciphertext: Buffer;

    const configure = (changed: object = {}, names = Object.keys(vaults)) =>
        project.config({
            asOf: "2026-11-25",
            vaults,
            keys: {
                orders: {
                    type: "rsa-2048",
                    rotation: rules,
                    distribute: names.map((vault) => ({
                        vault,
                        purpose: ["encrypt", "decrypt"],
                        protection: "software",
                    })),
                    ...changed,
                },
            },
        });

    const client = (vault: string) =>
        independentClient(
            project.azure(),
            vault,
            vault === "partner-keyvault" ? partner : undefined,
        );

    const up = async () => {
        const { code, output } = await project.up(env);
        return { code, output };
    };

    /** An `up` that goes through and ends in step; what it says. */
    async function upInStep(): Promise<string> {
        const { code, output } = await up();
        expect([code, output]).toEqual([0, expect.any(String)]);
        expect((await project.outputs()).keys.orders).toMatchObject({ inStep: true });
        return output;
    }

    async function distributions(): Promise<Record<string, Distribution>> {
        const { distributions: all } = await project.outputs();
        return Object.fromEntries(all.map((each) => [each.vault, each]));
    }

    /** Every vault has these versions, oldest first, and opens what was encrypted under the first one. */
    async function expectVersions(numbers: string[], names = Object.keys(vaults)): Promise<void> {
        const all = await distributions();
        expect(Object.keys(all).sort()).toEqual([...names].sort());
        for (const [vault, { keyId, versions, versionedKeyId }] of Object.entries(all)) {
            const imports = project
                .requests()
                .filter(({ plane, operation, status, ...request }) => {
                    return (
                        plane === "keyvault" &&
                        operation === "import" &&
                        status === 200 &&
                        request.vault === vault
                    );
                });
            expect([vault, Object.keys(versions), imports.length]).toEqual([
                vault,
                numbers,
                numbers.length,
            ]);
            const current = await client(vault).keys.getKey("orders");
            expect([current.id, current.properties.tags!["keymgmt-version"]]).toEqual([
                versionedKeyId,
                numbers.at(-1),
            ]);
            const { result } = await client(vault)
                .cryptography(`${keyId}/${versions[1]!.id}`)
                .decrypt({ algorithm: "RSA-OAEP-256", ciphertext });
            expect(Buffer.from(result)).toEqual(secret);
        }
    }

    const vaultPath = async (name: string) =>
        `${(await project.outputs()).vaults[name]!.id}?api-version=2024-11-01`;

    test("each is made where it is declared, lets in its own identity alone, and gets the same key", async () => {
        vaults = { "west-keyvault": { sku: "premium" } };
        configure({}, []);
        expect((await up()).code).toBe(0);
        partner = await ask(project, "POST", "/local/tenants");
        const { tenantId } = partner;
        const distributor = await ask<Record<"clientId" | "objectId" | "clientSecret", string>>(
            project,
            "POST",
            "/local/applications",
            { tenantId, displayName: "distributor" },
        );
        const sibling = await ask<{ subscriptionId: string }>(
            project,
            "POST",
            "/local/subscriptions",
            { tenantId: project.azure().tenantId },
        );
        env = { PARTNER_SECRET: distributor.clientSecret };
        vaults = {
            "west-keyvault": { sku: "premium", purgeProtection: true },
            "east-keyvault": {
                sku: "premium",
                location: "eastus",
                subscriptionId: sibling.subscriptionId,
            },
            "partner-keyvault": {
                sku: "premium",
                location: "northeurope",
                subscriptionId: partner.subscriptionIds[0],
                tenantId,
                identity: {
                    tenantId,
                    clientId: distributor.clientId,
                    objectId: distributor.objectId,
                    clientSecretFrom: "env:PARTNER_SECRET",
                },
            },
        };
        configure();

        await upInStep();

        const { keys, vaults: made, servicePrincipal } = await project.outputs();
        ciphertext = publicEncrypt(
            {
                key: keys.orders!.versions[1]!.publicKey,
                padding: constants.RSA_PKCS1_OAEP_PADDING,
                oaepHash: "sha256",
            },
            secret,
        );
        await expectVersions(["1"]);
        expect(made["east-keyvault"]!.id).toContain(sibling.subscriptionId);
        expect(made["partner-keyvault"]!.id).toContain(partner.subscriptionIds[0]);
        const { resources } = await project.state();
        const accessOf = (name: string) =>
            resources.find(
                ({ type, urn }) =>
                    type === "azure-native:keyvault:Vault" && urn.endsWith(`::${name}`),
            )!.outputs.properties;
        expect(accessOf("east-keyvault")).toMatchObject({
            accessPolicies: [{ objectId: servicePrincipal.objectId }],
        });
        expect(accessOf("partner-keyvault")).toMatchObject({
            tenantId,
            accessPolicies: [{ objectId: distributor.objectId, tenantId }],
        });
        expect(JSON.stringify(resources)).not.toContain(distributor.clientSecret);
    });

    test("where one vault fails in a rotation, the others are done; the next up finishes that one alone", async () => {
        rules.trigger = "2";
        configure();
        const fault = {
            fault: "status",
            status: 500,
            operation: "import",
            vault: "partner-keyvault",
        };
        await ask(project, "POST", "/local/faults", fault);

        const failed = await up();

        expect(failed.code).not.toBe(0);
        expect(failed.output).toMatch(/Key orders isn't wholly in vault partner-keyvault/);
        expect(failed.output).not.toMatch(/wholly in vault (west|east)-keyvault/);
        expect(await manage(project, "DELETE", "/local/faults")).toBe(204);
        const before = project.requests().length;

        await upInStep();

        // The update has version 1 expire after its overlap.
        expect(requestsSince(project, before)).toEqual({
            orders: ["listVersions", "import", "update"],
        });
        await expectVersions(["1", "2"]);
    });

    test("a vault that was deleted, but not purged, comes back with its keys", async () => {
        expect(await manage(project, "DELETE", await vaultPath("west-keyvault"))).toBe(200);
        for (const refresh of [[], ["--refresh"]]) {
            const { code, output } = await project.pulumi(["preview", "--diff", ...refresh], env);
            expect([code, output]).toEqual([0, expect.stringMatching(/createMode *: "recover"/)]);
        }

        expect((await project.pulumi(["refresh", "--yes"], env)).code).toBe(0);
        await upInStep();

        await expectVersions(["1", "2"]);
        // Only now is the vault itself as declared again, and nothing is to be done after that.
        await upInStep();
        expect((await project.pulumi(["preview", "--expect-no-changes"], env)).code).toBe(0);
    });

    test("under its own name a vault can't move to another region: refused, and nothing changes", async () => {
        const east = vaults["east-keyvault"]!;
        vaults["east-keyvault"] = { ...east, location: "westus" };
        configure();
        const refusal = /vault east-keyvault is in eastus and can't move to westus/;
        const preview = await project.pulumi(["preview"], env);
        expect([preview.code === 0, preview.output]).toEqual([
            false,
            expect.stringMatching(refusal),
        ]);
        expect((await up()).code).not.toBe(0);
        vaults["east-keyvault"] = east;
        configure();
        await upInStep();
        await expectVersions(["1", "2"]);
    });

    test("under another name it is made anew in one up, wherever it is: all versions, then the old one goes", async () => {
        const { "east-keyvault": east, ...others } = vaults;
        vaults = { ...others, "east-keyvault-2": { ...east, location: "westus" } };
        configure();
        const begun = project.requests().length;
        const fault = {
            fault: "status",
            status: 500,
            operation: "import",
            vault: "east-keyvault-2",
        };
        await ask(project, "POST", "/local/faults", fault);

        const failed = await up();

        // The old copy stays as long as the new one isn't there.
        expect(failed.code).not.toBe(0);
        expect(failed.output).toMatch(
            /Nothing is deleted in this run, since orders@east-keyvault-2 failed/,
        );
        expect((await client("east-keyvault").keys.getKey("orders")).properties.enabled).toBe(true);
        expect(await manage(project, "DELETE", "/local/faults")).toBe(204);
        // Nor does it go while the new one is there in part: of two imports the first one works.
        await ask(project, "POST", "/local/faults", { ...fault, probability: 0.8, seed: 56 });

        const halfWay = await up();

        expect(halfWay.code).not.toBe(0);
        const imported = project
            .requests()
            .slice(begun)
            .filter((each) => each.vault === "east-keyvault-2" && each.operation === "import")
            .filter(({ status }) => status === 200);
        expect(imported).toHaveLength(1);
        expect(halfWay.output).toMatch(
            /The copy orders of key orders in vault east-keyvault isn't deleted in this run/,
        );
        expect((await project.outputs()).distributions).toContainEqual({
            key: "orders",
            vault: "east-keyvault-2",
            name: "orders",
            verified: false,
            inStep: false,
        });
        expect((await client("east-keyvault").keys.getKey("orders")).properties.enabled).toBe(true);
        expect(await manage(project, "DELETE", "/local/faults")).toBe(204);

        await upInStep();

        await expectVersions(["1", "2"]);
        const done = project.requests().slice(begun);
        const indexOf = (vault: string, operation: string) =>
            done.findIndex((each) => each.vault === vault && each.operation === operation);
        expect(indexOf("east-keyvault-2", "import")).toBeLessThan(
            indexOf("east-keyvault", "delete"),
        );
        expect(Object.keys(project.azure().vaults)).not.toContain("east-keyvault");
    });

    test("destroyed and made again, also under purge protection: vaults come back, a new key takes its name", async () => {
        configure({ deletionAllowed: true });
        await upInStep();
        const old = (await project.outputs()).keys.orders!.versions[1]!.thumbprint;
        const destroyed = await project.pulumi(["destroy", "--yes", "--skip-preview"], env);
        expect([destroyed.code, destroyed.output]).toEqual([0, expect.any(String)]);
        expect(project.azure().vaults).toEqual({});
        configure();

        await upInStep();

        const { keys } = await project.outputs();
        expect(keys.orders!.latestVersion).toBe(1);
        expect(keys.orders!.versions[1]!.thumbprint).not.toBe(old);
        for (const [vault, { foreign, versionedKeyId }] of Object.entries(await distributions())) {
            const current = await client(vault).keys.getKey("orders");
            expect([vault, current.id, foreign.length]).toEqual([vault, versionedKeyId, 2]);
            for (const version of foreign) {
                const { properties } = await client(vault).keys.getKey("orders", { version });
                expect([vault, properties.enabled]).toEqual([vault, false]);
            }
        }
    });
});
