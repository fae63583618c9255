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
