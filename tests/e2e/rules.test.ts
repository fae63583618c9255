import { ecKeyPair } from "../keyPair";
import { requestsSince, versionsIn } from "./operator";
import { independentClient, Project } from "./project";

/** What becomes of versions by rule, and of copies by their attributes; every rule at once. Each step goes on from the one before. */
describe("rules and attributes", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const vault = "rules-keyvault";
    const vaults = { [vault]: { sku: "standard" } };
    const pem = () =>
        ecKeyPair("P-256").privateKey.export({ format: "pem", type: "pkcs8" }) as string;
    const env = { FIRST: pem(), SECOND: pem(), THIRD: pem() };
    const given = ["FIRST", "SECOND", "THIRD"].map((name, index) => ({
        version: index + 1,
        from: `env:${name}`,
    }));
    const key = (rules: object = {}, distribution: object = {}) => ({
        type: "ecdsa-p256",
        ...rules,
        distribute: [{ vault, purpose: ["sign"], protection: "software", ...distribution }],
    });
    const retire = (action: string) => ({
        rotation: { interval: "P90D", retire: { after: "P7D", action } },
    });
    const keys = {
        disables: key(retire("disable")),
        keeps: key(retire("keep")),
        "keeps-one": key({ rotation: { trigger: 1, keepEnabled: 1 } }),
        notices: key({ rotation: { notifyBefore: "P60D" } }, { expiresAfter: "P1Y" }),
        "at-least-three": key({ import: given, minEnabledVersion: 3 }),
        listed: key({ import: given, disabledVersions: [2] }),
        attributes: key({}, { tags: { team: "shop" } }),
    };
    const changed = {
        ...keys,
        "keeps-one": key({ rotation: { trigger: 2, keepEnabled: 1 } }),
        attributes: key(
            {},
            {
                purpose: ["sign", "verify"],
                tags: { team: "billing" },
                notBefore: "2026-02-01",
                expiresAfter: "P2Y",
            },
        ),
    };

    /** The version of the key whose attributes change. */
    let first: string;

    const client = () => independentClient(project.azure(), vault).keys;
    const enabled = async (name: string) =>
        (await versionsIn(project, vault, name)).map((version) => version.enabled);

    /** What a diff tells of the copy of one key: its header and what stands below it. */
    function toldOf(output: string, type: string, name: string): string {
        return output
            .split(/^(?= *[~+-]+ \S+: \()/m)
            .filter((part) => new RegExp(`${type}::${name}[@\\]]`).test(part))
            .join("");
    }

    test("a key may come with versions that are disabled from the start, and with a notice of its expiry", async () => {
        project.config({ asOf: "2026-01-01", vaults, keys });

        const { code, output } = await project.up(env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(await enabled("at-least-three")).toEqual([false, false, true]);
        expect(await enabled("listed")).toEqual([true, false, true]);
        const { lifetimeActions } = await client().getKeyRotationPolicy("notices");
        expect(lifetimeActions).toMatchObject([{ action: "Notify", timeBeforeExpiry: "P60D" }]);
        const { properties } = await client().getKey("notices");
        expect(properties.expiresOn).toEqual(new Date("2027-01-01"));
        first = (await client().getKey("attributes")).properties.version!;
    });

    test("a preview tells which key rotates, why, and what becomes of each older version; and changed attributes as an update", async () => {
        project.config({ asOf: "2026-04-10", vaults, keys: changed });

        const { code, output } = await project.pulumi(["preview", "--diff"], env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(output).toMatch(/~ 7 to update\s/);
        expect(output).not.toMatch(/to create|to replace|to delete/);
        const due = /\+ reason *: "version 1 had its interval of P90D on 2026-04-01T00:00:00.000Z"/;
        for (const type of ["ManagedKey", "DistributedKey"]) {
            for (const name of ["disables", "keeps"]) {
                expect(toldOf(output, type, name)).toMatch(/~ version *: 1 => 2/);
                expect(toldOf(output, type, name)).toMatch(due);
            }
            expect(toldOf(output, type, "disables")).toMatch(
                /\[0\]: \{[^}]*\+ disabledFrom *: "2026-04-17T00:00:00.000Z"/,
            );
            expect(toldOf(output, type, "keeps")).not.toMatch(/disabled|expires/);
            const keepsOne = toldOf(output, type, "keeps-one");
            expect(keepsOne).toMatch(/\+ reason *: "trigger 2"/);
            expect(keepsOne).toMatch(
                /\[0\]: \{[^}]*\+ disabledBy *: "keepEnabled 1"[^}]*~ enabled *: true => false/,
            );
        }
        const attributes = toldOf(output, "DistributedKey", "attributes");
        expect(attributes).toMatch(/\(update\)/);
        expect(attributes).toMatch(/\+ expiresAfter *: "P2Y"/);
        expect(attributes).toMatch(/\+ notBefore *: "2026-02-01T00:00:00.000Z"/);
        expect(attributes).toMatch(/~ purposes *: \[\s+\[0\]: "sign"\s+\+ \[1\]: "verify"/);
        expect(attributes).toMatch(/~ team *: "shop" => "billing"/);
        for (const name of ["notices", "at-least-three", "listed"]) {
            expect(toldOf(output, "DistributedKey", name)).toBe("");
        }
    });

    test("the up does that, with no request more, and attributes change on the same versions", async () => {
        const since = project.requests().length;

        const { code, output } = await project.up(env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(requestsSince(project, since)).toEqual({
            disables: ["listVersions", "import"],
            keeps: ["listVersions", "import"],
            "keeps-one": ["listVersions", "import", "update"],
            attributes: ["listVersions", "update"],
        });
        expect(await enabled("disables")).toEqual([true, true]);
        expect(await enabled("keeps")).toEqual([true, true]);
        expect(await enabled("keeps-one")).toEqual([false, true]);
        const [after, ...more] = await versionsIn(project, vault, "attributes");
        expect(more).toEqual([]);
        expect(after).toMatchObject({
            version: first,
            notBefore: new Date("2026-02-01"),
            expiresOn: new Date("2028-01-01"),
            tags: { team: "billing", "keymgmt-version": "1" },
        });
        expect((await client().getKey("attributes")).keyOperations).toEqual(["sign", "verify"]);
    });

    test("after the overlap the older version is disabled, and nothing else changes", async () => {
        project.config({ asOf: "2026-04-20", vaults, keys: changed });
        const since = project.requests().length;

        const { code, output } = await project.pulumi(["up", "--yes", "--diff"], env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(toldOf(output, "DistributedKey", "disables")).toMatch(
            /\+ disabledBy *: "retire: P7D after version 2"/,
        );
        expect(output).toMatch(/~ 2 updated\s/);
        expect(requestsSince(project, since)).toEqual({ disables: ["listVersions", "update"] });
        expect(await enabled("disables")).toEqual([false, true]);
    });
});
