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

interface TokenHolder {
    appId: string;
    objectId: string;
    tenantId: string;
}
interface NetworkedVault {
    name: string;
    location: string;
    network: { bypass: "AzureServices" | "None" };
}
const callerText = ({ appId, objectId, tenantId }: TokenHolder) =>
    `appid=${appId};oid=${objectId};iss=https://sts.windows.net/${tenantId}/`;

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
    forbiddenByRbac: (
        caller: TokenHolder,
        action: string,
        key: string | undefined,
        vault: { name: string; location: string; resourceId: string },
    ) =>
        forbidden(
            "Caller is not authorized to perform action on resource.\r\n" +
                "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n" +
                `Caller: ${callerText(caller)}\r\nAction: '${action}'\r\n` +
                `Resource: '${vault.resourceId.toLowerCase()}${key === undefined ? "" : `/keys/${key}`}'\r\n` +
                `Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n` +
                `Vault: ${vault.name};location=${vault.location}\r\n`,
            "ForbiddenByRbac",
        ),
    forbiddenByFirewall: (caller: TokenHolder, address: string, vault: NetworkedVault) =>
        forbidden(
            (vault.network.bypass === "AzureServices"
                ? "Client address is not authorized and caller is not a trusted service."
                : "Client address is not authorized and caller was ignored because bypass is set to None") +
                `\r\nClient address: ${address}\r\nCaller: ${callerText(caller)}\r\n` +
                `Vault: ${vault.name};location=${vault.location}`,
            "ForbiddenByFirewall",
        ),
    forbiddenByConnection: (caller: TokenHolder, vault: NetworkedVault) =>
        forbidden(
            (vault.network.bypass === "AzureServices"
                ? "Public network access is disabled and request is not from a trusted service nor via an approved private link."
                : "Connection is not an approved private link and caller was ignored because bypass is not set to 'AzureServices' " +
                  "and PublicNetworkAccess is set to 'Disabled'.") +
                `\r\nCaller: ${callerText(caller)}\r\nVault: ${vault.name};location=${vault.location}`,
            "ForbiddenByConnection",
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
    /** An unknown version is called `name/version`. */
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
    beingDeleted: (name: string) =>
        conflict(
            `Key ${name} is currently being deleted and cannot be re-created; retry later.`,
            "ObjectIsBeingDeleted",
        ),
    /** Published for secrets: https://github.com/hashicorp/terraform-provider-azurerm/issues/12285 */
    beingRecovered: (name: string) =>
        conflict(
            `Key ${name} is currently being recovered and cannot be re-created; retry later.`,
            "ObjectIsBeingRecovered",
        ),
    recoverConflict: (keyId: string) =>
        conflict(
            `There was a conflict while recovering the soft-deleted key '${keyId}'. This can happen when multiple operations are ` +
                `performed in parallel against the soft-deleted key. To avoid this error, perform operations against the ` +
                `soft-deleted key in a sequential manner.`,
        ),
    restoreConflict: (keyId: string) =>
        conflict(
            `There was a conflict restoring the key '${keyId}'. This can happen if either: a second key with the same name was ` +
                `created after the first key was deleted; thus trying to restore a key whose name is already in use. To fix this, ` +
                `rename the second key to something else so that the restore works. The second probable cause of this exception is ` +
                `when multiple operations are performed in parallel against the key. To avoid this error, perform operations ` +
                `against a key in a sequential manner.`,
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
    operationNotAllowed: (method: string, operation: string) =>
        badParameter(`Method ${method} does not allow operation '${operation}'`),
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
    backupOfOtherVersion: () =>
        new KeyVaultError(
            400,
            "Malformed backup blob",
            "Backup blob contains invalid or corrupt version.",
        ),
    corruptBackup: () => new KeyVaultError(400, "Malformed backup blob", "Backup blob is corrupt."),
    /** Text assumed, limit documented. */
    tooManyVersionsToBackUp: () =>
        badParameter("A key with more than 500 versions can't be backed up."),
    exportableNeedsPolicy: () =>
        badParameter("AKV.SKR.1004: Exportable keys must have release policy."),
    /** Published for a premium vault before it could release keys: what a vault says that can't. */
    exportableNotSupported: () =>
        badParameter(
            "AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.",
        ),
    exportableIsFixed: () =>
        badParameter("AKV.SKR.1014: Cannot modify the exportable state of a key."),
    releasePolicyNotAllowed: () =>
        badParameter("AKV.SKR.1005: Non-exportable keys must not have release policy."),
    /** Text assumed, rules documented. */
    invalidRotationPolicy: (reason: string) =>
        badParameter(`The key rotation policy is not valid: ${reason}.`),
    /** Assumed, as every refusal of a BYOK blob: none is published. */
    invalidTransferBlob: (reason: string) =>
        badParameter(`The key transfer blob (key_hsm) is not valid: ${reason}.`),
    /** Assumed. */
    malformedRequest: (reason: string) => badParameter(`The request is malformed: ${reason}.`),

    // 429
    throttled: () =>
        new KeyVaultError(
            429,
            "Throttled",
            "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
        ),

    // Ours, not the service's.
    notImplemented: (what: string) =>
        new KeyVaultError(501, "NotImplemented", `The local Azure does not do ${what} yet.`),
    internal: () => new KeyVaultError(500, "InternalServerError", "The local Azure failed."),
};
