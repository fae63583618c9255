import { fastify, type FastifyInstance } from "fastify";
import { resourceManagerRoutes } from "../../local/resourceManager/routes";
import { Subscriptions } from "../../local/resourceManager/subscriptions";
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
    await app.register(resourceManagerRoutes(services));
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
/** The only vault, as its data plane sees it. */
function seen() {
    const [record] = services.resourceManager.vaults();
    return services.resourceManager.dataPlaneVault(record!.name, record!.id)!;
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
            resourceId: vault,
            uri: "https://127.0.0.1:20001/",
            tenantId,
            location: "westeurope",
            sku: "premium",
            accessPolicies: [policy(["get", "list"])],
            enableRbacAuthorization: false,
            roleAssignments: [],
            network: { publicAccess: true, bypass: "AzureServices" },
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
            "a firewall rule that isn't an IPv4 range",
            { networkAcls: { defaultAction: "Deny", ipRules: [{ value: "10.0.0.0/33" }] } },
            400,
            "BadRequest",
            /ipRules\[0\]\.value: '10\.0\.0\.0\/33'/,
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

    test("PATCH replaces tags, and only tags, when it names only them", async () => {
        const before = (await call("PUT", vault, body({}, { tags: { a: "1", b: "2" } }))).body;
        const after = await call("PATCH", vault, { tags: { c: "3" } });
        expect(after).toEqual({ status: 200, body: { ...before, tags: { c: "3" } } });
    });

    test("say to the data plane from where they can be reached", async () => {
        const networkOf = async (properties: object) => {
            await call("PUT", vault, body(properties));
            return seen().network;
        };
        const ipRules = [{ value: "192.0.2.0/24" }];
        expect(await networkOf({ networkAcls: { defaultAction: "Deny", ipRules } })).toEqual({
            publicAccess: true,
            bypass: "AzureServices",
            allowedAddresses: ["192.0.2.0/24"],
        });
        expect(await networkOf({ networkAcls: { defaultAction: "Allow", ipRules } })).toEqual({
            publicAccess: true,
            bypass: "AzureServices",
        });
        const networkAcls = { bypass: "None", defaultAction: "Deny" };
        expect(await networkOf({ publicNetworkAccess: "Disabled", networkAcls })).toEqual({
            publicAccess: false,
            bypass: "None",
            allowedAddresses: [],
        });
    });

    test("changed policies count after the propagation delay, one change after the other", async () => {
        services.settings().propagationDelay = 60;
        const at = (time: string) => {
            services.clock.set(`2026-11-24T${time}Z`);
            return seen().accessPolicies.map(({ permissions }) => permissions.keys?.join());
        };
        await call("PUT", vault, body({ accessPolicies: [policy(["get"])] }));
        expect(at("00:00:59")).toEqual([]);
        expect(at("00:01:00")).toEqual(["get"]);
        await call("PUT", vault, body({ accessPolicies: [policy(["sign"])] }));
        services.clock.set("2026-11-24T00:01:30Z");
        await call("PATCH", vault, { properties: { accessPolicies: [] } });
        expect((await call("GET", vault)).body).toMatchObject({
            properties: { accessPolicies: [] },
        });
        expect(at("00:01:59")).toEqual(["get"]);
        expect(at("00:02:00")).toEqual(["sign"]);
        expect(at("00:02:29")).toEqual(["sign"]);
        expect(at("00:02:30")).toEqual([]);
    });

    test("checkNameAvailability tells whether a name is free", async () => {
        const available = async (name: string) =>
            (
                await call(
                    "POST",
                    `${subscription}/providers/Microsoft.KeyVault/checkNameAvailability`,
                    { name, type: "Microsoft.KeyVault/vaults" },
                )
            ).body;
        expect(await available("learn-keyvault")).toEqual({ nameAvailable: true });
        await call("PUT", vault, body());
        await call("DELETE", vault);
        expect(await available("Learn-KeyVault")).toEqual({
            nameAvailable: false,
            reason: "AlreadyExists",
            message: expect.stringContaining("'Learn-KeyVault' is already in use") as string,
        });
        expect(await available("my--vault")).toMatchObject({
            nameAvailable: false,
            reason: "AccountNameInvalid",
        });
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
    const nothingToRecover = refused(
        400,
        "SoftDeletedVaultDoesNotExist",
        /^A soft deleted vault with the given name does not exist/,
    );
    const restarted = () =>
        new Subscriptions({ ...services, dataPlanes: () => services.dataPlanes });

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
            refused(
                409,
                "ConflictError",
                /^A vault with the same name already exists in deleted state/,
            ),
        );
        expect(await call("DELETE", vault)).toMatchObject({ status: 404 });
    });

    test("come back as they were", async () => {
        services.clock.set("2026-11-24T00:30:00Z");
        expect(await call("PUT", vault, recover)).toMatchObject({
            status: 200,
            body: {
                systemData: { createdAt: "2026-11-24T00:00:00.000Z" },
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

    test("come back into a group that was deleted and made anew", async () => {
        await call("DELETE", group);
        expect((await call("PUT", vault, recover)).status).toBe(404);
        await call("PUT", group, { location: "westeurope" });
        expect(await call("PUT", vault, body())).toEqual(refused(409, "ConflictError"));
        expect(await call("PUT", vault, recover)).toMatchObject({ status: 200 });
        expect(services.dataPlanes.events).toEqual([
            "open learn-keyvault",
            "close learn-keyvault",
            "open learn-keyvault",
        ]);
    });

    test("come back neither in another region nor in another group; the name stays theirs", async () => {
        const elsewhere = { location: "northeurope" };
        const { properties } = recover;
        expect(await call("PUT", vault, { ...body(), ...elsewhere })).toEqual(
            refused(409, "VaultAlreadyExists", /recently deleted but not purged/),
        );
        expect(await call("PUT", vault, { properties, ...elsewhere })).toEqual(nothingToRecover);
        await call("PUT", `${subscription}/resourceGroups/other`, { location: "westeurope" });
        const there = `${vaultsOf(`${subscription}/resourceGroups/other`)}/learn-keyvault`;
        expect(await call("PUT", there, recover)).toEqual(nothingToRecover);
        expect(await call("PUT", there, body())).toEqual(refused(409, "ConflictError"));
    });

    test("are purged with their keys; the name is free for another vault then", async () => {
        const [before] = services.resourceManager.deletedVaults();
        expect((await call("POST", `${deletedVault}/purge`)).status).toBe(200);
        expect(services.dataPlanes.events.at(-1)).toBe("erase learn-keyvault");
        expect(await call("POST", `${deletedVault}/purge`)).toEqual(
            refused(404, "DeletedVaultNotFound"),
        );
        expect(await call("PUT", vault, recover)).toEqual(nothingToRecover);
        expect((await call("PUT", vault, body())).status).toBe(201);
        expect(services.resourceManager.vault("group", "learn-keyvault").id).not.toBe(before!.id);
    });

    test("are purged when their time is over, at the latest when their name is used again", async () => {
        services.clock.set("2026-11-30T23:59:59Z");
        token = await tokenFor("https://management.azure.com");
        expect((await call("GET", deletedVault)).status).toBe(200);
        services.clock.set("2026-12-01T00:00:00Z");
        expect(await call("GET", deletedVault)).toEqual(refused(404, "DeletedVaultNotFound"));
        expect(services.resourceManager.deletedVaults()).toEqual([]);
        expect(await call("PUT", vault, recover)).toEqual(nothingToRecover);
        expect(services.dataPlanes.events.at(-1)).toBe("erase learn-keyvault");
        expect((await call("PUT", vault, body())).status).toBe(201);
    });

    test("that are protected are purged when their time is over, too; also by a restart", async () => {
        await call("PUT", vault, recover);
        await call("PATCH", vault, { properties: { enablePurgeProtection: true } });
        await call("DELETE", vault);
        services.clock.set("2026-12-01T00:00:00Z");
        await restarted().start();
        expect(services.dataPlanes.events.at(-1)).toBe("erase learn-keyvault");
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
        await restarted().start();
        expect(services.dataPlanes.events).toEqual(["open second"]);
    });
});

describe("several subscriptions", () => {
    const groupIn = (id: string) => `/subscriptions/${id}/resourceGroups/group`;
    const inSecond = async (id: string) => {
        await call("PUT", groupIn(id), { location: "westeurope" });
        return `${vaultsOf(groupIn(id))}/learn-keyvault`;
    };

    test("of a tenant are apart, except for the names of vaults", async () => {
        const second = await services.subscriptions.add(services.tenants.home);
        expect(await call("GET", groupIn(second))).toEqual(refused(404, "ResourceGroupNotFound"));
        const there = await inSecond(second);
        const [here, other] = await Promise.all([
            call("PUT", vault, body()),
            call("PUT", there, body()),
        ]);
        expect(here).toMatchObject({ status: 201, body: { id: vault } });
        expect(other).toEqual(refused(409, "VaultAlreadyExists"));
        await call("DELETE", vault);
        expect(await call("PUT", there, body())).toEqual(refused(409, "VaultAlreadyExists"));
        await call("POST", `${deletedVault}/purge`);
        expect(await call("PUT", there, body())).toMatchObject({
            status: 201,
            body: { id: there },
        });
        expect((await call("GET", vault)).status).toBe(404);
    });

    test("of another tenant take that tenant's tokens and vaults only", async () => {
        const other = await services.subscriptions.addTenant();
        const path = groupIn(other.subscriptionIds[0]!);
        expect(await call("PUT", path, { location: "westeurope" })).toEqual(
            refused(
                401,
                "InvalidAuthenticationTokenTenant",
                new RegExp(`login.*${other.tenantId}`),
            ),
        );
        const principal = other.directory.servicePrincipalOf(other.operator.clientId)!;
        const audience = "https://management.azure.com";
        token = (await services.tokens.issue(other.tenantId, audience, principal)).access_token;
        const there = await inSecond(other.subscriptionIds[0]!);
        expect(await call("PUT", there, body())).toEqual(
            refused(400, "BadRequest", /not the tenant of this subscription/),
        );
        const own = { tenantId: other.tenantId, accessPolicies: [] };
        expect((await call("PUT", there, body(own))).status).toBe(201);
        expect(await call("GET", group)).toEqual(refused(401, "InvalidAuthenticationTokenTenant"));
    });

    test("are there after a restart, with what they hold", async () => {
        const second = await services.subscriptions.add(services.tenants.home);
        const there = await inSecond(second);
        await call("PUT", there, body());
        const subscriptions = new Subscriptions({
            ...services,
            dataPlanes: () => services.dataPlanes,
        });
        expect(subscriptions.get(second)!.resourceManager.vaults()).toMatchObject([
            { name: "learn-keyvault" },
        ]);
        expect(subscriptions.home.resourceManager.vaults()).toEqual([]);
    });
});

describe("role assignments", () => {
    const officer = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603";
    const user = "12338af0-0e69-4776-bea7-57ae8d297424";
    const name = "55555555-5555-4555-8555-555555555555";
    const assignments = `${vault}/providers/Microsoft.Authorization/roleAssignments`;
    const assignment = `${assignments}/${name}`;
    const roleId = (role: string) =>
        `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
    const assigning = (principalId: string, role = officer, rest: object = {}) => ({
        properties: { principalId, roleDefinitionId: roleId(role), ...rest },
    });
    const counting = () => seen().roleAssignments.map(({ principalId }) => principalId);
    let principal: string;

    beforeEach(async () => {
        await call(
            "PUT",
            vault,
            body({ accessPolicies: undefined, enableRbacAuthorization: true }),
        );
        principal = (await newServicePrincipal(services.directory, "app")).principal.objectId;
    });

    test("are made, found, listed, removed, and count at once without a delay", async () => {
        const created = await call("PUT", assignment, assigning(principal));
        expect(created).toMatchObject({
            status: 201,
            body: {
                id: assignment,
                name,
                type: "Microsoft.Authorization/roleAssignments",
                properties: {
                    scope: vault,
                    principalId: principal,
                    principalType: "ServicePrincipal",
                    roleDefinitionId: roleId(officer),
                },
            },
        });
        expect(seen().roleAssignments).toEqual([
            {
                principalId: principal,
                dataActions: [
                    "Microsoft.KeyVault/vaults/keys/*",
                    "Microsoft.KeyVault/vaults/keyrotationpolicies/*",
                ],
            },
        ]);
        expect((await call("PUT", assignment, assigning(principal))).status).toBe(200);
        expect(await call("GET", assignment)).toEqual({ status: 200, body: created.body });
        const listed = async (filter: string) =>
            (await call("GET", `${assignments}?${apiVersion}&$filter=${filter}`)).body?.value;
        expect(await listed("atScope()")).toEqual([created.body]);
        expect(await listed(`principalId eq '${principal}'`)).toEqual([created.body]);
        expect(await listed(`assignedTo('${someone}')`)).toEqual([]);
        expect((await call("DELETE", assignment)).status).toBe(200);
        expect(seen().roleAssignments).toEqual([]);
        expect((await call("DELETE", assignment)).status).toBe(204);
        expect(await call("GET", assignment)).toEqual(refused(404, "RoleAssignmentNotFound"));
    });

    test("count after the propagation delay, and as long after they were removed", async () => {
        services.settings().propagationDelay = 300;
        await call("PUT", assignment, assigning(principal));
        services.clock.set("2026-11-24T00:04:59Z");
        expect(counting()).toEqual([]);
        services.clock.set("2026-11-24T00:05:00Z");
        expect(counting()).toEqual([principal]);
        await call("DELETE", assignment);
        expect((await call("GET", assignment)).status).toBe(404);
        services.clock.set("2026-11-24T00:09:59Z");
        expect(counting()).toEqual([principal]);
        services.clock.set("2026-11-24T00:10:00Z");
        expect(counting()).toEqual([]);
    });

    test.each<[string, () => object, number, string, RegExp]>([
        [
            "an unknown role",
            () => assigning(principal, someone),
            400,
            "RoleDefinitionDoesNotExist",
            /^The specified role definition with ID '33333333333343338333333333333333' does not exist\.$/,
        ],
        [
            "an unknown principal",
            () => assigning(someone),
            400,
            "PrincipalNotFound",
            /^Principal 33333333333343338333333333333333 does not exist in the directory 1{8}/,
        ],
        [
            "another type than the principal's",
            () => assigning(principal, officer, { principalType: "User" }),
            400,
            "UnmatchedPrincipalType",
            /'User'/,
        ],
        ["a name for a principal", () => assigning("me"), 400, "InvalidPrincipalId", /'me'/],
        [
            "a condition",
            () => assigning(principal, officer, { condition: "true" }),
            501,
            "NotImplemented",
            /conditions/,
        ],
    ])("with %s are refused", async (_case, request, status, code, message) => {
        expect(await call("PUT", assignment, request())).toEqual(refused(status, code, message));
        expect(seen().roleAssignments).toEqual([]);
    });

    test("of someone who isn't known yet need a type; names are GUIDs", async () => {
        const typed = assigning(someone, officer, { principalType: "ServicePrincipal" });
        expect((await call("PUT", assignment, typed)).status).toBe(201);
        expect(await call("PUT", `${assignments}/first`, typed)).toEqual(
            refused(400, "InvalidRoleAssignmentId", /'first'/),
        );
    });

    test("don't change whom and what they assign, and aren't made twice", async () => {
        await call("PUT", assignment, assigning(principal));
        expect(await call("PUT", assignment, assigning(principal, user))).toEqual(
            refused(400, "RoleAssignmentUpdateNotPermitted"),
        );
        const twin = `${assignments}/66666666-6666-4666-8666-666666666666`;
        expect(await call("PUT", twin, assigning(principal))).toEqual(
            refused(409, "RoleAssignmentExists", /is 55555555555545558555555555555555\.$/),
        );
        expect((await call("PUT", twin, assigning(principal, user))).status).toBe(201);
    });

    test("are gone with their vault, also when it is recovered", async () => {
        await call("PUT", assignment, assigning(principal));
        await call("DELETE", vault);
        await call("PUT", vault, body({ createMode: "recover", accessPolicies: undefined }));
        expect(seen()).toMatchObject({ enableRbacAuthorization: true, roleAssignments: [] });
        expect((await call("GET", assignment)).status).toBe(404);
    });

    test("name roles that can be looked up", async () => {
        expect((await call("GET", roleId(officer))).body).toMatchObject({
            id: roleId(officer),
            properties: { roleName: "Key Vault Crypto Officer" },
        });
        const filter = encodeURIComponent("roleName eq 'Key Vault Crypto User'");
        expect(
            (await call("GET", `${roleId("").slice(0, -1)}?${apiVersion}&$filter=${filter}`)).body,
        ).toMatchObject({
            value: [{ name: user }],
        });
        expect((await call("GET", roleId(someone))).status).toBe(404);
    });
});
