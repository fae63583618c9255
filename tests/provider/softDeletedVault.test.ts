import { cloudOf } from "../../kms/azureKeyVault/environment";
import { isSoftDeletedVault, updateRecoveredVault } from "../../kms/azureKeyVault/softDeletedVault";
import { TestAzure } from "./azure";

let azure: TestAzure;
let token: string;
beforeAll(async () => {
    azure = await TestAzure.start();
    ({ token } = await azure.credential().getToken("https://management.azure.com/.default"));
});
afterAll(() => azure.close());

const place = (name: string, location = "westeurope") => ({
    name,
    location,
    subscriptionId: azure.description.subscriptionId,
});
const cloud = () => cloudOf("local", { AZURE_RESOURCE_MANAGER: azure.description.resourceManager });

test("a name is held by a vault that was deleted and not purged, in its own region", async () => {
    const held = (name: string, location?: string) =>
        isSoftDeletedVault(place(name, location), token, cloud());
    await azure.createVault("held-vault");
    expect(await held("held-vault")).toBe(false);
    await azure.softDeleteVault("held-vault");
    expect(await held("held-vault")).toBe(true);
    expect(await held("held-vault", "eastus")).toBe(false);
    await azure.purgeVault("held-vault");
    expect(await held("held-vault")).toBe(false);
});

test("who may not look finds none; a resource manager that fails is an error; without its address nobody is asked", async () => {
    const nobody = await azure.newApplication();
    const theirs = await nobody.getToken("https://management.azure.com/.default");
    expect(await isSoftDeletedVault(place("any"), theirs.token, cloud())).toBe(false);
    await expect(isSoftDeletedVault(place("any"), "no token", cloud())).rejects.toMatchObject({
        code: "KMS",
        message: expect.stringMatching(
            /^Vault any couldn't be looked up among the deleted ones: 401 /,
        ) as string,
    });
    expect(await isSoftDeletedVault(place("any"), token, cloudOf("local", {}))).toBe(false);
});

test("a recovered vault that can't be brought up to date says how to go on", async () => {
    const vault = { ...place("not-there"), resourceGroup: "group" };
    const properties = {
        tenantId: azure.description.tenantId,
        sku: { family: "A" as const, name: "premium" as const },
    };
    await expect(updateRecoveredVault(vault, properties, token, cloud())).rejects.toMatchObject({
        code: "KMS",
        message: expect.stringMatching(/not-there .* run pulumi up --refresh.*404/) as string,
    });
});
