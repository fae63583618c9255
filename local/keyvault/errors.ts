/** An error as the service answers it. */
export class KeyVaultError extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
        readonly innerCode?: string,
    ) {
        super(message);
        this.name = "KeyVaultError";
    }

    /** The body of the answer. */
    body(): object {
        const inner = this.innerCode && { innererror: { code: this.innerCode } };
        return { error: { code: this.code, message: this.message, ...inner } };
    }
}

const unauthorized = (message: string) => new KeyVaultError(401, "Unauthorized", message);
const badParameter = (message: string) => new KeyVaultError(400, "BadParameter", message);
const forbidden = (message: string, innerCode?: string) =>
    new KeyVaultError(403, "Forbidden", message, innerCode);
const notFound = (message: string) => new KeyVaultError(404, "KeyNotFound", message);
const conflict = (message: string, innerCode?: string) =>
    new KeyVaultError(409, "Conflict", message, innerCode);
const quoted = (values: readonly string[]) => values.map((value) => `"${value}"`).join(", ");

/**
 * Every error that this data plane answers, and nowhere else. Where nothing is said, status, codes and text were
 * published (recorded sessions, documentation, quoted in issues); "assumed": nobody has published them.
 */
export const errors = {
    // 401: the token. All but the first are thrown by whoever checks it.
    missingToken: () =>
        unauthorized("AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token."),
    invalidAudience: (found: string) =>
        unauthorized(
            `AKV10022: Invalid audience. Expected https://vault.azure.net, found: ${found}.`,
        ),
    invalidIssuer: (expected: readonly string[], found: string) =>
        unauthorized(
            `AKV10032: Invalid issuer. Expected one of ${expected.join(", ")}, found ${found}.`,
        ),
    unknownSigningKey: () =>
        unauthorized("AKV10046: Unable to resolve the key used for signature validation."),
    tokenExpired: () => unauthorized("[TokenExpired] Error validating token: 'S2S12086'."),
    /** Text assumed: signature, not yet valid, not a token at all. */
    invalidToken: (reason: string) => unauthorized(`Error validating token: ${reason}.`),

    // 403: who may do what.
    forbiddenByPolicy: (
        caller: { appId: string; objectId: string; tenantId: string },
        permission: string,
        vault: { name: string; location: string },
    ) =>
        forbidden(
            `The user, group or application 'appid=${caller.appId};oid=${caller.objectId};numgroups=0;` +
                `iss=https://sts.windows.net/${caller.tenantId}/' does not have keys ${permission} permission on key vault ` +
                `'${vault.name};location=${vault.location}'. For help resolving this issue, please see ` +
                `https://go.microsoft.com/fwlink/?linkid=2125287`,
            "ForbiddenByPolicy",
        ),
    purgeProtected: () =>
        forbidden(
            'Operation "purge" is not allowed because purge protection is enabled for this vault. ' +
                "Key Vault service will automatically purge it after the retention period has passed.",
        ),

    // 403: what the key allows.
    keyDisabled: (operation: string) =>
        forbidden(`Operation ${operation} is not allowed on a disabled key.`, "KeyDisabled"),
    keyOperationForbidden: (operation: string) =>
        forbidden(`Operation ${operation} is not permitted on this key.`, "KeyOperationForbidden"),
    /** Assumed, by analogy with KeyDisabled and the published text of expired secrets. */
    keyExpired: (operation: string) =>
        forbidden(`Operation ${operation} is not allowed on a expired key.`, "KeyExpired"),
    /** Assumed, by analogy with KeyDisabled. */
    keyNotYetValid: (operation: string) =>
        forbidden(
            `Operation ${operation} is not allowed on a not yet valid key.`,
            "KeyNotYetValid",
        ),

    // 404
    /** The form `name/version` of an unknown version is assumed. */
    keyNotFound: (id: string) =>
        notFound(
            `A key with (name/id) ${id} was not found in this key vault. If you recently deleted this key you may be able to ` +
                `recover it using the correct recovery command. For help resolving this issue, please see ` +
                `https://go.microsoft.com/fwlink/?linkid=2125182`,
        ),
    deletedKeyNotFound: (name: string) => notFound(`Deleted Key not found: ${name}`),
    /** Assumed: a vault that is gone has no address in Azure. */
    vaultNotFound: () =>
        new KeyVaultError(404, "VaultNotFound", "This vault was deleted or doesn't exist."),
    /** Assumed. */
    noSuchResource: (method: string, path: string) =>
        new KeyVaultError(
            404,
            "NotFound",
            `There is no operation ${method} ${path} in a key vault.`,
        ),

    // 409
    deletedButRecoverable: (name: string) =>
        conflict(
            `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key ` +
                `can only be recovered or purged.`,
            "ObjectIsDeletedButRecoverable",
        ),

    // 400: the request.
    unknownApiVersion: (found: string, latest: string) =>
        badParameter(
            `The specified version (${found}) is not recognized. Consider using the latest supported version (${latest}).`,
        ),
    /** Assumed. */
    missingApiVersion: () => badParameter("api-version must be specified"),
    invalidName: (name: string) =>
        badParameter(`The request URI contains an invalid name: ${name}`),
    operationNotSpecified: () => badParameter("Operation not specified"),
    missingKty: () =>
        badParameter("Property  has invalid value\r\nProperty  has invalid value\r\n"),
    /** Assumed for all but a missing `kty`. */
    invalidProperty: (property: string) =>
        badParameter(`Property ${property} has invalid value\r\n`),
    notBase64Url: (property: string) =>
        badParameter(
            `Content of '${property}' is not base64url.\r\nProperty '${property}' is required.\r\n`,
        ),
    propertyRequired: (property: string) => badParameter(`Property '${property}' is required.\r\n`),
    invalidLength: (property: string, bytes: number, alg: string, required: number) =>
        badParameter(
            `Invalid length of '${property}': ${bytes} bytes. ${alg} requires ${required} bytes, encoded with base64url.`,
        ),
    unsupportedKeyOperations: (operations: readonly string[], supported: readonly string[]) =>
        badParameter(
            `Unsupported key operation(s): ${quoted(operations)}. Supported values are ${quoted(supported)}.`,
        ),
    invalidRsaKey: () => badParameter("RSA key is not valid - cannot instantiate crypto service"),
    /** Assumed, by analogy with RSA. */
    invalidEcKey: () => badParameter("EC key is not valid - cannot instantiate crypto service"),
    /** Text published, status and code assumed. */
    hardwareKeyOnStandardVault: () =>
        badParameter("Hardware key operation not allowed on standard vault"),
    /** Assumed. */
    importIsExclusive: () =>
        badParameter(
            `Key operation "import" can't be combined with others, and only a new RSA-HSM key can have it.`,
        ),
    /** Assumed. */
    unsupportedAlgorithm: (alg: string, kty: string) =>
        badParameter(`Algorithm ${alg} is not supported by a key of type ${kty}.`),
    /** Assumed: ciphertext that doesn't decrypt, plaintext that is too long. */
    parameterIncorrect: () => badParameter("The parameter is incorrect.\r\n"),
    /** Assumed. */
    tooManyTags: () => badParameter("A key can have at most 15 tags."),
    /** Assumed. */
    tagTooLong: () =>
        badParameter("The name and the value of a tag can have at most 256 characters each."),
    /** Assumed, as every refusal of a BYOK blob: none is published. */
    invalidTransferBlob: (reason: string) =>
        badParameter(`The key transfer blob (key_hsm) is not valid: ${reason}.`),
    /** Assumed. */
    malformedRequest: (reason: string) => badParameter(`The request is malformed: ${reason}.`),

    // Ours, not the service's.
    notImplemented: (what: string) =>
        new KeyVaultError(501, "NotImplemented", `The local Azure does not do ${what} yet.`),
    internal: () => new KeyVaultError(500, "InternalServerError", "The local Azure failed."),
};
