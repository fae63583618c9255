import { existsSync, writeFileSync } from "node:fs";
import { independentClient, Project } from "./project";

describe("stacks beside dev", () => {
    const project = new Project();
    afterAll(async () => {
        await project.keymgmt(["down", "--stack", "other"]);
        await project.dispose();
    });
    const onOther = ["--stack", "other"];
    const config = `config:
  keymgmt:environment: local
  keymgmt:location: westeurope
  keymgmt:vaults: { learn-keyvault: { sku: standard } }
  keymgmt:keys:
    k: { type: ecdsa-p256, distribute: [{ vault: learn-keyvault, purpose: [sign], protection: software }] }
`;

    test("another local stack has a local Azure, a seal key and a state of its own; make down leaves them alone", async () => {
        expect((await project.keymgmt(["up"])).code).toBe(0);
        expect((await project.pulumi(["stack", "init", "other"])).code).toBe(0);
        writeFileSync(
            project.file("Pulumi.other.yaml"),
            config + saltOf(project.read("Pulumi.other.yaml")),
        );
        expect((await project.pulumi(["up", "--yes", "--skip-preview", ...onOther])).code).toBe(0);
        const azure = JSON.parse(
            project.read(".local", "stacks", "other", "azure.json"),
        ) as ReturnType<Project["azure"]>;
        expect(azure.tenantId).not.toBe(project.azure().tenantId);

        const first = await project.keymgmt(["down"]);
        const again = await project.keymgmt(["down"]);

        expect([first.code, again.code]).toEqual([0, 0]);
        expect(existsSync(project.file(".local", "azure.json"))).toBe(false);
        const stacks = await project.pulumi(["stack", "ls", "--json"]);
        expect(JSON.parse(stacks.stdout)).toEqual([expect.objectContaining({ name: "other" })]);
        expect(
            (await project.pulumi(["preview", "--expect-no-changes", "--refresh", ...onOther]))
                .code,
        ).toBe(0);
        const key = await independentClient(azure, "learn-keyvault").keys.getKey("k");
        expect([key.keyType, ...key.keyOperations!]).toEqual(["EC", "sign"]);
    });

    test("after make down, make up starts from nothing", async () => {
        const { code, stdout } = await project.keymgmt(["up"]);

        expect(code).toBe(0);
        expect(stdout).toMatch(/^rsa-1 +rsa-2048 +learn-keyvault +hsm +1 \(current\)/m);
    });

    test("a stack of a real cloud is never given the stand-ins", async () => {
        writeFileSync(
            project.file("Pulumi.prod.yaml"),
            config.replace("local", "AzurePublicCloud"),
        );

        const { code, output } = await project.pulumi(["preview", "--stack", "prod"], {
            PULUMI_DEBUG_PROVIDERS: "azure-native:1,azuread:1",
        });

        expect(code).not.toBe(0);
        expect(output).toMatch(/the providers of a local Azure must not serve stack prod/);
    });
});

function saltOf(stackFile: string): string {
    return /^encryptionsalt: .*\n/m.exec(stackFile)![0];
}
