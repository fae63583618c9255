/** A built-in role of Azure and what it permits in a key vault's data plane. */
export interface Role {
    /** The last part of its definition's id. */
    name: string;
    roleName: string;
    description: string;
    dataActions: readonly string[];
}

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security */
export const roles: readonly Role[] = [
    {
        name: "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        roleName: "Key Vault Administrator",
        description:
            "Perform all data plane operations on a key vault and all objects in it, including certificates, keys, and secrets.",
        dataActions: ["Microsoft.KeyVault/vaults/*"],
    },
    {
        name: "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        roleName: "Key Vault Crypto Officer",
        description: "Perform any action on the keys of a key vault, except manage permissions.",
        dataActions: [
            "Microsoft.KeyVault/vaults/keys/*",
            "Microsoft.KeyVault/vaults/keyrotationpolicies/*",
        ],
    },
    {
        name: "12338af0-0e69-4776-bea7-57ae8d297424",
        roleName: "Key Vault Crypto User",
        description: "Perform cryptographic operations using keys.",
        dataActions: [
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/update/action",
            "Microsoft.KeyVault/vaults/keys/backup/action",
            "Microsoft.KeyVault/vaults/keys/encrypt/action",
            "Microsoft.KeyVault/vaults/keys/decrypt/action",
            "Microsoft.KeyVault/vaults/keys/wrap/action",
            "Microsoft.KeyVault/vaults/keys/unwrap/action",
            "Microsoft.KeyVault/vaults/keys/sign/action",
            "Microsoft.KeyVault/vaults/keys/verify/action",
        ],
    },
    {
        name: "e147488a-f6f5-4113-8e2d-b22465e65bf6",
        roleName: "Key Vault Crypto Service Encryption User",
        description: "Read metadata of keys and perform wrap/unwrap operations.",
        dataActions: [
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/wrap/action",
            "Microsoft.KeyVault/vaults/keys/unwrap/action",
        ],
    },
    {
        name: "21090545-7ca7-4776-b22c-e363652d74d2",
        roleName: "Key Vault Reader",
        description: "Read metadata of key vaults and its certificates, keys, and secrets.",
        dataActions: [
            "Microsoft.KeyVault/vaults/*/read",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ],
    },
    {
        name: "a68e7c17-0ab2-4c09-9a58-125dae29748c",
        roleName: "Key Vault Purge Operator",
        description: "Allows permanent deletion of soft-deleted vaults.",
        dataActions: [],
    },
];

/** By the id of its definition, with or without a scope before it: the last part tells. */
export function roleOf(roleDefinitionId: string): Role | undefined {
    const [, name] =
        /\/providers\/Microsoft\.Authorization\/roleDefinitions\/([^/]+)$/i.exec(
            roleDefinitionId,
        ) ?? [];
    return roles.find((role) => role.name === name?.toLowerCase());
}

/** The roles that a list's `$filter` lets through; clients look a role up by its display name. */
export function rolesFiltered(filter: string | undefined): readonly Role[] {
    const [, roleName] = /roleName eq '([^']+)'/i.exec(filter ?? "") ?? [];
    return roleName ? roles.filter((role) => role.roleName === roleName) : roles;
}
