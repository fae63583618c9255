import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClientSecretCredential } from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";
import { startCloud, type Cloud } from "../../local/cloud";
import { settableClock } from "./cloudFixture";
import { Engine } from "./providerEngine";

// RSA keys are made and a cloud is started; on a busy machine that takes its time.
jest.setTimeout(60_000);

const vaultType = "azure-native:keyvault:Vault";
const roleAssignmentType = "azure-native:authorization:RoleAssignment";
const cryptoUser = "12338af0-0e69-4776-bea7-57ae8d297424";

let folder: string;
let cloud: Cloud;
let ca: string;
let native: Engine;
let ad: Engine;
const clock = settableClock(new Date().toISOString());
const later = (seconds: number) => clock.set(new Date(clock.now() + seconds * 1000).toISOString());

beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "access-"));
    cloud = await startCloud({ folder, stack: "dev", settings: { propagationDelay: 300 }, clock });
    ca = await readFile(cloud.description.caFile, "utf8");
    const engineOf = (plugin: string) =>
        new Engine(Number(new RegExp(`${plugin}:(\\d+)`).exec(cloud.description.providers!)![1]));
    native = engineOf("azure-native");
    ad = engineOf("azuread");
});
afterAll(async () => {
    native.close();
    ad.close();
    await cloud.close();
    await rm(folder, { recursive: true });
});

/** An application that Pulumi made, with its service principal and a secret. */
async function newApplication() {
    const make = (type: string, inputs: Record<string, unknown>) =>
        ad.create(`azuread:index/${type}`, inputs);
    const application = await make("application:Application", { displayName: "app" });
    const clientId = String(application.outputs.clientId);
    const principal = await make("servicePrincipal:ServicePrincipal", { clientId });
    const password = await make("applicationPassword:ApplicationPassword", {
        applicationId: application.id,
    });
    const clientSecret = (password.outputs.value as { value: string }).value;
    return { clientId, clientSecret, objectId: String(principal.outputs.objectId) };
}

function keys(identity: { clientId: string; clientSecret: string }) {
    const { tenantId, authorityHost, vaults } = cloud.description;
    const { clientId, clientSecret } = identity;
    const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, {
        authorityHost,
        disableInstanceDiscovery: true,
        tlsOptions: { ca },
    });
    return new KeyClient(vaults["learn-keyvault"]!, credential, {
        disableChallengeResourceVerification: true,
        tlsOptions: { ca },
        retryOptions: { maxRetries: 0 },
    });
}

test("a role counts once it is propagated, for what it permits, until its removal is; the firewall counts at once", async () => {
    await native.create("azure-native:resources:ResourceGroup", {
        resourceGroupName: "group",
        location: "westeurope",
    });
    const inputs = (properties: object = {}) => ({
        resourceGroupName: "group",
        vaultName: "learn-keyvault",
        location: "westeurope",
        properties: {
            tenantId: cloud.description.tenantId,
            sku: { family: "A", name: "standard" },
            enableRbacAuthorization: true,
            ...properties,
        },
    });
    const vault = await native.create(vaultType, inputs());
    await keys(cloud.description.operator).createEcKey("ec-1");
    const app = await newApplication();
    const { id } = await native.create(roleAssignmentType, {
        scope: vault.id,
        roleAssignmentName: "55555555-5555-4555-8555-555555555555",
        roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${cryptoUser}`,
        principalId: app.objectId,
    });

    const client = keys(app);
    const forbidden = (text: RegExp) => ({
        statusCode: 403,
        message: expect.stringMatching(text) as string,
    });
    await expect(client.getKey("ec-1")).rejects.toMatchObject(
        forbidden(/please observe propagation time[^]*vaults\/learn-keyvault\/keys\/ec-1'/),
    );
    later(300);
    expect((await client.getKey("ec-1")).name).toBe("ec-1");
    await expect(client.createEcKey("ec-2")).rejects.toMatchObject(
        forbidden(/Action: 'Microsoft.KeyVault\/vaults\/keys\/create\/action'/),
    );

    const onlyFrom = (value: string) =>
        native.update(
            vaultType,
            vault.id,
            vault.outputs,
            inputs({ networkAcls: { defaultAction: "Deny", ipRules: [{ value }] } }),
        );
    await onlyFrom("192.0.2.0/24");
    await expect(client.getKey("ec-1")).rejects.toMatchObject(
        forbidden(/^Client address is not authorized[^]*Client address: 127\.0\.0\.1/),
    );
    await onlyFrom("127.0.0.0/8");

    await native.delete(roleAssignmentType, id);
    expect((await client.getKey("ec-1")).name).toBe("ec-1");
    later(300);
    await expect(client.getKey("ec-1")).rejects.toMatchObject(forbidden(/observe propagation/));
});
