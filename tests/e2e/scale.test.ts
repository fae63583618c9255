import { writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { requestsSince } from "./operator";
import { Project, type Run } from "./project";

/** As many keys as are asked for: 100, or 1,000 by `npm run test:scale`. */
const count = Number(process.env.SCALE_KEYS ?? 100);

describe(`one change among ${count} keys`, () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const rotated = "k-7";
    // The file backend writes the whole state at each step, which is nothing of ours: once, at the end, is enough here.
    const env = { PULUMI_SKIP_CHECKPOINTS: "true" };
    const versionIds = async () =>
        Object.fromEntries(
            (await project.outputs()).distributions.map(({ key, versions }) => [key, versions]),
        );

    function configure(trigger: string): void {
        // In a file: so many are more than Pulumi's config takes.
        project.config({
            vaults: { "scale-keyvault": { sku: "standard" } },
            keys: "file:keys.yaml",
        });
        writeFileSync(
            project.file("keys.yaml"),
            stringify(
                Object.fromEntries(
                    Array.from({ length: count }, (_each, index) => {
                        const name = `k-${index + 1}`;
                        const distribution = {
                            vault: "scale-keyvault",
                            purpose: ["sign"],
                            protection: "software",
                        };
                        return [
                            name,
                            {
                                type: "ecdsa-p256",
                                ...(name === rotated && { rotation: { trigger } }),
                                distribute: [distribution],
                            },
                        ];
                    }),
                ),
            ),
        );
    }

    /** Tells how long it took, where that was asked for. */
    async function timed(what: string, run: () => Promise<Run>): Promise<Run> {
        const start = Date.now();
        const result = await run();
        if (process.env.SCALE_KEYS) {
            process.stderr.write(`${count} keys: ${what}: ${(Date.now() - start) / 1000} s\n`);
        }
        expect([result.code, result.output]).toEqual([0, expect.any(String)]);
        return result;
    }

    test("the first distribution costs one list and one import for each key", async () => {
        configure("1");

        await timed("up", () => project.up(env));

        const asked = requestsSince(project, 0);
        expect(Object.keys(asked)).toHaveLength(count);
        expect(
            Object.values(asked).filter((each) => each.join() !== "listVersions,import"),
        ).toEqual([]);
    });

    test("one rotates: its key and its distribution change, and only its requests are sent", async () => {
        const ids = await versionIds();
        configure("2");
        let before = project.requests().length;
        const preview = await timed("preview of one rotation", () => project.pulumi(["preview"]));
        expect(preview.output).toMatch(/~ 2 to update\s/);
        expect(preview.output).not.toMatch(/to create|to replace|to delete/);
        expect(requestsSince(project, before)).toEqual({});

        before = project.requests().length;
        const { output } = await timed("up with one rotation", () => project.up(env));

        expect(output).toMatch(/~ 2 updated\s/);
        const updated = [...output.matchAll(/keymgmt:\S+ (\S+) updated/g)];
        expect(updated.map(([, name]) => name).sort()).toEqual([
            rotated,
            `${rotated}@scale-keyvault`,
        ]);
        expect(requestsSince(project, before)).toEqual({ [rotated]: ["listVersions", "import"] });
        const after = await versionIds();
        expect(after[rotated]).toMatchObject({ 1: ids[rotated]![1]!, 2: { enabled: true } });
        expect({ ...after, [rotated]: undefined }).toEqual({ ...ids, [rotated]: undefined });
    });

    test("an up without a change sends nothing; a refresh one list for each distribution", async () => {
        let before = project.requests().length;
        await timed("up without a change", () => project.up(env));
        expect(requestsSince(project, before)).toEqual({});

        before = project.requests().length;
        await timed("refresh", () =>
            project.pulumi(["refresh", "--yes", "--skip-preview", "--expect-no-changes"], env),
        );
        const asked = requestsSince(project, before);
        expect(Object.keys(asked)).toHaveLength(count);
        expect(Object.values(asked).filter((each) => each.join() !== "listVersions")).toEqual([]);
    });
});
