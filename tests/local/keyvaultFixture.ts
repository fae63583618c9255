import type { Vault } from "../../local/vault";

export const tenantId = "11111111-1111-4111-8111-111111111111";

/** A premium vault that nobody but its operator may use. */
export const vaultFixture = (change: Partial<Vault> = {}): Vault => ({
    name: "Learn-KeyVault",
    resourceId:
        "/subscriptions/S/resourceGroups/Group/providers/Microsoft.KeyVault/vaults/Learn-KeyVault",
    uri: "https://127.0.0.1:20001/",
    tenantId,
    location: "westeurope",
    sku: "premium",
    accessPolicies: [],
    enableRbacAuthorization: false,
    roleAssignments: [],
    network: { publicAccess: true, bypass: "AzureServices" },
    softDeleteRetentionInDays: 90,
    enablePurgeProtection: false,
    ...change,
});
