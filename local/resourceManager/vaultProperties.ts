import { isIP } from "node:net";
import { z } from "zod";
import type { Network } from "../vault";
import { errors } from "./errors";

/** Key permissions of an access policy (Microsoft.KeyVault/vaults, API 2024-11-01), compared without case. */
const keyPermissions = new Set(
    (
        "all get list update create import delete recover backup restore decrypt encrypt unwrapKey wrapKey " +
        "verify sign purge release rotate getrotationpolicy setrotationpolicy"
    )
        .toLowerCase()
        .split(" "),
);

const keyPermission = z.string().refine((name) => keyPermissions.has(name.toLowerCase()), {
    error: (issue) => `'${String(issue.input)}' is not a permission for keys`,
});

const accessPolicy = z.object({
    tenantId: z.guid(),
    objectId: z.guid(),
    applicationId: z.guid().optional(),
    permissions: z.object({
        keys: z.array(keyPermission).optional(),
        secrets: z.array(z.string()).optional(),
        certificates: z.array(z.string()).optional(),
        storage: z.array(z.string()).optional(),
    }),
});

export const accessPolicies = z.array(accessPolicy).max(1024);

/** "IPv4 address range in CIDR notation": https://learn.microsoft.com/azure/templates/microsoft.keyvault/vaults */
const addressRange = z.string().refine(
    (text) => {
        const [address = "", prefix = "32", ...rest] = text.split("/");
        return isIP(address) === 4 && /^([12]?\d|3[0-2])$/.test(prefix) && rest.length === 0;
    },
    { error: (issue) => `'${String(issue.input)}' is not an IPv4 address or range` },
);

/** What a client may send as a vault's `properties`; read-only members are dropped, as ARM does. */
export const vaultPropertiesRequest = z.object({
    tenantId: z.guid(),
    sku: z.object({ family: z.literal("A"), name: z.enum(["standard", "premium"]) }),
    accessPolicies: accessPolicies.optional(),
    createMode: z.enum(["default", "recover"]).optional(),
    enablePurgeProtection: z.boolean().optional(),
    enableRbacAuthorization: z.boolean().optional(),
    enableSoftDelete: z.boolean().optional(),
    enabledForDeployment: z.boolean().optional(),
    enabledForDiskEncryption: z.boolean().optional(),
    enabledForTemplateDeployment: z.boolean().optional(),
    networkAcls: z
        .object({
            bypass: z.enum(["AzureServices", "None"]).optional(),
            defaultAction: z.enum(["Allow", "Deny"]).optional(),
            ipRules: z
                .array(z.object({ value: addressRange }))
                .max(1000)
                .optional(),
            virtualNetworkRules: z.array(z.unknown()).optional(),
        })
        .optional(),
    publicNetworkAccess: z.string().optional(),
    softDeleteRetentionInDays: z.number().int().min(7).max(90).optional(),
});
export type VaultPropertiesRequest = z.infer<typeof vaultPropertiesRequest>;

/** A vault's properties as they are kept: every default filled in. */
export type VaultProperties = Omit<VaultPropertiesRequest, "createMode"> & {
    accessPolicies: z.infer<typeof accessPolicies>;
    enableRbacAuthorization: boolean;
    softDeleteRetentionInDays: number;
};

/**
 * The properties that a vault has after a request, or the resource manager's refusal of it. A vault's PUT replaces:
 * what isn't sent is reset to its default, except what can't be taken back (purge protection, retention).
 */
export function vaultProperties(
    wanted: VaultPropertiesRequest,
    old: VaultProperties | undefined,
    tenantId: string,
): VaultProperties {
    const same = (id: string) => id.toLowerCase() === tenantId.toLowerCase();
    if (!same(wanted.tenantId)) {
        throw errors.badRequest(
            `The tenant '${wanted.tenantId}' is not the tenant of this subscription, '${tenantId}'.`, // assumed
        );
    }
    if (wanted.enablePurgeProtection === false) throw errors.purgeProtectionIrreversible();
    if (wanted.enableSoftDelete === false) throw errors.softDeleteIrreversible();
    const retention = wanted.softDeleteRetentionInDays;
    if (old && retention !== undefined && retention !== old.softDeleteRetentionInDays) {
        throw errors.retentionFixed();
    }
    if (!wanted.accessPolicies && !wanted.enableRbacAuthorization) {
        throw errors.badRequest("The parameter accessPolicies is not specified."); // assumed
    }
    if (wanted.accessPolicies?.some((policy) => !same(policy.tenantId))) {
        throw errors.badRequest(
            "An invalid value was provided for 'accessPolicies': every policy has to have the tenant of the vault.",
        );
    }
    return {
        tenantId: wanted.tenantId,
        sku: wanted.sku,
        accessPolicies: wanted.accessPolicies ?? [],
        enabledForDeployment: wanted.enabledForDeployment ?? false,
        enabledForDiskEncryption: wanted.enabledForDiskEncryption ?? false,
        enabledForTemplateDeployment: wanted.enabledForTemplateDeployment ?? false,
        enableSoftDelete: true,
        softDeleteRetentionInDays: old?.softDeleteRetentionInDays ?? retention ?? 90,
        // The default of the API versions before 2026-02-01, one of which azure-native 3 uses.
        enableRbacAuthorization: wanted.enableRbacAuthorization ?? false,
        enablePurgeProtection: wanted.enablePurgeProtection ?? old?.enablePurgeProtection,
        networkAcls: wanted.networkAcls,
        publicNetworkAccess: wanted.publicNetworkAccess ?? "Enabled",
    };
}

/** Virtual networks and private endpoints aren't there, so what they would let in can't come. */
export function network({ networkAcls, publicNetworkAccess }: VaultProperties): Network {
    return {
        publicAccess: publicNetworkAccess?.toLowerCase() !== "disabled",
        bypass: networkAcls?.bypass ?? "AzureServices",
        ...(networkAcls?.defaultAction === "Deny" && {
            allowedAddresses: (networkAcls.ipRules ?? []).map(({ value }) => value),
        }),
    };
}
