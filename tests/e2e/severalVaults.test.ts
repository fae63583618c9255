import { requestsSince } from "./operator";
import { Project } from "./project";

/** Many keys in three vaults, one of which refuses us at once, while much is still to be done in the others. */
describe("where one vault fails, the others are done", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const others = ["west-keyvault", "north-keyvault"];
    const failing = "east-keyvault";
    const names = Array.from({ length: 6 }, (_each, index) => `k-${index + 1}`);

    function configure(trigger: string): void {
        const { tenantId, operator } = project.azure();
        const identity = {
            tenantId,
            clientId: operator.clientId,
            clientSecretFrom: "env:EAST_SECRET",
        };
        // The failing one comes first.
        const vaults = [failing, ...others];
        project.config({
            vaults: Object.fromEntries(
                vaults.map((vault) => [
                    vault,
                    { sku: "standard", ...(vault === failing && { identity }) },
                ]),
            ),
            keys: Object.fromEntries(
                names.map((name) => [
                    name,
                    {
                        type: "ecdsa-p256",
                        rotation: { trigger },
                        distribute: vaults.map((vault) => ({
                            vault,
                            purpose: ["sign"],
                            protection: "software",
                        })),
                    },
                ]),
            ),
        });
    }

    const importsInto = (vault: string, since: number) =>
        project
            .requests()
            .slice(since)
            .filter((each) => each.operation === "import" && each.status === 200)
            .filter((each) => String(each.vault) === vault)
            .map(({ key }) => key)
            .sort();
    const rightSecret = () => ({ EAST_SECRET: project.azure().operator.clientSecret });

    test("a plain up does all that it can, names the vault, and says that its keys aren't in step", async () => {
        await project.pulumi(["preview"]); // for there to be a local Azure, with its operator
        configure("1");
        const first = await project.up(rightSecret());
        expect([first.code, first.output]).toEqual([0, expect.any(String)]);
        const before = project.requests().length;
        configure("2");

        const { code, output } = await project.up({ EAST_SECRET: undefined });

        expect(code).not.toBe(0);
        for (const name of names) {
            expect(output).toContain(`(${name}@east-keyvault)`);
        }
        expect(output).toMatch(
            /There's no client secret of \S+: the environment variable EAST_SECRET/,
        );
        expect(output).not.toMatch(/^\s+at /m);
        for (const vault of others) {
            expect([vault, importsInto(vault, before)]).toEqual([vault, [...names].sort()]);
        }
        expect(importsInto(failing, before)).toEqual([]);
        const { keys, distributions } = await project.outputs();
        for (const name of names) {
            expect(keys[name]).toMatchObject({ latestVersion: 2, inStep: false });
        }
        const told = distributions.filter(({ key }) => key === "k-1");
        expect(told).toMatchObject([
            { vault: failing, verified: false, inStep: false },
            { vault: others[0], currentVersion: 2, inStep: true },
            { vault: others[1], currentVersion: 2, inStep: true },
        ]);
    });

    test("the next up finishes it, and asks the others for nothing", async () => {
        const before = project.requests().length;

        const { code, output } = await project.up(rightSecret());

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(importsInto(failing, before)).toEqual([...names].sort());
        const requests = Object.values(requestsSince(project, before));
        expect(requests).toEqual(names.map(() => ["listVersions", "import"]));
        const outputs = await project.outputs();
        for (const name of names) {
            expect(outputs.keys[name]).toMatchObject({ latestVersion: 2, inStep: true });
        }
    });
});
