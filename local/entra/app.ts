import { randomUUID } from "node:crypto";
import type { FastifyError, FastifyInstance, FastifyRequest } from "fastify";
import type { JSONWebKeySet } from "jose";
import { z } from "zod";
import type { Clock } from "../clock";
import { assertionType, checkClientAssertion } from "./clientAssertion";
import { errors, EntraError } from "./errors";
import type { Application, ServicePrincipal } from "./directory";
import type { Tenant } from "./tenants";
import type { Tokens } from "./tokens";

export interface EntraOptions {
    tenants: { find(tenantId: string): Tenant | undefined };
    tokens: Tokens;
    clock: Clock;
    /** `https://127.0.0.1:<port>` */
    authorityHost: () => string;
    /** The signing keys that a federated identity credential's issuer publishes. */
    issuerKeys: (issuer: string) => Promise<JSONWebKeySet>;
}

/** What tokens are issued for. A scope is one of these and `/.default`; the audience is the resource as asked for. */
const resources = new Set([
    "https://vault.azure.net",
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://graph.microsoft.com",
]);
/** The directory's name in messages. */
const directoryName = "local Azure";

/** Refuses a resource that there are no tokens for. */
export function assertResource(resource: string): void {
    if (!resources.has(resource.replace(/\/$/, ""))) {
        throw errors.unknownResource(resource, directoryName);
    }
}

type Request = FastifyRequest<{ Params: { tenant: string } }>;

const tokenRequest = z.object({
    client_id: z.string().optional(),
    client_secret: z.string().optional(),
    client_assertion: z.string().optional(),
    client_assertion_type: z.string().optional(),
    grant_type: z.string().optional(),
    scope: z.string().optional(),
});

/** The OAuth 2.0 and OpenID Connect endpoints of Entra ID that the Azure SDKs' client credentials use. */
export function entraRoutes(options: EntraOptions) {
    const { tokens, clock } = options;
    const tenantOf = (
        { params }: Request,
        refusal: "invalid_tenant" | "invalid_request" = "invalid_tenant",
    ): Tenant => {
        const tenant = options.tenants.find(params.tenant);
        if (!tenant) throw errors.unknownTenant(params.tenant, refusal);
        return tenant;
    };

    return (app: FastifyInstance, _options: object, done: () => void): void => {
        app.addContentTypeParser(
            "application/x-www-form-urlencoded",
            { parseAs: "string" },
            (_request, body: string, parsed) => {
                parsed(null, Object.fromEntries(new URLSearchParams(body)));
            },
        );

        app.get("/:tenant/v2.0/.well-known/openid-configuration", (request: Request) =>
            openIdConfiguration(options.authorityHost(), tenantOf(request).tenantId),
        );

        app.get("/:tenant/discovery/v2.0/keys", (request: Request) => {
            tenantOf(request);
            return tokens.jwks();
        });

        app.post("/:tenant/oauth2/v2.0/token", async (request: Request, reply) => {
            const form = formOf(request.body);
            request.clientId = form.client_id;
            const tenant = tenantOf(request, "invalid_request");
            const resource = requestedResource(form);
            const principal = await authenticatedClient(form, tenant);
            const provedBy = form.client_assertion ? "assertion" : "secret";
            const token = await tokens.issue(tenant.tenantId, resource, principal, provedBy);
            // RFC 6749, section 5.1: tokens must not be cached.
            void reply.header("cache-control", "no-store").header("pragma", "no-cache");
            return { token_type: "Bearer", ext_expires_in: token.expires_in, ...token };
        });

        app.setErrorHandler((error, request, reply) => {
            const refusal = refusalOf(error);
            request.errorCode = refusal.number ? `AADSTS${refusal.number}` : refusal.error;
            return reply
                .code(refusal.status)
                .send(errorBody(refusal, request, new Date(clock.now())));
        });
        done();
    };

    /** Members of a form are texts; whatever isn't a form at all has none of them. */
    function formOf(body: unknown): z.infer<typeof tokenRequest> {
        return tokenRequest.safeParse(body).data ?? {};
    }

    function requestedResource(form: z.infer<typeof tokenRequest>): string {
        if (!form.grant_type) throw errors.missingParameter("grant_type");
        if (form.grant_type !== "client_credentials")
            throw errors.unsupportedGrant(form.grant_type);
        if (!form.scope) throw errors.missingParameter("scope");
        if (!form.scope.endsWith("/.default")) throw errors.invalidScope(form.scope);
        const resource = form.scope.slice(0, -"/.default".length);
        assertResource(resource);
        return resource;
    }

    async function authenticatedClient(
        form: z.infer<typeof tokenRequest>,
        tenant: Tenant,
    ): Promise<ServicePrincipal> {
        const { directory, tenantId } = tenant;
        if (!form.client_id) throw errors.missingParameter("client_id");
        const application = directory.applicationOf(form.client_id);
        if (!application) throw errors.unknownApplication(form.client_id, directoryName);
        if (form.client_assertion) {
            await checkAssertion(application, form.client_assertion, form, tenant);
        } else if (form.client_secret) checkSecret(application, form.client_secret, tenant);
        else throw errors.missingCredential();
        const principal = directory.servicePrincipalOf(form.client_id);
        if (!principal) throw errors.missingServicePrincipal(form.client_id, tenantId);
        if (principal.accountEnabled === false) {
            throw errors.disabledServicePrincipal(form.client_id);
        }
        return principal;
    }

    async function checkAssertion(
        application: Application,
        assertion: string,
        form: z.infer<typeof tokenRequest>,
        { tenantId, directory }: Tenant,
    ): Promise<void> {
        if (form.client_assertion_type !== assertionType) {
            throw errors.missingParameter("client_assertion_type");
        }
        const { token_endpoint, issuer } = openIdConfiguration(options.authorityHost(), tenantId);
        await checkClientAssertion(assertion, application, {
            directory,
            now: clock.now(),
            audiences: [token_endpoint, issuer],
            issuerKeys: options.issuerKeys,
        });
    }

    function checkSecret(application: Application, secret: string, { directory }: Tenant): void {
        const result = directory.checkSecret(application, secret);
        if (result === "expired") throw errors.expiredClientSecret(application.clientId);
        if (result === "invalid") throw errors.invalidClientSecret(application.clientId);
    }
}

/** The issuer has to be of the authority's origin, or the SDK (MSAL) refuses it. */
function openIdConfiguration(authorityHost: string, tenantId: string) {
    const authority = `${authorityHost}/${tenantId}`;
    return {
        token_endpoint: `${authority}/oauth2/v2.0/token`,
        token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt"],
        jwks_uri: `${authority}/discovery/v2.0/keys`,
        response_modes_supported: ["query", "fragment", "form_post"],
        subject_types_supported: ["pairwise"],
        id_token_signing_alg_values_supported: ["RS256"],
        response_types_supported: ["code", "id_token", "token"],
        scopes_supported: ["openid"],
        issuer: `${authority}/v2.0`,
        authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
        tenant_region_scope: null,
        cloud_instance_name: "microsoftonline.com",
    };
}

function errorBody(refusal: EntraError, request: FastifyRequest, now: Date) {
    const trace = randomUUID();
    const query = request.query as Record<string, string>;
    const correlation =
        query["client-request-id"] ?? request.headers["client-request-id"] ?? randomUUID();
    const timestamp = now.toISOString().replace("T", " ").replace(/\.\d+/, "");
    const code = refusal.number ? `AADSTS${refusal.number}: ` : "";
    return {
        error: refusal.error,
        error_description:
            `${code}${refusal.message}\r\nTrace ID: ${trace}\r\nCorrelation ID: ${String(correlation)}\r\n` +
            `Timestamp: ${timestamp}`,
        error_codes: refusal.number ? [refusal.number] : [],
        timestamp,
        trace_id: trace,
        correlation_id: correlation,
        ...(refusal.number && {
            error_uri: `https://login.microsoftonline.com/error?code=${refusal.number}`,
        }),
    };
}

function refusalOf(error: unknown): EntraError {
    if (error instanceof EntraError) return error;
    const { message, statusCode = 500 } = error as Partial<FastifyError>;
    return statusCode < 500
        ? new EntraError(statusCode, "invalid_request", undefined, String(message))
        : new EntraError(500, "server_error", undefined, `The local Azure failed: ${message}`);
}
