import { errors } from "../keyvault/errors";
import type { Caller } from "../vault";
import type { Tenant } from "./tenants";
import { issuerOf, TokenError, type Tokens } from "./tokens";

export const keyVaultResource = "https://vault.azure.net";

/** Checks the bearer tokens that a vault of the tenant gets, and says who the caller is. */
export const keyVaultAuthenticator =
    ({ tokens, tenant }: { tokens: Tokens; tenant: Tenant }) =>
    async (bearerToken: string): Promise<Caller> => {
        const { directory, tenantId, operator } = tenant;
        const token = await tokens.verify(bearerToken).catch((error: unknown) => {
            throw error instanceof TokenError ? refusal(error) : error;
        });
        if (token.audience !== keyVaultResource) throw errors.invalidAudience(token.audience);
        const issuer = issuerOf(tenantId);
        if (token.issuer !== issuer || token.tenantId !== tenantId) {
            throw errors.invalidIssuer([issuer], token.issuer);
        }
        if (!directory.servicePrincipal(token.objectId)) {
            throw errors.invalidToken("the service principal it was issued to was deleted");
        }
        return {
            tenantId,
            appId: token.clientId,
            objectId: token.objectId,
            operator: token.clientId === operator.clientId,
        };
    };

function refusal(error: TokenError): Error {
    if (error.reason === "expired") return errors.tokenExpired();
    if (error.reason === "unknownKey") return errors.unknownSigningKey();
    return errors.invalidToken(error.message);
}
