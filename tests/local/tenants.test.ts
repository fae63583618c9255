import { ClientSecretCredential } from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";
import { readFile } from "node:fs/promises";
import { controlledCloud } from "./controlledCloud";

// A cloud is started, and restarted; on a busy machine that takes its time.
jest.setTimeout(60_000);

interface Client {
    clientId: string;
    clientSecret: string;
}
interface Tenant {
    tenantId: string;
    subscriptionIds: string[];
    operator: Client;
}
type Application = Client & { tenantId: string; objectId: string };

let azure: Awaited<ReturnType<typeof controlledCloud>>;
beforeEach(async () => {
    azure = await controlledCloud();
});
afterEach(() => azure.stop());

async function made<T>(path: string, body?: object): Promise<T> {
    const answer = await azure.control("POST", path, body);
    expect(answer.status).toBe(201);
    return answer.body as T;
}

const credential = async (tenantId: string, { clientId, clientSecret }: Client) =>
    new ClientSecretCredential(tenantId, clientId, clientSecret, {
        authorityHost: azure.cloud.authorityHost,
        disableInstanceDiscovery: true,
        tlsOptions: { ca: await readFile(azure.cloud.caFile, "utf8") },
    });

const vaultToken = async (tenantId: string, client: Client) =>
    (await (await credential(tenantId, client)).getToken("https://vault.azure.net/.default")).token;

/** A vault in the tenant's first subscription, made by its operator. */
async function createVault(tenant: Tenant, name: string, accessPolicies: object[] = []) {
    const { tenantId, subscriptionIds, operator } = tenant;
    const scope = "https://management.azure.com/.default";
    const { token } = await (await credential(tenantId, operator)).getToken(scope);
    const group = `${azure.cloud.resourceManager}/subscriptions/${subscriptionIds[0]}/resourceGroups/group`;
    const put = (path: string, body: object) =>
        azure.send(
            "PUT",
            `${group}${path}?api-version=2024-11-01`,
            { authorization: `Bearer ${token}`, "content-type": "application/json" },
            body,
        );
    await put("", { location: "westeurope" });
    return put(`/providers/Microsoft.KeyVault/vaults/${name}`, {
        location: "westeurope",
        properties: { tenantId, sku: { family: "A", name: "premium" }, accessPolicies },
    });
}

test("a second tenant has an operator, applications and vaults of its own, also after a restart", async () => {
    const tenant = await made<Tenant>("tenants");
    const { tenantId } = tenant;
    const application = await made<Application>("applications", { tenantId, displayName: "app" });
    const { objectId } = application;
    const policy = { tenantId, objectId, permissions: { keys: ["create"] } };
    expect((await createVault(tenant, "other-keyvault", [policy])).status).toBe(201);
    await azure.restart();

    const keys = new KeyClient(
        azure.cloud.vaults["other-keyvault"]!,
        await credential(tenantId, application),
        {
            disableChallengeResourceVerification: true,
            tlsOptions: { ca: await readFile(azure.cloud.caFile, "utf8") },
        },
    );
    await keys.createEcKey("ec-1");
    await expect(keys.getKey("ec-1")).rejects.toMatchObject({ statusCode: 403 });
    const token = await vaultToken(tenantId, tenant.operator);
    expect((await azure.ask("GET", "other-keyvault", "/keys/ec-1", token)).status).toBe(200);
    expect((await azure.control("GET", "tenants")).body).toEqual([
        {
            tenantId: azure.cloud.tenantId,
            subscriptionIds: [azure.cloud.subscriptionId],
            operator: azure.cloud.operator,
        },
        tenant,
    ]);
});

test("a vault takes the tokens of its own tenant only, and its challenge names that tenant", async () => {
    const tenant = await made<Tenant>("tenants");
    await createVault(tenant, "other-keyvault");
    const [vault, home] = ["other-keyvault", azure.cloud.tenantId];
    const unauthorized = await azure.send("GET", `${azure.cloud.vaults[vault]}keys`);
    expect(unauthorized.headers["www-authenticate"]).toContain(`/${tenant.tenantId}"`);
    expect(await azure.ask("GET", vault, "keys", await azure.vaultToken())).toMatchObject({
        status: 401,
        body: {
            error: {
                code: "Unauthorized",
                message: `AKV10032: Invalid issuer. Expected one of https://sts.windows.net/${tenant.tenantId}/, found https://sts.windows.net/${home}/.`,
            },
        },
    });
});

test("an application signs in to its own tenant only", async () => {
    const { tenantId } = await made<Tenant>("tenants");
    const application = await made<Application>("applications", { tenantId });
    await vaultToken(tenantId, application);
    await expect(vaultToken(azure.cloud.tenantId, application)).rejects.toThrow("700016");
    const here = await made<Application>("applications");
    expect(here.tenantId).toBe(azure.cloud.tenantId);
    await expect(vaultToken(tenantId, here)).rejects.toThrow("700016");
});

test("a second subscription of a tenant has vaults of its own", async () => {
    const { tenantId, operator } = azure.cloud;
    const { subscriptionId } = await made<{ subscriptionId: string }>("subscriptions");
    const second = { tenantId, subscriptionIds: [subscriptionId], operator };
    await azure.createVault("learn-keyvault");
    expect((await createVault(second, "learn-keyvault")).status).toBe(409);
    expect(await createVault(second, "second-keyvault")).toMatchObject({
        status: 201,
        body: { id: expect.stringContaining(`/subscriptions/${subscriptionId}/`) as string },
    });
    expect(Object.keys(azure.cloud.vaults).sort()).toEqual(["learn-keyvault", "second-keyvault"]);
});

test("what isn't there or isn't known is refused", async () => {
    expect(await azure.control("POST", "subscriptions", { tenantId: "nobody" })).toMatchObject({
        status: 404,
        body: { error: { code: "NotFound", message: "There is no tenant 'nobody'." } },
    });
    expect(await azure.control("POST", "applications", { name: "app" })).toMatchObject({
        status: 400,
        body: { error: { code: "BadRequest" } },
    });
});
