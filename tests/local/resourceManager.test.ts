import { fastify, type FastifyInstance } from "fastify";
import { resourceManagerRoutes } from "../../local/resourceManager/routes";
import { ResourceManager } from "../../local/resourceManager/resourceManager";
import { cloudServices, newServicePrincipal, subscriptionId, tenantId } from "./cloudFixture";

const apiVersion = "api-version=2024-11-01";
const subscription = `/subscriptions/${subscriptionId}`;
const group = `${subscription}/resourceGroups/group`;
const vaultsOf = (of: string) => `${of}/providers/Microsoft.KeyVault/vaults`;
const vault = `${vaultsOf(group)}/learn-keyvault`;
const deletedVault = `${subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/learn-keyvault`;
const someone = "33333333-3333-4333-8333-333333333333";

const policy = (keys: string[], objectId = someone) => ({
    tenantId,
    objectId,
    permissions: { keys },
});
const body = (properties: object = {}, rest: object = {}) => ({
    location: "West Europe",
    ...rest,
    properties: {
        tenantId,
        sku: { family: "A", name: "premium" },
        accessPolicies: [policy(["get", "list"])],
        ...properties,
    },
});

let services: Awaited<ReturnType<typeof cloudServices>>;
let app: FastifyInstance;
let token: string;

beforeEach(async () => {
    services = await cloudServices();
    app = fastify({ routerOptions: { caseSensitive: false }, exposeHeadRoutes: false });
    await app.register(
        resourceManagerRoutes({ ...services, tenantId, operatorId: services.operator.clientId }),
    );
    token = await tokenFor("https://management.azure.com");
    await call("PUT", group, { location: "westeurope", tags: { a: "1" } });
});
afterEach(() => app.close());

const tokenFor = async (audience: string, principal = services.operator.principal) =>
    (await services.tokens.issue(tenantId, audience, principal)).access_token;

async function call(
    method: "GET" | "PUT" | "PATCH" | "POST" | "DELETE" | "HEAD",
    path: string,
    payload?: object,
    bearer = token,
) {
    const response = await app.inject({
        method,
        url: path.includes("?") ? path : `${path}?${apiVersion}`,
        headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
        payload,
    });
    const text = response.body;
    return {
        status: response.statusCode,
        body: (text ? JSON.parse(text) : undefined) as Record<string, unknown> | undefined,
    };
}
const refused = (status: number, code: string, message = /./) => ({
    status,
    body: { error: { code, message: expect.stringMatching(message) as string } },
});

describe("who may call", () => {
    test("no token, another audience, another application", async () => {
        expect(await call("GET", group, undefined, "")).toEqual(
            refused(401, "AuthenticationFailed", /'Authorization' header is missing/),
        );
        const forVault = await tokenFor("https://vault.azure.net");
        expect(await call("GET", group, undefined, forVault)).toEqual(
            refused(401, "InvalidAuthenticationTokenAudience", /'https:\/\/vault.azure.net'/),
        );
        expect(await call("GET", group, undefined, "x.y.z")).toEqual(
            refused(401, "InvalidAuthenticationToken"),
        );
        const { principal } = await newServicePrincipal(services.directory, "other");
        const others = await tokenFor("https://management.azure.com", principal);
        expect(await call("GET", group, undefined, others)).toEqual(
            refused(403, "AuthorizationFailed"),
        );
        const oldAudience = await tokenFor("https://management.core.windows.net/");
        expect((await call("GET", group, undefined, oldAudience)).status).toBe(200);
    });

    test("api-version, subscription, and what isn't there", async () => {
        expect(await call("GET", `${group}?x=1`)).toEqual(
            refused(400, "MissingApiVersionParameter"),
        );
        expect(await call("GET", "/subscriptions/none/resourceGroups/group")).toEqual(
            refused(404, "SubscriptionNotFound", /'none'/),
        );
        const broken = await app.inject({
            method: "PUT",
            url: `${group}?${apiVersion}`,
            headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
            payload: '{"location":',
        });
        expect(broken.statusCode).toBe(400);
        expect(broken.json()).toMatchObject({ error: { code: "InvalidRequestContent" } });
        expect(await call("GET", `${group}/providers/Microsoft.Storage/storageAccounts`)).toEqual(
            refused(501, "NotImplemented", /Microsoft\.Storage\/storageAccounts/),
        );
    });
});

describe("resource groups", () => {
    test("are made, changed, found without case, listed and deleted", async () => {
        expect(await call("GET", group.toUpperCase())).toMatchObject({
            status: 200,
            body: { id: group, name: "group", location: "westeurope", tags: { a: "1" } },
        });
        expect(await call("PUT", group, { location: "West Europe" })).toMatchObject({
            status: 200,
        });
        expect((await call("GET", group)).body).not.toHaveProperty("tags");
        expect((await call("HEAD", group)).status).toBe(204);
        expect((await call("GET", `${subscription}/resourceGroups`)).body).toMatchObject({
            value: [{ name: "group" }],
        });
        expect((await call("DELETE", group)).status).toBe(200);
        expect(await call("GET", group)).toEqual(
            refused(404, "ResourceGroupNotFound", /^Resource group 'group' could not be found\.$/),
        );
    });

    test("don't move, and have a name", async () => {
        expect(await call("PUT", group, { location: "northeurope" })).toEqual(
            refused(409, "InvalidResourceGroupLocation"),
        );
        expect(await call("PUT", `${subscription}/resourceGroups/dot.`, { location: "x" })).toEqual(
            refused(400, "InvalidResourceGroup"),
        );
        expect(await call("PUT", group, {})).toEqual(refused(400, "LocationRequired"));
    });

    test("take their vaults with them, soft-deleted", async () => {
        await call("PUT", vault, body());
        await call("DELETE", group);
        expect((await call("GET", deletedVault)).status).toBe(200);
        expect(services.dataPlanes.events).toEqual(["open learn-keyvault", "close learn-keyvault"]);
    });
});

describe("vaults", () => {
    test("get the service's defaults and an address", async () => {
        expect(await call("PUT", vault, body({}, { tags: { a: "1" } }))).toMatchObject({
            status: 201,
            body: {
                id: vault,
                name: "learn-keyvault",
                type: "Microsoft.KeyVault/vaults",
                location: "westeurope",
                tags: { a: "1" },
                properties: {
                    vaultUri: "https://127.0.0.1:20001/",
                    provisioningState: "Succeeded",
                    enableSoftDelete: true,
                    softDeleteRetentionInDays: 90,
                    enableRbacAuthorization: false,
                },
            },
        });
        const properties = (await call("GET", vault)).body?.properties;
        expect(properties).not.toHaveProperty("enablePurgeProtection");
        const [record] = services.resourceManager.vaults();
        expect(services.resourceManager.dataPlaneVault("Learn-KeyVault", record!.id)).toEqual({
            name: "learn-keyvault",
            uri: "https://127.0.0.1:20001/",
            tenantId,
            location: "westeurope",
            sku: "premium",
            accessPolicies: [policy(["get", "list"])],
            enableRbacAuthorization: false,
            softDeleteRetentionInDays: 90,
            enablePurgeProtection: false,
        });
    });

    test.each(["ab", "1vault", "vault-", "my--vault", "a".repeat(25), "my_vault", "my.vault"])(
        "name %s is refused",
        async (name) => {
            expect(await call("PUT", `${vaultsOf(group)}/${name}`, body())).toEqual(
                refused(400, "VaultNameNotValid", new RegExp(`'${name}'`)),
            );
            expect(services.dataPlanes.events).toEqual([]);
        },
    );

    test.each<[string, object, number, string, RegExp]>([
        ["no tenant", { tenantId: undefined }, 400, "BadRequest", /properties\.tenantId/],
        ["a foreign tenant", { tenantId: someone }, 400, "BadRequest", /tenant/],
        ["an unknown SKU", { sku: { family: "A", name: "gold" } }, 400, "BadRequest", /sku\.name/],
        [
            "no policies and no RBAC",
            { accessPolicies: undefined },
            400,
            "BadRequest",
            /accessPolicies/,
        ],
        [
            "an unknown permission",
            { accessPolicies: [policy(["get", "fly"])] },
            400,
            "BadRequest",
            /properties\.accessPolicies\[0\]\.permissions\.keys\[1\]: 'fly'/,
        ],
        [
            "a policy of another tenant",
            { accessPolicies: [{ ...policy(["get"]), tenantId: someone }] },
            400,
            "BadRequest",
            /accessPolicies/,
        ],
        ["6 days", { softDeleteRetentionInDays: 6 }, 400, "BadRequest", /softDeleteRetention/],
        ["91 days", { softDeleteRetentionInDays: 91 }, 400, "BadRequest", /softDeleteRetention/],
        [
            "purge protection false",
            { enablePurgeProtection: false },
            400,
            "BadRequest",
            /^The property "enablePurgeProtection" cannot be set to false\. Enabling the purge protection for a vault is an irreversible action\.$/,
        ],
        ["no soft delete", { enableSoftDelete: false }, 400, "BadRequest", /enableSoftDelete/],
        [
            "a firewall",
            { networkAcls: { defaultAction: "Deny" } },
            501,
            "NotImplemented",
            /firewall/,
        ],
    ])("%s is refused, and nothing is served", async (_case, properties, status, code, message) => {
        expect(await call("PUT", vault, body(properties))).toEqual(refused(status, code, message));
        expect((await call("GET", vault)).status).toBe(404);
        expect(services.dataPlanes.events).toEqual([]);
    });

    test("a PUT replaces policies and tags, keeps what can't be taken back, and the address", async () => {
        const first = await call(
            "PUT",
            vault,
            body(
                { softDeleteRetentionInDays: 7, enablePurgeProtection: true },
                { tags: { a: "1" } },
            ),
        );
        const second = await call("PUT", vault, body({ accessPolicies: [policy(["sign"])] }));
        expect(second).toMatchObject({
            status: 200,
            body: {
                tags: {},
                properties: {
                    accessPolicies: [policy(["sign"])],
                    softDeleteRetentionInDays: 7,
                    enablePurgeProtection: true,
                    vaultUri: (first.body?.properties as { vaultUri: string }).vaultUri,
                },
            },
        });
        expect(await call("PUT", vault, body({ softDeleteRetentionInDays: 8 }))).toEqual(
            refused(400, "BadRequest", /"softDeleteRetentionInDays" has been set already/),
        );
        expect(await call("PUT", vault, body({ enablePurgeProtection: false }))).toEqual(
            refused(400, "BadRequest", /irreversible/),
        );
    });

    test("PATCH changes what it names; accessPolicies add, remove and replace per identity", async () => {
        await call("PUT", vault, body({}, { tags: { a: "1" } }));
        await call("PATCH", vault, { properties: { enablePurgeProtection: true } });
        expect((await call("GET", vault)).body).toMatchObject({
            tags: { a: "1" },
            properties: {
                enablePurgeProtection: true,
                accessPolicies: [policy(["get", "list"])],
            },
        });
        const other = "44444444-4444-4444-8444-444444444444";
        const change = (operation: string, ...policies: object[]) =>
            call("PUT", `${vault}/accessPolicies/${operation}`, {
                properties: { accessPolicies: policies },
            });
        const policies = async () =>
            ((await call("GET", vault)).body?.properties as { accessPolicies: object[] })
                .accessPolicies;
        await change("add", policy(["Get", "sign"]), policy(["verify"], other));
        expect(await policies()).toEqual([
            policy(["list", "Get", "sign"]),
            policy(["verify"], other),
        ]);
        await change("remove", policy(["get", "LIST"]), policy(["verify"], other));
        expect(await policies()).toEqual([policy(["sign"])]);
        await change("replace", policy(["import"]));
        expect(await policies()).toEqual([policy(["import"])]);
        expect((await change("merge", policy(["import"]))).status).toBe(400);
    });

    test("a name is one vault's, in any group and any case", async () => {
        const otherGroup = `${subscription}/resourceGroups/other`;
        await call("PUT", otherGroup, { location: "westeurope" });
        await call("PUT", vault, body());
        expect(await call("PUT", `${vaultsOf(otherGroup)}/LEARN-keyvault`, body())).toEqual(
            refused(
                409,
                "VaultAlreadyExists",
                /^The vault name 'LEARN-keyvault' is already in use/,
            ),
        );
        expect(await call("PUT", vault, body({}, { location: "northeurope" }))).toEqual(
            refused(409, "InvalidResourceLocation"),
        );
        expect(await call("GET", `${vaultsOf(otherGroup)}/learn-keyvault`)).toEqual(
            refused(404, "ResourceNotFound", /'Microsoft.KeyVault\/vaults\/learn-keyvault'/),
        );
        expect(await call("PUT", `${vaultsOf(`${group}x`)}/v-1`, body())).toEqual(
            refused(404, "ResourceGroupNotFound"),
        );
    });

    test("two creations of one name at once make one vault", async () => {
        const create = () => services.resourceManager.putVault("group", "learn-keyvault", body());
        const results = await Promise.all([create(), create()]);
        expect(results.map((result) => result.created)).toEqual([true, false]);
        expect(services.dataPlanes.events).toEqual(["open learn-keyvault"]);
    });
});

describe("soft-deleted vaults", () => {
    const recover = body({ createMode: "recover", accessPolicies: undefined });

    beforeEach(async () => {
        await call("PUT", vault, body({ softDeleteRetentionInDays: 7 }));
        expect((await call("DELETE", vault)).status).toBe(200);
    });

    test("are gone, listed with their purge date, and keep their name", async () => {
        const [record] = services.resourceManager.deletedVaults();
        expect(
            services.resourceManager.dataPlaneVault("learn-keyvault", record!.id),
        ).toBeUndefined();
        expect((await call("GET", vault)).status).toBe(404);
        expect((await call("GET", deletedVault)).body).toMatchObject({
            properties: {
                vaultId: vault,
                deletionDate: "2026-11-24T00:00:00.000Z",
                scheduledPurgeDate: "2026-12-01T00:00:00.000Z",
            },
        });
        expect(
            (await call("GET", `${subscription}/providers/Microsoft.KeyVault/deletedVaults`)).body,
        ).toMatchObject({ value: [{ name: "learn-keyvault" }] });
        expect(await call("PUT", vault, body())).toEqual(
            refused(409, "ConflictError", /already exists in deleted state.*'learn-keyvault'/),
        );
        expect(await call("DELETE", vault)).toMatchObject({ status: 404 });
    });

    test("come back as they were", async () => {
        expect(await call("PUT", vault, recover)).toMatchObject({
            status: 200,
            body: {
                properties: {
                    vaultUri: "https://127.0.0.1:20001/",
                    accessPolicies: [policy(["get", "list"])],
                    softDeleteRetentionInDays: 7,
                },
            },
        });
        expect(services.dataPlanes.events.slice(-2)).toEqual([
            "close learn-keyvault",
            "open learn-keyvault",
        ]);
        expect((await call("GET", deletedVault)).status).toBe(404);
    });

    test("are purged with their keys; the name is free for another vault then", async () => {
        const [before] = services.resourceManager.deletedVaults();
        expect((await call("POST", `${deletedVault}/purge`)).status).toBe(200);
        expect(services.dataPlanes.events.at(-1)).toBe("erase learn-keyvault");
        expect(await call("POST", `${deletedVault}/purge`)).toEqual(
            refused(404, "DeletedVaultNotFound"),
        );
        expect(await call("PUT", vault, recover)).toEqual(refused(404, "DeletedVaultNotFound"));
        expect((await call("PUT", vault, body())).status).toBe(201);
        expect(services.resourceManager.vault("group", "learn-keyvault").id).not.toBe(before!.id);
    });

    test("that are protected can't be purged", async () => {
        await call("PUT", vault, recover);
        await call("PATCH", vault, { properties: { enablePurgeProtection: true } });
        await call("DELETE", vault);
        expect(await call("POST", `${deletedVault}/purge`)).toEqual(
            refused(405, "MethodNotAllowed", /^Operation 'DeletedVaultPurge' is not allowed\.$/),
        );
        expect(services.dataPlanes.events).not.toContain("erase learn-keyvault");
    });

    test("aren't served after a restart; live ones are, at the same port", async () => {
        await call("PUT", `${vaultsOf(group)}/second`, body());
        services.dataPlanes.events.length = 0;
        const restarted = new ResourceManager({ ...services, tenantId, subscriptionId });
        await restarted.start();
        expect(services.dataPlanes.events).toEqual(["open second"]);
    });
});
