import type { FastifyError, FastifyInstance, FastifyRequest } from "fastify";
import type { Directory } from "../entra/directory";
import { issuerOf, TokenError, type TokenClaims, type Tokens } from "../entra/tokens";
import { errors, ResourceManagerError } from "./errors";
import { roles, rolesFiltered, type Role } from "./roles";
import { filtered, type RoleAssignmentRecord } from "./roleAssignments";
import {
    vaultId,
    vaultUri,
    type ResourceGroup,
    type ResourceManager,
    type VaultRecord,
} from "./resourceManager";

export interface ResourceManagerRoutesOptions {
    resourceManager: ResourceManager;
    tokens: Tokens;
    directory: Directory;
    tenantId: string;
    /** The only one with rights on the subscription. */
    operatorId: string;
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
    const { resourceManager } = options;
    const { subscriptionId } = resourceManager;
    const group = (record: ResourceGroup) => groupResource(subscriptionId, record);
    const vault = (record: VaultRecord) => vaultResource(subscriptionId, record);
    const assignment = (params: Params) => (record: RoleAssignmentRecord) =>
        roleAssignmentResource(
            vaultId(subscriptionId, resourceManager.vault(params.group, params.vault)),
            record,
        );
    const definition = (role: Role) => roleDefinitionResource(subscriptionId, role);
    const deleted = (record: VaultRecord) => deletedVaultResource(subscriptionId, record);

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
            await authorize(request);
            if (!request.query["api-version"]) throw errors.missingApiVersion();
            const { subscription } = request.params;
            if (subscription.toLowerCase() !== subscriptionId) {
                throw errors.subscriptionNotFound(subscription);
            }
        });

        const inSubscription = "/subscriptions/:subscription";
        const inGroup = `${inSubscription}/resourceGroups/:group`;
        app.get(`${inSubscription}/resourceGroups`, () =>
            list(resourceManager.groups().map(group)),
        );
        app.get(inGroup, ({ params }: Request) => group(resourceManager.group(params.group)));
        app.head(inGroup, async ({ params }: Request, reply) => {
            resourceManager.group(params.group);
            return reply.code(204).send();
        });
        app.put(inGroup, async ({ params, body }: Request, reply) => {
            const result = await resourceManager.putGroup(params.group, body);
            return reply.code(result.created ? 201 : 200).send(group(result.group));
        });
        app.delete(inGroup, async ({ params }: Request, reply) => {
            await resourceManager.deleteGroup(params.group);
            return reply.code(200).send();
        });

        const vaults = `${inGroup}/providers/Microsoft.KeyVault/vaults`;
        const oneVault = `${vaults}/:vault`;
        app.get(vaults, ({ params }: Request) =>
            list(resourceManager.vaults(params.group).map(vault)),
        );
        app.get(oneVault, ({ params }: Request) =>
            vault(resourceManager.vault(params.group, params.vault)),
        );
        app.put(oneVault, async ({ params, body }: Request, reply) => {
            const result = await resourceManager.putVault(params.group, params.vault, body);
            return reply.code(result.created ? 201 : 200).send(vault(result.vault));
        });
        app.patch(oneVault, async ({ params, body }: Request) =>
            vault(await resourceManager.patchVault(params.group, params.vault, body)),
        );
        app.delete(oneVault, async ({ params }: Request, reply) => {
            await resourceManager.deleteVault(params.group, params.vault);
            return reply.code(200).send();
        });
        app.put(`${oneVault}/accessPolicies/:operation`, async ({ params, body }: Request) => {
            const operation = params.operation.toLowerCase();
            if (operation !== "add" && operation !== "replace" && operation !== "remove") {
                throw errors.badRequest(
                    `The operation '${params.operation}' is not one of add, replace, remove.`,
                );
            }
            const record = await resourceManager.updateAccessPolicies(
                params.group,
                params.vault,
                operation,
                body,
            );
            const { id, name } = vault(record);
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
            const found = resourceManager.roleAssignments(params.group, params.vault);
            return list(filtered(found, query.$filter).map(assignment(params)));
        });
        const oneAssignment = `${assignments}/:assignment`;
        app.get(oneAssignment, ({ params }: Request) =>
            assignment(params)(
                resourceManager.roleAssignment(params.group, params.vault, params.assignment),
            ),
        );
        app.put(oneAssignment, async ({ params, body }: Request, reply) => {
            const result = await resourceManager.putRoleAssignment(
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
            const removed = await resourceManager.deleteRoleAssignment(
                params.group,
                params.vault,
                params.assignment,
            );
            return removed ? assignment(params)(removed) : reply.code(204).send();
        });
        for (const scope of [inSubscription, oneVault]) {
            const definitions = `${scope}/${authorization}/roleDefinitions`;
            app.get(definitions, ({ query }: Request) =>
                list(rolesFiltered(query.$filter).map(definition)),
            );
            app.get(`${definitions}/:role`, ({ params }: Request) => {
                const role = roles.find(({ name }) => name === params.role.toLowerCase());
                if (!role) throw errors.roleDefinitionNotFound(params.role);
                return definition(role);
            });
        }

        const keyVault = `${inSubscription}/providers/Microsoft.KeyVault`;
        app.post(`${keyVault}/checkNameAvailability`, ({ body }: Request) =>
            resourceManager.nameAvailability(body),
        );
        app.get(`${keyVault}/vaults`, () => list(resourceManager.vaults().map(vault)));
        app.get(`${keyVault}/deletedVaults`, () =>
            list(resourceManager.deletedVaults().map(deleted)),
        );
        const oneDeleted = `${keyVault}/locations/:location/deletedVaults/:vault`;
        app.get(oneDeleted, ({ params }: Request) =>
            deleted(resourceManager.deletedVault(params.location, params.vault)),
        );
        app.post(`${oneDeleted}/purge`, async ({ params }: Request, reply) => {
            await resourceManager.purgeVault(params.location, params.vault);
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

    async function authorize(request: Request): Promise<void> {
        const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
        if (!bearer) throw errors.authenticationFailed();
        const token = await options.tokens.verify(bearer).catch((error: unknown) => {
            throw error instanceof TokenError
                ? errors.invalidAuthenticationToken(error.message)
                : error;
        });
        request.clientId = token.clientId;
        check(token, request);
    }

    function check(token: TokenClaims, request: Request): void {
        if (!resourceManagerAudiences.includes(token.audience)) {
            throw errors.invalidAuthenticationTokenAudience(
                token.audience,
                resourceManagerAudiences,
            );
        }
        if (token.issuer !== issuerOf(options.tenantId)) {
            throw errors.invalidAuthenticationToken("it is of another tenant");
        }
        if (!options.directory.servicePrincipal(token.objectId)) {
            throw errors.invalidAuthenticationToken(
                "the service principal it was issued to was deleted",
            );
        }
        if (token.clientId !== options.operatorId) {
            throw errors.authorizationFailed(
                token.clientId,
                request.method === "GET" || request.method === "HEAD" ? "read" : "write",
                request.url.split("?")[0] ?? "",
            );
        }
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
