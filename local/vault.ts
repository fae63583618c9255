/** What the resource manager knows of a vault and the data plane enforces. */
export interface Vault {
    /** As created; compared without case. */
    name: string;
    /** `https://127.0.0.1:<port>/`: each vault has a port of its own, since its name has to be its authority. */
    uri: string;
    tenantId: string;
    location: string;
    sku: "standard" | "premium";
    accessPolicies: AccessPolicy[];
    enableRbacAuthorization: boolean;
    /** Days, 7 to 90. */
    softDeleteRetentionInDays: number;
    enablePurgeProtection: boolean;
}

export interface AccessPolicy {
    tenantId: string;
    objectId: string;
    permissions: {
        keys?: string[];
        secrets?: string[];
        certificates?: string[];
        storage?: string[];
    };
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
