import { independentClient, Project } from "./project";

const keyNames = ["k-1", "k-2", "k-3", "k-4"];
const config = {
    vaults: { "learn-keyvault": { sku: "premium" } },
    keys: Object.fromEntries(
        keyNames.map((name) => [
            name,
            {
                type: "ecdsa-p256",
                rotation: { trigger: "1" },
                distribute: [{ vault: "learn-keyvault", purpose: ["sign"], protection: "hsm" }],
            },
        ]),
    ),
};

describe("an interrupted up is finished by the next one", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    async function versionCounts(): Promise<number[]> {
        const { keys } = independentClient(project.azure(), "learn-keyvault");
        return Promise.all(
            keyNames.map(async (name) => {
                let count = 0;
                for await (const _version of keys.listPropertiesOfKeyVersions(name)) {
                    count++;
                }
                return count;
            }),
        );
    }

    async function thumbprints(): Promise<string[]> {
        const { keys } = await project.outputs();
        return keyNames.map((name) => keys[name]!.versions[1]!.thumbprint);
    }

    test("a vault that refuses us leaves the keys in the state", async () => {
        project.config(config);
        // The right tenant, so that the identity counts, and nobody of that tenant.
        await project.keymgmt(["pulumi", "preview"]);
        const { tenantId } = project.azure();

        const refused = await project.up({
            AZURE_TENANT_ID: tenantId,
            AZURE_CLIENT_ID: "00000000-0000-0000-0000-00000000beef",
            AZURE_CLIENT_SECRET: "not-a-secret-of-anybody",
        });

        expect(refused.code).not.toBe(0);
        expect(refused.output).toMatch(
            /Vault learn-keyvault \(https:.*\) didn't list the versions of key k-1.*Check the tenant/,
        );
        expect(refused.output).not.toMatch(/^\s+at /m);
        expect(refused.output).not.toContain("not-a-secret-of-anybody");
        const { resources } = await project.state();
        const made = resources.filter(({ type }) => type.endsWith(":ManagedKey"));
        expect(made).toHaveLength(keyNames.length);

        expect((await project.up()).code).toBe(0);

        expect(await versionCounts()).toEqual([1, 1, 1, 1]);
        const inState = made.map(({ outputs }) => outputs.versions as { thumbprint: string }[]);
        expect(inState.map(([first]) => first!.thumbprint).sort()).toEqual(
            (await thumbprints()).sort(),
        );
    });

    test("killed in the middle of a rotation, nothing is imported twice and nothing is left out", async () => {
        const before = await thumbprints();
        const keys = Object.fromEntries(
            Object.entries(config.keys).map(([name, key]) => [
                name,
                { ...key, rotation: { trigger: "2" } },
            ]),
        );
        project.config({ ...config, keys });
        const imported = project.vaultRequest(/^import k-\d 200$/, project.vaultRequests().length);
        const run = project.start(["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]);
        await imported;
        run.kill();
        await run.ended;
        const counts = await versionCounts();
        expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(keyNames.length);

        // A killed engine leaves its lock, if it got as far; Pulumi's way to take it away.
        await project.pulumi(["cancel", "--yes"]);
        const next = await project.up();

        expect([next.code, next.output]).toEqual([0, expect.any(String)]);
        expect(await versionCounts()).toEqual([2, 2, 2, 2]);
        expect(await thumbprints()).toEqual(before);
        const { distributions, keys: outputs } = await project.outputs();
        for (const { key, verified, versionedKeyId, currentVersion } of distributions) {
            expect({ verified, currentVersion }).toEqual({ verified: true, currentVersion: 2 });
            const { keys: vault } = independentClient(project.azure(), "learn-keyvault");
            const current = await vault.getKey(key);
            expect(current.id).toBe(versionedKeyId);
            expect(current.properties.tags).toMatchObject({
                "keymgmt-version": "2",
                "keymgmt-thumbprint": outputs[key]!.versions[2]!.thumbprint,
            });
        }
    });
});
