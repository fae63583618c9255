/** The shape of every refusal of the resource manager: `{"error":{"code","message"}}`. */
export class ResourceManagerError extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
    ) {
        super(message);
        this.name = "ResourceManagerError";
    }
}

const error = (status: number, code: string, message: string) =>
    new ResourceManagerError(status, code, message);

/**
 * Every error in one place. Texts are the service's where one was published (links beside them); those marked
 * "assumed" are likely ones, listed in local/README.md.
 */
export const errors = {
    authenticationFailed: () =>
        error(
            401,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ),
    invalidAuthenticationToken: (reason: string) =>
        error(
            401,
            "InvalidAuthenticationToken",
            `The access token is invalid: ${reason}. Ask Entra ID for a new one.`, // assumed
        ),
    invalidAuthenticationTokenAudience: (found: string, allowed: readonly string[]) =>
        error(
            401,
            "InvalidAuthenticationTokenAudience",
            `The access token has been obtained for wrong audience or resource '${found}'. ` +
                "It should exactly match with one of the allowed audiences " +
                `${allowed.map((audience) => `'${audience}'`).join(",")}.`,
        ),
    authorizationFailed: (clientId: string, action: string, scope: string) =>
        error(
            403,
            "AuthorizationFailed",
            `The client '${clientId}' does not have authorization to perform action '${action}' over scope '${scope}' ` +
                "or the scope is invalid. If access was recently granted, please refresh your credentials.",
        ),
    // https://github.com/Azure/azure-sdk-for-net/issues/49391
    invalidAuthenticationTokenTenant: (found: string, tenantId: string) =>
        error(
            401,
            "InvalidAuthenticationTokenTenant",
            `The access token is from the wrong issuer '${found}'. It must match the tenant 'https://sts.windows.net/${tenantId}/' ` +
                `associated with this subscription. Please use the authority (URL) 'https://login.windows.net/${tenantId}' to get the token. ` +
                "Note, if the subscription is transferred to another tenant there is no impact to the services, but information about " +
                "new tenant could take time to propagate (up to an hour). If you just transferred your subscription and see this error " +
                "message, please try back later.",
        ),
    missingApiVersion: () =>
        error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ),
    subscriptionNotFound: (subscription: string) =>
        error(
            404,
            "SubscriptionNotFound",
            `The subscription '${subscription}' could not be found.`,
        ),
    resourceGroupNotFound: (name: string) =>
        error(404, "ResourceGroupNotFound", `Resource group '${name}' could not be found.`),
    invalidResourceGroupLocation: (name: string, wanted: string, location: string) =>
        error(
            409,
            "InvalidResourceGroupLocation",
            `Invalid resource group location '${wanted}'. The Resource group '${name}' already exists in location '${location}'.`,
        ),
    invalidResourceGroup: (name: string) =>
        error(
            400,
            "InvalidResourceGroup",
            `The resource group name '${name}' is invalid: 1 to 90 letters, digits, '_', '-', '.', '(' and ')', and no '.' at its end.`, // assumed
        ),
    locationRequired: () =>
        error(400, "LocationRequired", "The location property is required for this definition."),
    invalidResourceLocation: (name: string, wanted: string, location: string) =>
        error(
            409,
            "InvalidResourceLocation",
            `The resource '${name}' already exists in location '${location}' in resource group. ` +
                `A resource with the same name cannot be created in location '${wanted}'. Please select a new resource name.`,
        ),
    resourceNotFound: (type: string, name: string, group: string) =>
        error(
            404,
            "ResourceNotFound",
            `The Resource '${type}/${name}' under resource group '${group}' was not found. ` +
                "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        ),
    vaultNameNotValid: (name: string) =>
        error(
            400,
            "VaultNameNotValid",
            `The vault name '${name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. ` +
                "The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. " +
                "Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742",
        ),
    // https://github.com/Azure/azure-powershell/issues/15115
    vaultAlreadyExists: (name: string) =>
        error(
            409,
            "VaultAlreadyExists",
            `The vault name '${name}' is already in use. Vault names are globally unique so it is possible that the name is already taken. ` +
                "If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted " +
                "but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be " +
                "purged before reusing the name. For more information on soft delete and purging a vault follow this link " +
                "https://go.microsoft.com/fwlink/?linkid=2147740.",
        ),
    // https://github.com/alan-turing-institute/data-safe-haven/issues/2523
    vaultSoftDeleted: () =>
        error(
            409,
            "ConflictError",
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. " +
                "Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
        ),
    // https://github.com/hashicorp/terraform-provider-azurerm/issues/12972
    softDeletedVaultDoesNotExist: () =>
        error(
            400,
            "SoftDeletedVaultDoesNotExist",
            "A soft deleted vault with the given name does not exist. Ensure that the name for the vault that is being attempted " +
                "to recover is in a recoverable state. For more information on soft delete please follow this link " +
                "https://go.microsoft.com/fwlink/?linkid=2149745",
        ),
    deletedVaultNotFound: (name: string) =>
        error(404, "DeletedVaultNotFound", `The specified deleted vault '${name}' does not exist.`),
    // https://github.com/microsoft/AzureTRE/issues/1446
    purgeNotAllowed: () =>
        error(405, "MethodNotAllowed", "Operation 'DeletedVaultPurge' is not allowed."),
    purgeProtectionIrreversible: () =>
        error(
            400,
            "BadRequest",
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.',
        ),
    softDeleteIrreversible: () =>
        error(
            400,
            "BadRequest",
            "The property \"enableSoftDelete\" can be set to false only for creating new vault. Enabling the 'soft delete' functionality is an irreversible action.",
        ),
    retentionFixed: () =>
        error(
            400,
            "BadRequest",
            'The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.',
        ),
    invalidRoleAssignmentId: (name: string) =>
        error(
            400,
            "InvalidRoleAssignmentId",
            `The role assignment ID '${name}' is not valid. The role assignment ID must be a GUID.`,
        ),
    // https://learn.microsoft.com/azure/role-based-access-control/troubleshooting, as are the other role assignments'.
    roleDefinitionDoesNotExist: (id: string) =>
        error(
            400,
            "RoleDefinitionDoesNotExist",
            `The specified role definition with ID '${id}' does not exist.`,
        ),
    invalidPrincipalId: (id: string) =>
        error(
            400,
            "InvalidPrincipalId",
            `The principal ID '${id}' is not valid. Principal ID must be a GUID.`,
        ),
    principalNotFound: (id: string, tenantId: string) =>
        error(
            400,
            "PrincipalNotFound",
            `Principal ${id} does not exist in the directory ${tenantId}. Check that you have the correct principal ID. ` +
                "If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. " +
                "In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group. " +
                "See https://aka.ms/docs-principaltype",
        ),
    unmatchedPrincipalType: (id: string, wanted: string) =>
        error(
            400,
            "UnmatchedPrincipalType",
            // The misspelling is the service's.
            `The PrincipalId '${id}' has type 'ServicePrincipal' , which is different from specified PrinciaplType '${wanted}'.`,
        ),
    roleAssignmentExists: (id: string) =>
        error(
            409,
            "RoleAssignmentExists",
            `The role assignment already exists. The ID of the existing role assignment is ${id}.`,
        ),
    roleAssignmentUpdateNotPermitted: () =>
        error(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ),
    roleAssignmentNotFound: (name: string) =>
        error(404, "RoleAssignmentNotFound", `The role assignment '${name}' is not found.`),
    roleDefinitionNotFound: (name: string) =>
        error(
            404,
            "RoleDefinitionDoesNotExist",
            `The specified role definition with ID '${name}' does not exist.`,
        ),
    invalidRequestContent: () =>
        error(
            400,
            "InvalidRequestContent",
            "The request content was invalid and could not be deserialized: it is not JSON.", // assumed
        ),
    badRequest: (message: string) => error(400, "BadRequest", message),
    internal: (reason: string) =>
        error(500, "InternalServerError", `The local Azure failed: ${reason}`),
    notImplemented: (what: string) =>
        error(501, "NotImplemented", `The local Azure does not do ${what} yet.`),
};
