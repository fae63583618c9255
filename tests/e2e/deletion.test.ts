import { createPrivateKey } from "node:crypto";
import { ecKeyPair } from "../keyPair";
import { passSeconds, requestsSince, softDelete, versionsIn } from "./operator";
import { independentClient, Project } from "./project";

/** How copies end, come back, and what else may stand where they are to be. Each step goes on from the one before. */
describe("delete, recover, adopt", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const vault = "deletion-keyvault";
    const vaults = { [vault]: { sku: "standard", allowPurge: true } };
    const pem = ecKeyPair("P-256").privateKey.export({ format: "pem", type: "pkcs8" });
    const env = { OWN: pem as string };
    const to = (distribution: object = {}) => ({
        distribute: [{ vault, purpose: ["sign"], protection: "software", ...distribution }],
    });
    const key = (rest: object = {}) => ({ type: "ecdsa-p256", ...rest });
    const ids: Record<string, string> = {};
    const back = {
        recovered: key(to({ tags: { team: "billing" }, purpose: ["sign", "verify"] })),
        detached: key(to()),
        purged: key(to()),
        adopted: key({ ...to(), import: [{ version: 1, from: "env:OWN" }] }),
    };

    const client = () => independentClient(project.azure(), vault).keys;
    const latest = async (name: string) => (await client().getKey(name)).properties.version!;
    const gone = { statusCode: 404 };

    test("a distribution that ends is deleted softly, left as it is, or purged; a live key with our public key is adopted", async () => {
        project.config({
            vaults,
            keys: {
                recovered: key(to({ tags: { team: "shop" } })),
                detached: key(to({ onDelete: "detach" })),
                purged: key(to({ onDelete: "purge" })),
                mixed: key(to()),
            },
        });
        const first = await project.up(env);
        expect([first.code, first.output]).toEqual([0, expect.any(String)]);
        for (const name of ["recovered", "detached", "purged"]) {
            ids[name] = await latest(name);
        }
        // Somebody has the same private key in the vault already.
        const { crv, x, y, d } = createPrivateKey(pem).export({ format: "jwk" });
        const bytes = (member?: string) => Buffer.from(member!, "base64url");
        const jwk = { kty: "EC", crv, x: bytes(x), y: bytes(y), d: bytes(d) };
        ids.adopted = (await client().importKey("adopted", jwk)).properties.version!;
        await passSeconds(project, 5);
        const before = project.requests().length;
        project.config({
            vaults,
            keys: {
                recovered: key(),
                detached: key(),
                purged: key(),
                mixed: key(to()),
                adopted: key({ ...to(), import: [{ version: 1, from: "env:OWN" }] }),
            },
        });

        const { code, output } = await project.up(env);

        expect([code, output]).toEqual([0, expect.any(String)]);
        await expect(client().getKey("recovered")).rejects.toMatchObject(gone);
        expect((await client().getDeletedKey("recovered")).properties.version).toBe(ids.recovered);
        expect(await latest("detached")).toBe(ids.detached);
        await expect(client().getKey("purged")).rejects.toMatchObject(gone);
        await expect(client().getDeletedKey("purged")).rejects.toMatchObject(gone);
        // No transfer: it was there. Its operations and tags are ours now.
        expect(requestsSince(project, before).adopted).toEqual(["listVersions", "get", "update"]);
        const adopted = await client().getKey("adopted");
        expect(adopted.properties.version).toBe(ids.adopted);
        expect([adopted.keyOperations, adopted.properties.tags]).toEqual([
            ["sign"],
            expect.objectContaining({ "keymgmt-key": "adopted" }),
        ]);
    });

    test("they come back, up to date; what is foreign is an error with the way out; the rest is done nevertheless", async () => {
        await client().createEcKey("foreign-live", { curve: "P-256" });
        await client().createEcKey("foreign-deleted", { curve: "P-256" });
        await softDelete(project, vault, "foreign-deleted");
        await client().createEcKey("mixed", { curve: "P-256" });
        const before = project.requests().length;
        project.config({
            vaults,
            keys: {
                ...back,
                mixed: key(),
                "foreign-live": key(to()),
                "foreign-deleted": key(to()),
            },
        });

        const { code, output } = await project.up(env);

        expect(code).not.toBe(0);
        expect(output).not.toMatch(/^\s+at /m);
        expect(output).toMatch(
            /vault deletion-keyvault has a key foreign-live that isn't key foreign-live: none of its 1 version\(s\).*Distribute foreign-live under another name/,
        );
        expect(output).toMatch(
            /The name foreign-deleted in vault deletion-keyvault is held by a soft-deleted key.*Otherwise purge it, wait until its retention is over, or distribute foreign-deleted under another name/,
        );
        expect(output).toMatch(/Nothing is deleted in this run, since foreign-\S+ failed/);
        expect(await versionsIn(project, vault, "mixed")).toHaveLength(2);

        const sent = (name: string) =>
            project
                .requests()
                .slice(before)
                .filter((each) => each.key === name && each.status === 200)
                .map(({ operation }) => operation);
        expect(sent("recovered")).toEqual(expect.arrayContaining(["recover", "update"]));
        expect(sent("recovered")).not.toContain("import");
        const recovered = await client().getKey("recovered");
        expect(recovered.properties).toMatchObject({
            version: ids.recovered,
            enabled: true,
            tags: { team: "billing" },
        });
        expect(recovered.keyOperations).toEqual(["sign", "verify"]);
        expect(await latest("detached")).toBe(ids.detached);
        expect(sent("detached")).not.toContain("import");
        // The same key with another id.
        expect(sent("purged")).toContain("import");
        expect(await latest("purged")).not.toBe(ids.purged);
        const { keys } = await project.outputs();
        expect(keys).toMatchObject({
            recovered: { inStep: true },
            detached: { inStep: true },
            purged: { inStep: true },
            "foreign-live": { inStep: false },
            "foreign-deleted": { inStep: false },
        });
    });

    test("a copy stays while somebody else's versions stand under its name", async () => {
        project.config({ vaults, keys: { ...back, mixed: key() } });

        const { code, output } = await project.up(env);

        expect(code).not.toBe(0);
        expect(output).toMatch(
            /The copy mixed of key mixed in vault deletion-keyvault isn't deleted: 1 version\(s\) of it aren't ours.*set onDelete: detach/,
        );
        expect(await versionsIn(project, vault, "mixed")).toHaveLength(2);
    });
});
