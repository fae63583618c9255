import { constants, publicEncrypt } from "node:crypto";
import { request } from "node:https";
import type { KeyProperties } from "@azure/keyvault-keys";
import { independentClient, Project } from "./project";

/** A key through its years, in two vaults and then three; each step on what the one before left. */
describe("the life of a key", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const vaults: Record<string, object> = {
        "west-keyvault": { sku: "premium" },
        "east-keyvault": { sku: "premium", location: "eastus" },
    };
    const inVault = (vault: string) => ({
        vault,
        purpose: ["encrypt", "decrypt"],
        protection: "software",
    });
    const rotation = { interval: "P90D", retire: { after: "P7D", action: "expire" } };
    const key = {
        type: "rsa-2048",
        rotation,
        distribute: [inVault("west-keyvault"), inVault("east-keyvault")],
    };
    const secret = Buffer.from("a secret of years ago");
    let ciphertext: Buffer;

    function configure(asOf: string, changed: object = {}): void {
        project.config({ asOf, vaults, keys: { orders: { ...key, ...changed } } });
    }

    const client = (vault: string) => independentClient(project.azure(), vault);

    async function versionsIn(vault: string): Promise<KeyProperties[]> {
        const all: KeyProperties[] = [];
        for await (const version of client(vault).keys.listPropertiesOfKeyVersions("orders")) {
            all.push(version);
        }
        const number = ({ tags }: KeyProperties) => Number(tags?.["keymgmt-version"] ?? 0);
        return all.sort((one, other) => number(one) - number(other));
    }

    const enabledIn = async (vault: string) =>
        (await versionsIn(vault)).map(({ enabled }) => enabled);

    async function decrypt(vault: string, version: number): Promise<Buffer> {
        const { versions, keyId } = (await project.outputs()).distributions.find(
            (each) => each.vault === vault,
        )!;
        const { result } = await client(vault)
            .cryptography(`${keyId}/${versions[version]!.id}`)
            .decrypt({ algorithm: "RSA-OAEP-256", ciphertext });
        return Buffer.from(result);
    }

    /** The local Azure's own interface and the resource manager, with the operator's identity. */
    async function manage(method: string, path: string, body?: object): Promise<number> {
        const { resourceManager, operator } = project.azure();
        const { ca, token } = client("west-keyvault");
        const authorization = path.startsWith("/local/")
            ? `Basic ${Buffer.from(`${operator.clientId}:${operator.clientSecret}`).toString("base64")}`
            : `Bearer ${await token("https://management.azure.com")}`;
        return new Promise((resolve, reject) => {
            const headers = {
                authorization,
                ...(body && { "content-type": "application/json" }),
            };
            request(new URL(path, resourceManager), { method, ca, headers }, (response) => {
                response.resume();
                response.on("end", () => resolve(response.statusCode!));
            })
                .on("error", reject)
                .end(body && JSON.stringify(body));
        });
    }

    test("both vaults get its first version", async () => {
        configure("2026-01-01");

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        const outputs = await project.outputs();
        expect(outputs.keys.orders).toMatchObject({ latestVersion: 1, inStep: true });
        expect(outputs.keys.orders!.versions[1]!.createdAt).toBe("2026-01-01T00:00:00.000Z");
        ciphertext = publicEncrypt(
            {
                key: outputs.keys.orders!.versions[1]!.publicKey,
                padding: constants.RSA_PKCS1_OAEP_PADDING,
                oaepHash: "sha256",
            },
            secret,
        );
        expect(await decrypt("east-keyvault", 1)).toEqual(secret);
    });

    test("nothing is due until its interval is over, and then a preview says what and why", async () => {
        configure("2026-03-31");
        const before = await project.pulumi(["preview", "--diff"]);
        expect(before.output).not.toMatch(/version *: 1 => 2/);

        configure("2026-11-20");
        const { output } = await project.pulumi(["preview", "--diff"]);
        expect(output).toMatch(/version *: 1 => 2/);
        expect(output).toMatch(/version 1 had its interval of P90D on 2026-04-01T00:00:00.000Z/);
        expect(output).toMatch(/expiresAt *: "2026-11-27T00:00:00.000Z"/);
    });

    test("a vault that fails in the middle of a rotation is named, and the next up finishes it", async () => {
        const fault = { fault: "status", status: 500, operation: "import", vault: "east-keyvault" };
        expect(await manage("POST", "/local/faults", fault)).toBe(201);

        const failed = await project.up();

        expect(failed.code).not.toBe(0);
        expect(failed.output).toMatch(/Key orders isn't wholly in vault east-keyvault/);
        expect(await versionsIn("west-keyvault")).toHaveLength(2);
        expect(await versionsIn("east-keyvault")).toHaveLength(1);

        expect(await manage("DELETE", "/local/faults")).toBe(204);
        expect((await project.up()).code).toBe(0);
        expect((await project.outputs()).keys.orders).toMatchObject({
            latestVersion: 2,
            inStep: true,
        });
        for (const vault of Object.keys(vaults)) {
            const [first, second, ...more] = await versionsIn(vault);
            expect(first!.expiresOn).toEqual(new Date("2026-11-27T00:00:00.000Z"));
            expect([second!.expiresOn, more]).toEqual([undefined, []]);
            expect(await decrypt(vault, 1)).toEqual(secret);
        }
    });

    test("older versions are disabled and enabled again, the latest never", async () => {
        configure("2026-11-20", { minEnabledVersion: 2 });
        expect((await project.up()).code).toBe(0);
        expect(await enabledIn("west-keyvault")).toEqual([false, true]);
        expect(await enabledIn("east-keyvault")).toEqual([false, true]);

        configure("2026-11-20", { minEnabledVersion: 3, disabledVersions: [2] });
        const refused = await project.up();
        expect(refused.code).not.toBe(0);
        expect(refused.output).toMatch(/minEnabledVersion.*3 would disable the latest version/);
        expect(refused.output).toMatch(/disabledVersions\[0\].*2 is the latest version/);

        configure("2026-11-20");
        expect((await project.up()).code).toBe(0);
        expect(await enabledIn("west-keyvault")).toEqual([true, true]);
    });

    test("what was done behind our back is seen by refresh and repaired by up", async () => {
        const { keys } = client("west-keyvault");
        const [first] = await versionsIn("west-keyvault");
        await keys.updateKeyProperties("orders", first!.version!, { enabled: false });
        const foreign = await keys.createKey("orders", "RSA");

        const refresh = await project.pulumi(["refresh", "--yes"]);
        expect([refresh.code, refresh.output]).toEqual([0, expect.any(String)]);
        const { resources } = await project.state();
        const drifted = resources.find(({ urn }) => urn.endsWith("::orders@west-keyvault"))!;
        expect(drifted.outputs).toMatchObject({ inStep: false, copies: { 1: { enabled: false } } });
        expect(drifted.outputs.foreign).toMatchObject([{ id: foreign.properties.version }]);

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        const outputs = await project.outputs();
        const west = outputs.distributions.find(({ vault }) => vault === "west-keyvault")!;
        expect(west).toMatchObject({ inStep: true, foreign: [foreign.properties.version] });
        expect((await keys.getKey("orders")).id).toBe(west.versionedKeyId);
        expect((await keys.getKey("orders", foreign.properties)).properties.enabled).toBe(true);
        expect(await decrypt("west-keyvault", 1)).toEqual(secret);
    });

    test("a vault that comes later gets all versions, oldest first, and they prove what they are", async () => {
        vaults["north-keyvault"] = { sku: "premium", location: "northeurope" };
        key.distribute.push(inVault("north-keyvault"));
        project.config({
            asOf: "2026-11-20",
            verify: "deep",
            vaults,
            keys: { orders: { ...key, disabledVersions: [1] } },
        });

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(await enabledIn("north-keyvault")).toEqual([false, true]);
        const north = (await project.outputs()).distributions.find(
            ({ vault }) => vault === "north-keyvault",
        )!;
        expect(north.proofs).toEqual({ 1: { unproven: "it is disabled" }, 2: { by: "decrypt" } });
        configure("2026-11-20");
        expect((await project.up()).code).toBe(0);
    });

    test("a vault that was lost is made anew, with the same key", async () => {
        const { subscriptionId } = project.azure();
        const { id } = (await project.outputs()).vaults["north-keyvault"]!;
        const apiVersion = "?api-version=2024-11-01";
        expect(await manage("DELETE", `${id}${apiVersion}`)).toBe(200);
        const deleted = `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/locations/northeurope/deletedVaults/north-keyvault`;
        expect(await manage("POST", `${deleted}/purge${apiVersion}`)).toBeLessThan(300);

        const { code, output } = await project.pulumi([
            "up",
            "--yes",
            "--skip-preview",
            "--refresh",
        ]);

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(await enabledIn("north-keyvault")).toEqual([true, true]);
        expect(await decrypt("north-keyvault", 1)).toEqual(secret);
        expect((await project.outputs()).keys.orders).toMatchObject({ inStep: true });
    });

    test("another name is a replacement: the new copy comes before the old one goes", async () => {
        // In the west a foreign version stands under the old name, with which no copy is deleted.
        const distribute = key.distribute.map((each) =>
            each.vault === "west-keyvault" ? each : { ...each, name: "orders-2" },
        );
        configure("2026-11-20", { distribute });
        const preview = await project.pulumi(["preview", "--diff"]);
        expect(preview.output).toMatch(/name *: "orders" => "orders-2"/);
        expect(preview.output).toMatch(/2 to replace/);

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        const { keys } = client("east-keyvault");
        expect((await keys.getKey("orders-2")).properties.enabled).toBe(true);
        await expect(keys.getKey("orders")).rejects.toMatchObject({ statusCode: 404 });
    });
});
