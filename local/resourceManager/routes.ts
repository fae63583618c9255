import type { FastifyError, FastifyInstance, FastifyRequest } from "fastify";
import type { Tenant } from "../entra/tenants";
import { issuerOf, TokenError, type TokenClaims, type Tokens } from "../entra/tokens";
import { errors, ResourceManagerError } from "./errors";
import { roles, rolesFiltered, type Role } from "./roles";
import { filtered, type RoleAssignmentRecord } from "./roleAssignments";
import { vaultId, vaultUri, type ResourceGroup, type VaultRecord } from "./resourceManager";
import type { Subscription } from "./subscriptions";

export interface ResourceManagerRoutesOptions {
    /** Each one's operator alone has rights on it. */
    subscriptions: { get(id: string): Subscription | undefined };
    tokens: Tokens;
}

/** What a token for the resource manager may be issued for. */
export const resourceManagerAudiences = [
    "https://management.core.windows.net/",
    "https://management.core.windows.net",
    "https://management.azure.com/",
    "https://management.azure.com",
];

type Params = {
    subscription: string;
    group: string;
    vault: string;
    location: string;
    operation: string;
    assignment: string;
    role: string;
};
type Request = FastifyRequest<{ Params: Params; Querystring: Record<string, string> }>;

/** Microsoft.Resources/resourceGroups and Microsoft.KeyVault/vaults, as REST. */
export function resourceManagerRoutes(options: ResourceManagerRoutesOptions) {
    const subscriptionOf = ({ subscription: id }: Params): Subscription => {
        const subscription = options.subscriptions.get(id);
        if (!subscription) throw errors.subscriptionNotFound(id);
        return subscription;
    };
    const manager = (params: Params) => subscriptionOf(params).resourceManager;
    const id = (params: Params) => manager(params).subscriptionId;
    const group = (params: Params) => (record: ResourceGroup) => groupResource(id(params), record);
    const vault = (params: Params) => (record: VaultRecord) => vaultResource(id(params), record);
    const assignment = (params: Params) => (record: RoleAssignmentRecord) =>
        roleAssignmentResource(
            vaultId(id(params), manager(params).vault(params.group, params.vault)),
            record,
        );
    const definition = (params: Params) => (role: Role) => roleDefinitionResource(id(params), role);
    const deleted = (params: Params) => (record: VaultRecord) =>
        deletedVaultResource(id(params), record);

    return (app: FastifyInstance, _options: object, done: () => void): void => {
        // Clients send `content-type: application/json` with a DELETE or POST that has no body, too.
        app.removeContentTypeParser("application/json");
        app.addContentTypeParser(
            "application/json",
            { parseAs: "string" },
            (_request, body: string, parsed) => {
                try {
                    parsed(null, body === "" ? undefined : JSON.parse(body));
                } catch {
                    parsed(errors.invalidRequestContent());
                }
            },
        );
        app.addHook("onRequest", async (received) => {
            const request = received as Request;
            const token = await bearerToken(request);
            if (!request.query["api-version"]) throw errors.missingApiVersion();
            check(token, subscriptionOf(request.params).tenant, request);
        });

        const inSubscription = "/subscriptions/:subscription";
        const inGroup = `${inSubscription}/resourceGroups/:group`;
        app.get(`${inSubscription}/resourceGroups`, ({ params }: Request) =>
            list(manager(params).groups().map(group(params))),
        );
        app.get(inGroup, ({ params }: Request) =>
            group(params)(manager(params).group(params.group)),
        );
        app.head(inGroup, async ({ params }: Request, reply) => {
            manager(params).group(params.group);
            return reply.code(204).send();
        });
        app.put(inGroup, async ({ params, body }: Request, reply) => {
            const result = await manager(params).putGroup(params.group, body);
            return reply.code(result.created ? 201 : 200).send(group(params)(result.group));
        });
        app.delete(inGroup, async ({ params }: Request, reply) => {
            await manager(params).deleteGroup(params.group);
            return reply.code(200).send();
        });

        const vaults = `${inGroup}/providers/Microsoft.KeyVault/vaults`;
        const oneVault = `${vaults}/:vault`;
        app.get(vaults, ({ params }: Request) =>
            list(manager(params).vaults(params.group).map(vault(params))),
        );
        app.get(oneVault, ({ params }: Request) =>
            vault(params)(manager(params).vault(params.group, params.vault)),
        );
        app.put(oneVault, async ({ params, body }: Request, reply) => {
            const result = await manager(params).putVault(params.group, params.vault, body);
            return reply.code(result.created ? 201 : 200).send(vault(params)(result.vault));
        });
        app.patch(oneVault, async ({ params, body }: Request) =>
            vault(params)(await manager(params).patchVault(params.group, params.vault, body)),
        );
        app.delete(oneVault, async ({ params }: Request, reply) => {
            await manager(params).deleteVault(params.group, params.vault);
            return reply.code(200).send();
        });
        app.put(`${oneVault}/accessPolicies/:operation`, async ({ params, body }: Request) => {
            const operation = params.operation.toLowerCase();
            if (operation !== "add" && operation !== "replace" && operation !== "remove") {
                throw errors.badRequest(
                    `The operation '${params.operation}' is not one of add, replace, remove.`,
                );
            }
            const record = await manager(params).updateAccessPolicies(
                params.group,
                params.vault,
                operation,
                body,
            );
            const { id, name } = vault(params)(record);
            const { accessPolicies } = record.properties;
            return {
                id: `${id}/accessPolicies/`,
                name,
                type: "Microsoft.KeyVault/vaults/accessPolicies",
                properties: { accessPolicies },
            };
        });

        const authorization = "providers/Microsoft.Authorization";
        const assignments = `${oneVault}/${authorization}/roleAssignments`;
        app.get(assignments, ({ params, query }: Request) => {
            const found = manager(params).roleAssignments(params.group, params.vault);
            return list(filtered(found, query.$filter).map(assignment(params)));
        });
        const oneAssignment = `${assignments}/:assignment`;
        app.get(oneAssignment, ({ params }: Request) =>
            assignment(params)(
                manager(params).roleAssignment(params.group, params.vault, params.assignment),
            ),
        );
        app.put(oneAssignment, async ({ params, body }: Request, reply) => {
            const result = await manager(params).putRoleAssignment(
                params.group,
                params.vault,
                params.assignment,
                body,
            );
            return reply
                .code(result.created ? 201 : 200)
                .send(assignment(params)(result.roleAssignment));
        });
        app.delete(oneAssignment, async ({ params }: Request, reply) => {
            const removed = await manager(params).deleteRoleAssignment(
                params.group,
                params.vault,
                params.assignment,
            );
            return removed ? assignment(params)(removed) : reply.code(204).send();
        });
        for (const scope of [inSubscription, oneVault]) {
            const definitions = `${scope}/${authorization}/roleDefinitions`;
            app.get(definitions, ({ params, query }: Request) =>
                list(rolesFiltered(query.$filter).map(definition(params))),
            );
            app.get(`${definitions}/:role`, ({ params }: Request) => {
                const role = roles.find(({ name }) => name === params.role.toLowerCase());
                if (!role) throw errors.roleDefinitionNotFound(params.role);
                return definition(params)(role);
            });
        }

        const keyVault = `${inSubscription}/providers/Microsoft.KeyVault`;
        app.post(`${keyVault}/checkNameAvailability`, ({ params, body }: Request) =>
            manager(params).nameAvailability(body),
        );
        app.get(`${keyVault}/vaults`, ({ params }: Request) =>
            list(manager(params).vaults().map(vault(params))),
        );
        app.get(`${keyVault}/deletedVaults`, ({ params }: Request) =>
            list(manager(params).deletedVaults().map(deleted(params))),
        );
        const oneDeleted = `${keyVault}/locations/:location/deletedVaults/:vault`;
        app.get(oneDeleted, ({ params }: Request) =>
            deleted(params)(manager(params).deletedVault(params.location, params.vault)),
        );
        app.post(`${oneDeleted}/purge`, async ({ params }: Request, reply) => {
            await manager(params).purgeVault(params.location, params.vault);
            return reply.code(200).send();
        });
        app.all(`${inSubscription}/*`, (request) => {
            const path = request.url.split("?")[0] ?? "";
            throw errors.notImplemented(`${request.method} ${path} of the resource manager`);
        });

        app.setErrorHandler((error, request, reply) => {
            const refusal = refusalOf(error);
            request.errorCode = refusal.code;
            return reply
                .code(refusal.status)
                .send({ error: { code: refusal.code, message: refusal.message } });
        });
        done();
    };

    async function bearerToken(request: Request): Promise<TokenClaims> {
        const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
        if (!bearer) throw errors.authenticationFailed();
        const token = await options.tokens.verify(bearer).catch((error: unknown) => {
            throw error instanceof TokenError
                ? errors.invalidAuthenticationToken(error.message)
                : error;
        });
        request.clientId = token.clientId;
        const allowed = resourceManagerAudiences;
        if (!allowed.includes(token.audience)) {
            throw errors.invalidAuthenticationTokenAudience(token.audience, allowed);
        }
        return token;
    }
}

function check(token: TokenClaims, tenant: Tenant, request: Request): void {
    if (token.issuer !== issuerOf(tenant.tenantId)) {
        throw errors.invalidAuthenticationTokenTenant(token.issuer, tenant.tenantId);
    }
    if (!tenant.directory.servicePrincipal(token.objectId)) {
        throw errors.invalidAuthenticationToken(
            "the service principal it was issued to was deleted",
        );
    }
    if (token.clientId !== tenant.operator.clientId) {
        throw errors.authorizationFailed(
            token.clientId,
            request.method === "GET" || request.method === "HEAD" ? "read" : "write",
            request.url.split("?")[0] ?? "",
        );
    }
}

function refusalOf(error: unknown): ResourceManagerError {
    if (error instanceof ResourceManagerError) return error;
    const { message, statusCode = 500 } = error as Partial<FastifyError>;
    return statusCode < 500 ? errors.badRequest(String(message)) : errors.internal(String(message));
}

const list = <T>(value: T[]) => ({ value });

export const groupResource = (subscriptionId: string, group: ResourceGroup) => ({
    id: `/subscriptions/${subscriptionId}/resourceGroups/${group.name}`,
    name: group.name,
    type: "Microsoft.Resources/resourceGroups",
    location: group.location,
    tags: group.tags,
    managedBy: group.managedBy,
    properties: { provisioningState: "Succeeded" },
});

export const vaultResource = (subscriptionId: string, vault: VaultRecord) => ({
    id: vaultId(subscriptionId, vault),
    name: vault.name,
    type: "Microsoft.KeyVault/vaults",
    location: vault.location,
    tags: vault.tags ?? {},
    systemData: { createdAt: vault.createdAt },
    properties: {
        ...vault.properties,
        vaultUri: vaultUri(vault),
        provisioningState: "Succeeded",
    },
});

export const roleAssignmentResource = (scope: string, record: RoleAssignmentRecord) => ({
    id: `${scope}/providers/Microsoft.Authorization/roleAssignments/${record.name}`,
    name: record.name,
    type: "Microsoft.Authorization/roleAssignments",
    properties: {
        roleDefinitionId: record.roleDefinitionId,
        principalId: record.principalId,
        principalType: record.principalType,
        description: record.description,
        scope,
        createdOn: record.createdOn,
        updatedOn: record.updatedOn,
    },
});

const roleDefinitionResource = (subscriptionId: string, role: Role) => ({
    id: `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role.name}`,
    name: role.name,
    type: "Microsoft.Authorization/roleDefinitions",
    properties: {
        roleName: role.roleName,
        type: "BuiltInRole",
        description: role.description,
        assignableScopes: ["/"],
        permissions: [
            { actions: [], notActions: [], dataActions: role.dataActions, notDataActions: [] },
        ],
    },
});

const deletedVaultResource = (subscriptionId: string, vault: VaultRecord) => ({
    id: `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/locations/${vault.location}/deletedVaults/${vault.name}`,
    name: vault.name,
    type: "Microsoft.KeyVault/deletedVaults",
    properties: {
        vaultId: vaultResource(subscriptionId, vault).id,
        location: vault.location,
        tags: vault.tags ?? {},
        ...vault.deletion,
        purgeProtectionEnabled: vault.properties.enablePurgeProtection,
    },
});
