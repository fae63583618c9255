import { manage, passSeconds, requestsSince, softDelete, versionsIn } from "./operator";
import { independentClient, Project } from "./project";
import { ecKeyPair } from "../keyPair";

/** Everything that can be done behind our back, done at once in one vault and, to another vault, as a whole. */
describe("drift", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const vault = "drift-keyvault";
    const vaults = {
        [vault]: { sku: "premium" },
        "gone-keyvault": { sku: "premium", location: "northeurope" },
    };
    const pem = () => ecKeyPair("P-256").privateKey.export({ format: "pem", type: "pkcs8" });
    const env = { FIRST: pem() as string, SECOND: pem() as string };
    const key = (distribution: object = {}, rules: object = {}) => ({
        type: "ecdsa-p256",
        ...rules,
        distribute: [{ vault, purpose: ["sign"], protection: "software", ...distribution }],
    });
    const keys = {
        disabled: key(),
        enabled: key(
            {},
            {
                import: [
                    { version: 1, from: "env:FIRST" },
                    { version: 2, from: "env:SECOND" },
                ],
                disabledVersions: [1],
            },
        ),
        operations: key(),
        tags: key({ tags: { team: "shop" } }),
        expiry: key({ expiresAfter: "P10Y" }),
        covered: key(),
        deleted: key({ tags: { team: "shop" } }),
        gone: key({ vault: "gone-keyvault" }),
        quiet: key(),
    };
    let foreign: string;

    const client = () => independentClient(project.azure(), vault).keys;
    const latest = async (name: string) => (await client().getKey(name)).properties.version!;

    /** A diff by resource: each with its header and what stands below it. */
    const partsOf = (output: string) => output.split(/^(?= *[~+-]+ \S+: \()/m);

    /** What a diff tells of the copy of one key. */
    function toldOf(output: string, name: string): string {
        return partsOf(output)
            .filter((part) => part.includes(`DistributedKey::${name}@`))
            .join("");
    }

    /** Both a refresh and the preview of one. @param gone what the first line of a resource says that is gone */
    function expectAllTold(output: string, gone: RegExp): void {
        const told = (name: string) => toldOf(output, name);
        expect(told("disabled")).toMatch(/~ enabled *: true => false/);
        expect(told("enabled")).toMatch(/~ 1: \{\s+createdAt.*\s+~ enabled *: false => true/);
        expect(told("operations")).toMatch(/~ purposes *: \[\s+\[0\]: "sign"\s+\+ \[1\]: "verify"/);
        expect(told("tags")).toMatch(/- team *: "shop"/);
        expect(told("expiry")).toMatch(
            /~ expiresAt *: "2036-11-20T00:00:00.000Z" => "2030-01-01T00:00:00.000Z"/,
        );
        expect(told("covered")).toMatch(
            new RegExp(`~ foreign *: \\[\\s+\\+ \\[0\\]: \\{[^}]*\\+ id *: "${foreign}"`),
        );
        for (const name of ["disabled", "enabled", "operations", "tags", "expiry", "covered"]) {
            expect(told(name)).toMatch(/~ inStep *: true => false/);
        }
        for (const name of ["deleted", "gone"]) {
            expect(told(name)).toMatch(gone);
        }
        expect(output).toMatch(/Vault::gone-keyvault/);
        expect(told("quiet")).toBe("");
    }

    test("one vault and another are filled", async () => {
        project.config({ asOf: "2026-11-20", vaults, keys });

        const { code, output } = await project.up(env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect((await versionsIn(project, vault, "enabled")).map(({ enabled }) => enabled)).toEqual(
            [false, true],
        );
    });

    test("preview --refresh shows each", async () => {
        await passSeconds(project, 5);
        const change = async (name: string, to: object) =>
            client().updateKeyProperties(name, await latest(name), to);
        await change("disabled", { enabled: false });
        const [first] = await versionsIn(project, vault, "enabled");
        await client().updateKeyProperties("enabled", first!.version!, { enabled: true });
        await change("operations", { keyOps: ["sign", "verify"] });
        await change("tags", { tags: {} });
        await change("expiry", { expiresOn: new Date("2030-01-01") });
        foreign = (await client().createEcKey("covered", { curve: "P-384" })).properties.version!;
        await softDelete(project, vault, "deleted");
        const { id } = (await project.outputs()).vaults["gone-keyvault"]!;
        const { subscriptionId } = project.azure();
        const apiVersion = "?api-version=2024-11-01";
        const deletedVault = `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/locations/northeurope/deletedVaults/gone-keyvault`;
        expect(await manage(project, "DELETE", `${id}${apiVersion}`)).toBe(200);
        expect(await manage(project, "POST", `${deletedVault}/purge${apiVersion}`)).toBeLessThan(
            300,
        );
        await passSeconds(project, 5);

        const { code, output } = await project.pulumi(["preview", "--refresh", "--diff"], env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        const found = partsOf(output).filter((part) => part.includes(": (refresh)"));
        expectAllTold(found.join(""), /- copies *: \{/);
        expect(output).toMatch(/\+ 3 to create\s+~ 6 to update/);
    });

    test("so does refresh, with one list for each copy and one look at each that changed", async () => {
        const before = project.requests().length;

        const { code, output } = await project.pulumi(
            ["refresh", "--yes", "--skip-preview", "--diff"],
            env,
        );

        expect([code, output]).toEqual([0, expect.any(String)]);
        expectAllTold(output, /^ *- \S+DistributedKey: \(delete\)/);
        const changed = ["listVersions", "get"];
        expect(requestsSince(project, before)).toEqual({
            disabled: changed,
            enabled: changed,
            operations: changed,
            tags: changed,
            expiry: changed,
            covered: changed,
            deleted: ["listVersions"],
            quiet: ["listVersions"],
        });
        const { keys: told } = await project.outputs();
        expect(told.quiet).toMatchObject({ inStep: true });
    });

    test("the next up repairs it with the fewest requests, and nothing more", async () => {
        const before = project.requests().length;

        const { code, output } = await project.up(env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        const changed = ["listVersions", "update"];
        const { deleted, ...others } = requestsSince(project, before);
        expect(others).toEqual({
            disabled: changed,
            enabled: changed,
            operations: changed,
            tags: changed,
            expiry: changed,
            covered: ["listVersions", "import"],
            gone: ["listVersions", "import"],
        });
        // Recovered: nothing came in anew (the one import was refused), and nothing had to be changed.
        expect(deleted).toContain("recover");
        expect(deleted).not.toContain("update");
        expect(
            project
                .requests()
                .slice(before)
                .filter(({ key, operation }) => key === "deleted" && operation === "import")
                .map(({ status }) => status),
        ).toEqual([409]);

        const { properties, keyOperations } = await client().getKey("operations");
        expect([properties.enabled, keyOperations]).toEqual([true, ["sign"]]);
        expect((await client().getKey("tags")).properties.tags).toMatchObject({ team: "shop" });
        expect((await client().getKey("expiry")).properties.expiresOn).toEqual(
            new Date("2036-11-20"),
        );
        const enabledIn = async (name: string) =>
            (await versionsIn(project, vault, name)).map(({ enabled }) => enabled);
        expect(await enabledIn("enabled")).toEqual([false, true]);
        expect(await enabledIn("disabled")).toEqual([true]);
        const { distributions } = await project.outputs();
        expect(distributions.every(({ inStep }) => inStep)).toBe(true);
        // Ours is current again, beside the foreign one, which is as it was.
        const covered = distributions.find(({ name }) => name === "covered")!;
        expect(covered.foreign).toEqual([foreign]);
        expect((await client().getKey("covered")).id).toBe(covered.versionedKeyId);
        const other = await client().getKey("covered", { version: foreign });
        expect(other.properties.updatedOn).toEqual(other.properties.createdOn);
    });

    test("after that a refresh has nothing to tell", async () => {
        const { code, output } = await project.pulumi(
            ["refresh", "--preview-only", "--expect-no-changes"],
            env,
        );
        expect([code, output]).toEqual([0, expect.any(String)]);
    });
});
