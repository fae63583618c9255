/** What the resource manager knows of a vault and the data plane enforces. */
export interface Vault {
    /** As created; compared without case. */
    name: string;
    /** `/subscriptions/…/vaults/<name>`, the scope of role assignments. */
    resourceId: string;
    /** `https://127.0.0.1:<port>/`: each vault has a port of its own, since its name has to be its authority. */
    uri: string;
    tenantId: string;
    location: string;
    sku: "standard" | "premium";
    /** The policies that count now. */
    accessPolicies: AccessPolicy[];
    /** Role assignments count instead of access policies. */
    enableRbacAuthorization: boolean;
    /** The role assignments that count now. */
    roleAssignments: RoleAssignment[];
    network: Network;
    /** Days, 7 to 90. */
    softDeleteRetentionInDays: number;
    enablePurgeProtection: boolean;
}

export interface AccessPolicy {
    tenantId: string;
    objectId: string;
    /** Counts only for this application, if there is one. */
    applicationId?: string;
    permissions: {
        keys?: string[];
        secrets?: string[];
        certificates?: string[];
        storage?: string[];
    };
}

export interface RoleAssignment {
    /** The service principal's object id. */
    principalId: string;
    /** Of the role, such as `Microsoft.KeyVault/vaults/keys/*`. */
    dataActions: readonly string[];
}

/** From where a vault can be reached. */
export interface Network {
    /** False: not at all, as private endpoints aren't there. */
    publicAccess: boolean;
    /** IPv4 addresses and ranges (CIDR) that alone can; none: every address. */
    allowedAddresses?: string[];
    /** Trusted services could pass all the same. None of them is here, but refusals tell it. */
    bypass: "AzureServices" | "None";
}

/** Whoever a verified access token speaks for. */
export interface Caller {
    tenantId: string;
    /** The application's client id. */
    appId: string;
    /** The service principal's object id. */
    objectId: string;
    /** The operator has every key permission in every vault, as an administrator has at the portal. */
    operator: boolean;
}
