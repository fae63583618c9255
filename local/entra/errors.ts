/** A refusal of Entra ID: an OAuth 2.0 error (RFC 6749, section 5.2) with an AADSTS code in its description. */
export class EntraError extends Error {
    constructor(
        readonly status: number,
        /** OAuth's error code. */
        readonly error: string,
        /** The number of the AADSTS code; none for what only the local Azure refuses. */
        readonly number: number | undefined,
        message: string,
    ) {
        super(message);
        this.name = "EntraError";
    }
}

const entraError = (status: number, error: string, number: number, message: string) =>
    new EntraError(status, error, number, message);

const assertionHelp =
    "Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials .";
const keysHelp = (clientId: string) =>
    `Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '${clientId}'. ` +
    "Review the documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding service endpoint and " +
    "https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a query request URL, " +
    `such as 'https://graph.microsoft.com/beta/applications/${clientId}'`;
/** Seconds since the Unix epoch; a client may send anything. */
const instant = (seconds: unknown) => {
    const date = new Date(Number(seconds) * 1000);
    return Number.isNaN(date.getTime()) ? "(none)" : date.toISOString();
};

/** Texts: https://learn.microsoft.com/entra/identity-platform/reference-error-codes and bodies quoted in issues. */
export const errors = {
    invalidClientSecret: (clientId: string) =>
        entraError(
            401,
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, " +
                `not the client secret ID, for a secret added to app '${clientId}'.`,
        ),
    expiredClientSecret: (clientId: string) =>
        entraError(
            401,
            "invalid_client",
            7000222,
            `The provided client secret keys for app '${clientId}' are expired. Visit the Azure portal to create new keys for your app: ` +
                "https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.",
        ),
    missingCredential: () =>
        entraError(
            401,
            "invalid_client",
            7000216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        ),
    missingServicePrincipal: (clientId: string, tenant: string) =>
        entraError(
            401,
            "invalid_client",
            7000229,
            `The client application ${clientId} is missing service principal in the tenant ${tenant}. ` +
                "See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119",
        ),
    disabledServicePrincipal: (clientId: string) =>
        entraError(401, "invalid_client", 7000112, `Application '${clientId}' is disabled.`),
    unknownCertificate: (thumbprint: string, clientId: string) =>
        entraError(
            401,
            "invalid_client",
            700027,
            "The certificate with identifier used to sign the client assertion is not registered on application. " +
                `[Reason - The key was not found., Thumbprint of key used by client: '${thumbprint}', ${keysHelp(clientId)}]`,
        ),
    invalidAssertionSignature: (
        reason: string,
        thumbprint: string,
        found: string,
        clientId: string,
    ) =>
        entraError(
            401,
            "invalid_client",
            700027,
            `Client assertion contains an invalid signature. [Reason - ${reason}, Thumbprint of key used by client: '${thumbprint}', ` +
                `Found key '${found}', ${keysHelp(clientId)}]`,
        ),
    assertionOfOtherClient: () =>
        entraError(
            401,
            "invalid_client",
            700021,
            `Client assertion application identifier doesn't match 'client_id' parameter. ${assertionHelp}`,
        ),
    assertionAudience: () =>
        entraError(
            401,
            "invalid_client",
            700023,
            `Client assertion audience claim does not match Realm issuer. ${assertionHelp}`,
        ),
    assertionTime: (now: number, { nbf, exp }: { nbf?: number; exp?: number }) =>
        entraError(
            401,
            "invalid_client",
            700024,
            `Client assertion is not within its valid time range. Current time: ${new Date(now).toISOString()}, ` +
                `assertion valid from ${instant(nbf)}, expiry time of assertion ${instant(exp)}. ${assertionHelp}`,
        ),
    malformedAssertion: () =>
        entraError(400, "invalid_request", 50027, "JWT token is invalid or malformed."),
    assertionWithoutThumbprint: () =>
        entraError(
            400,
            "invalid_request",
            50027,
            "Invalid JWT token. No certificate thumbprint specified in token header.",
        ),
    noFederatedCredential: (issuer: string, subject: string, audience: string) =>
        entraError(
            400,
            "invalid_request",
            70021,
            `No matching federated identity record found for presented assertion. Assertion Issuer: '${issuer}'. ` +
                `Assertion Subject: '${subject}'. Assertion Audience: '${audience}'. ` +
                "https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation",
        ),
    federatedMismatch: (claim: "issuer" | "audience" | "subject", presented: string) =>
        entraError(
            401,
            "invalid_client",
            { issuer: 700211, audience: 700212, subject: 700213 }[claim],
            `No matching federated identity record found for presented assertion ${claim} '${presented}'. ` +
                "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. " +
                "https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
        ),
    federatedSubjectCase: (subject: string) =>
        entraError(
            401,
            "invalid_client",
            7002138,
            `No matching federated identity record found for presented assertion subject '${subject}'. The subject matches with ` +
                "case-insensitive comparison, but not with case-sensitive comparison. Check your federated identity credential Subject, " +
                "Audience and Issuer against the presented assertion. See documentation at: " +
                "https://learn.microsoft.com/entra/workload-id/workload-identity-federation. See breaking change notification and remediation at: " +
                "https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes#august-2024. ",
        ),
    federatedSignature: () =>
        entraError(
            400,
            "invalid_request",
            50013,
            "Assertion failed signature validation. [Reason - The key was not found.]",
        ),
    // https://azure.github.io/azure-workload-identity/docs/troubleshooting.html
    externalEndpointFailed: () =>
        entraError(400, "invalid_request", 90061, "Request to External OIDC endpoint failed."),
    unknownApplication: (clientId: string, directory: string) =>
        entraError(
            400,
            "unauthorized_client",
            700016,
            `Application with identifier '${clientId}' was not found in the directory '${directory}'. This can happen if the application ` +
                "has not been installed by the administrator of the tenant or consented to by any user in the tenant. " +
                "You may have sent your authentication request to the wrong tenant.",
        ),
    /** `error` differs between the OpenID configuration (`invalid_tenant`) and the token endpoint (`invalid_request`). */
    unknownTenant: (tenant: string, error: "invalid_tenant" | "invalid_request") =>
        entraError(
            400,
            error,
            90002,
            `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. ` +
                "Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.",
        ),
    unsupportedGrant: (grant: string) =>
        entraError(
            400,
            "unsupported_grant_type",
            70003,
            `The app requested an unsupported grant type '${grant}'.`,
        ),
    missingParameter: (name: string) =>
        entraError(
            400,
            "invalid_request",
            900144,
            `The request body must contain the following parameter: '${name}'.`,
        ),
    invalidScope: (scope: string) =>
        entraError(
            400,
            "invalid_scope",
            1002012,
            `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default ` +
                "suffixed to the resource identifier (application ID URI).",
        ),
    unknownResource: (resource: string, directory: string) =>
        entraError(
            400,
            "invalid_resource",
            500011,
            `The resource principal named ${resource} was not found in the tenant named ${directory}. This can happen if the application ` +
                "has not been installed by the administrator of the tenant or consented to by any user in the tenant. " +
                "You might have sent your authentication request to the wrong tenant.",
        ),
    notImplemented: (what: string) =>
        new EntraError(
            501,
            "invalid_request",
            undefined,
            `The local Azure does not do ${what} yet.`,
        ),
};
