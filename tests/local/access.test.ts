import { assertReachable, authorize, type Permission } from "../../local/keyvault/access";
import { KeyVaultError } from "../../local/keyvault/errors";
import { roles } from "../../local/resourceManager/roles";
import type { Caller, Vault } from "../../local/vault";
import { tenantId, vaultFixture } from "./keyvaultFixture";
import { startServer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

const objectId = "22222222-2222-4222-8222-22222222abcd";
const appId = "33333333-3333-4333-8333-333333333333";
const caller: Caller = { tenantId, appId, objectId, operator: false };
const callerText = `appid=${appId};oid=${objectId};iss=https://sts.windows.net/${tenantId}/`;

const refusal = (work: () => void) => {
    try {
        work();
    } catch (error) {
        if (!(error instanceof KeyVaultError)) throw error;
        const { status, code, innerCode, message } = error;
        return { status, code, innerCode, message };
    }
    return undefined;
};

const permissions: Permission[] = (
    "get list create import update delete recover purge backup restore encrypt decrypt sign verify wrapKey " +
    "unwrapKey rotate getrotationpolicy setrotationpolicy release"
).split(" ") as Permission[];

describe("access policies", () => {
    const policy = { tenantId, objectId, permissions: { keys: ["Get"] } };
    const permitted = (change: object, permission: Permission = "get") =>
        !refusal(() =>
            authorize(
                vaultFixture({ accessPolicies: [{ ...policy, ...change }] }),
                caller,
                permission,
            ),
        );

    test("count for their own identity, whose ids and permissions compare without case", () => {
        expect(permitted({})).toBe(true);
        expect(permitted({ objectId: objectId.toUpperCase() })).toBe(true);
        expect(permitted({}, "sign")).toBe(false);
        expect(permitted({ permissions: { keys: ["ALL"] } }, "sign")).toBe(true);
        expect(permitted({ permissions: { secrets: ["get"] } })).toBe(false);
        expect(permitted({ objectId: appId })).toBe(false);
        expect(permitted({ tenantId: appId })).toBe(false);
    });

    test("with an application count for this application alone", () => {
        expect(permitted({ applicationId: appId })).toBe(true);
        expect(permitted({ applicationId: objectId })).toBe(false);
    });

    test("don't count where roles do", () => {
        const both = vaultFixture({ accessPolicies: [policy], enableRbacAuthorization: true });
        expect(refusal(() => authorize(both, caller, "get"))).toMatchObject({
            innerCode: "ForbiddenByRbac",
        });
    });
});

describe("roles", () => {
    const assigned = (roleName: string) =>
        vaultFixture({
            enableRbacAuthorization: true,
            roleAssignments: [
                {
                    principalId: objectId.toUpperCase(),
                    dataActions: roles.find((role) => role.roleName === roleName)!.dataActions,
                },
            ],
        });

    // https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security
    test.each<[string, string]>([
        ["Key Vault Administrator", permissions.join(" ")],
        ["Key Vault Crypto Officer", permissions.join(" ")],
        [
            "Key Vault Crypto User",
            "get list update backup encrypt decrypt sign verify wrapKey unwrapKey",
        ],
        ["Key Vault Crypto Service Encryption User", "get list wrapKey unwrapKey"],
        ["Key Vault Reader", "get list getrotationpolicy"],
        ["Key Vault Purge Operator", ""],
    ])("%s permits: %s", (roleName, expected) => {
        const subject = assigned(roleName);
        const permitted = permissions.filter(
            (permission) => !refusal(() => authorize(subject, caller, permission)),
        );
        expect(permitted.join(" ")).toBe(expected);
    });

    test("of someone else don't count, and the operator needs none", () => {
        const subject = assigned("Key Vault Administrator");
        const other = { ...caller, objectId: appId };
        expect(refusal(() => authorize(subject, other, "get"))).toBeDefined();
        authorize(subject, { ...other, operator: true }, "get");
    });

    test("their refusal names the action and the resource", () => {
        const subject = vaultFixture({ enableRbacAuthorization: true });
        const expected = (action: string, resource: string) => ({
            status: 403,
            code: "Forbidden",
            innerCode: "ForbiddenByRbac",
            message:
                "Caller is not authorized to perform action on resource.\r\n" +
                "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n" +
                `Caller: ${callerText}\r\nAction: 'Microsoft.KeyVault/vaults/${action}'\r\n` +
                `Resource: '/subscriptions/s/resourcegroups/group/providers/microsoft.keyvault/vaults/learn-keyvault${resource}'\r\n` +
                "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n" +
                "Vault: Learn-KeyVault;location=westeurope\r\n",
        });
        expect(refusal(() => authorize(subject, caller, "get", "rsa-1"))).toEqual(
            expected("keys/read", "/keys/rsa-1"),
        );
        expect(refusal(() => authorize(subject, caller, "list"))).toEqual(
            expected("keys/read", ""),
        );
        expect(refusal(() => authorize(subject, caller, "unwrapKey", "k"))).toEqual(
            expected("keys/unwrap/action", "/keys/k"),
        );
    });
});

describe("the network", () => {
    const from = (address: string, network: Partial<Vault["network"]>) =>
        refusal(() =>
            assertReachable(
                vaultFixture({
                    network: { publicAccess: true, bypass: "AzureServices", ...network },
                }),
                caller,
                address,
            ),
        );

    test.each<[string, string[], boolean]>([
        ["192.0.2.7", ["192.0.2.7"], true],
        ["192.0.2.8", ["192.0.2.7"], false],
        ["192.0.2.255", ["198.51.100.1", "192.0.2.0/24"], true],
        ["192.0.3.0", ["192.0.2.0/24"], false],
        ["127.0.0.1", ["0.0.0.0/0"], true],
        ["127.0.0.1", [], false],
    ])("%s with the rules %j: %s", (address, allowedAddresses, passes) => {
        expect(from(address, { allowedAddresses }) === undefined).toBe(passes);
    });

    test("without rules everyone passes; without public access nobody", () => {
        expect(from("127.0.0.1", {})).toBeUndefined();
        const disabled = { publicAccess: false, allowedAddresses: ["127.0.0.1"] };
        const tail = `\r\nCaller: ${callerText}\r\nVault: Learn-KeyVault;location=westeurope`;
        expect(from("127.0.0.1", disabled)).toEqual({
            status: 403,
            code: "Forbidden",
            innerCode: "ForbiddenByConnection",
            message: `Public network access is disabled and request is not from a trusted service nor via an approved private link.${tail}`,
        });
        expect(from("127.0.0.1", { ...disabled, bypass: "None" })?.message).toBe(
            "Connection is not an approved private link and caller was ignored because bypass is not set to 'AzureServices' " +
                `and PublicNetworkAccess is set to 'Disabled'.${tail}`,
        );
    });

    test("the firewall's refusal names the address", () => {
        const tail = `\r\nClient address: 127.0.0.1\r\nCaller: ${callerText}\r\nVault: Learn-KeyVault;location=westeurope`;
        expect(from("127.0.0.1", { allowedAddresses: [] })).toEqual({
            status: 403,
            code: "Forbidden",
            innerCode: "ForbiddenByFirewall",
            message: `Client address is not authorized and caller is not a trusted service.${tail}`,
        });
        expect(from("127.0.0.1", { allowedAddresses: [], bypass: "None" })?.message).toBe(
            `Client address is not authorized and caller was ignored because bypass is set to None${tail}`,
        );
    });
});

describe("a vault over HTTPS", () => {
    let server: Server;
    beforeAll(async () => {
        server = await startServer();
    });
    afterAll(() => server.stop());

    test("keeps its operator out by its firewall, too; a caller without a token is asked for one first", async () => {
        const rules = (allowedAddresses?: string[]) =>
            (server.vault.network = {
                publicAccess: true,
                bypass: "AzureServices",
                allowedAddresses,
            });
        rules(["192.0.2.1"]);
        expect(await server.send("GET", "/keys")).toMatchObject({
            status: 403,
            body: { error: { innererror: { code: "ForbiddenByFirewall" } } },
        });
        // Even before a wrong api-version.
        expect((await server.send("GET", "/keys", undefined, { api: null })).status).toBe(403);
        expect((await server.send("GET", "/keys", undefined, { token: "-" })).status).toBe(401);
        rules(["127.0.0.1"]);
        expect((await server.send("GET", "/keys")).status).toBe(200);
        rules();
    });

    test("asks for a role where roles count, for the key that is named", async () => {
        const token = server.token(["get"]);
        const { objectId } = server.vault.accessPolicies.at(-1)!;
        await server.send("POST", "/keys/rsa-1/create", { kty: "RSA" });
        server.vault.enableRbacAuthorization = true;
        const refused = await server.send("GET", "/keys/rsa-1", undefined, { token });
        expect(refused.status).toBe(403);
        expect(refused.body.error.message).toContain("/vaults/learn-keyvault/keys/rsa-1'");
        server.vault.roleAssignments = [
            { principalId: objectId, dataActions: ["Microsoft.KeyVault/vaults/*/read"] },
        ];
        expect((await server.send("GET", "/keys/rsa-1", undefined, { token })).status).toBe(200);
        expect((await server.send("DELETE", "/keys/rsa-1", undefined, { token })).status).toBe(403);
    });
});
