import { writeFileSync } from "node:fs";
import { independentClient, Project } from "./project";

/** The components in somebody's own Pulumi program, without the stack config. */
describe("the components in a program of one's own", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const program = (sku: string, into = "vault") => `
import * as resources from "@pulumi/azure-native/resources";
import { DistributedKey, KeyVault, ManagedKey, ServicePrincipal } from "./components";

const principal = new ServicePrincipal("app", { displayName: "my app" });
const group = new resources.ResourceGroup("group", { location: "northeurope" });
const [vault, second] = ["my-own-vault", "my-second-vault"].map(
    (vaultName) =>
        new KeyVault(vaultName, {
            vaultName,
            resourceGroupName: group.name,
            location: group.location,
            sku: "${sku}",
            environment: "local",
            access: [
                {
                    objectId: principal.objectId,
                    keyPermissions: ["get", "list", "create", "import", "update", "delete"],
                },
            ],
        }),
);
const key = new ManagedKey("signing", { type: "ecdsa-p384" });
const copy = new DistributedKey("copy", {
    key,
    vault: ${into}!,
    identity: principal,
    purposes: ["sign"],
});
export const keyId = copy.versionedKeyId;
export const publicKey = key.versions.apply((versions) => versions[0]!.publicKey);
`;

    test("hsm on a standard vault is an error at preview, before the vault is there", async () => {
        writeFileSync(project.file("index.ts"), program("standard"));

        const { code, output } = await project.pulumi(["preview"]);

        expect(code).not.toBe(0);
        expect(output).toContain("vault my-own-vault has the standard SKU, which has no HSM");
        expect(output).not.toMatch(/^\s+at /m);
        expect(project.azure().vaults).toEqual({});
    });

    test("they make a vault, an identity and a distributed key", async () => {
        writeFileSync(project.file("index.ts"), program("premium"));

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        const { keyId } = (await project.outputs()) as unknown as { keyId: string };
        const vault = independentClient(project.azure(), "my-own-vault");
        const key = await vault.keys.getKey("signing");
        expect(key.id).toBe(keyId);
        expect([key.keyType, key.key!.crv, ...key.keyOperations!]).toEqual([
            "EC-HSM",
            "P-384",
            "sign",
        ]);
        expect((await project.pulumi(["preview", "--expect-no-changes"])).code).toBe(0);
    });

    test("another vault is a replacement: the new copy comes before the old one goes", async () => {
        writeFileSync(project.file("index.ts"), program("premium", "second"));
        const preview = await project.pulumi(["preview", "--diff"]);
        expect(preview.output).toMatch(/\+-.*DistributedKey: \(replace\)/);
        expect(preview.output).toMatch(/~ name *: "my-own-vault" => "my-second-vault"/);
        expect(preview.output).toMatch(/\+-1 to replace/);
        const before = project.requests().length;

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        const done = project
            .requests()
            .slice(before)
            .filter(({ operation }) => ["import", "delete"].includes(String(operation)))
            .map(({ operation, vault }) => `${operation} ${vault}`);
        expect(done).toEqual(["import my-second-vault", "delete my-own-vault"]);
    });
});
