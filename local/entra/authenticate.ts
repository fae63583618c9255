import { errors } from "../keyvault/errors";
import type { Caller } from "../vault";
import type { Directory } from "./directory";
import { issuerOf, TokenError, type Tokens } from "./tokens";

export const keyVaultResource = "https://vault.azure.net";

/** Checks the bearer tokens that a vault of this tenant gets, and says who the caller is. */
export const keyVaultAuthenticator =
    (options: { tokens: Tokens; directory: Directory; tenantId: string; operatorId: string }) =>
    async (bearerToken: string): Promise<Caller> => {
        const { tokens, directory, tenantId, operatorId } = options;
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
            operator: token.clientId === operatorId,
        };
    };

function refusal(error: TokenError): Error {
    if (error.reason === "expired") return errors.tokenExpired();
    if (error.reason === "unknownKey") return errors.unknownSigningKey();
    return errors.invalidToken(error.message);
}
