import type { Deletion } from "../../keys/deletion";
import type { Protection, Purpose } from "../../keys/keyType";

/** Source: https://learn.microsoft.com/azure/templates/microsoft.keyvault/vaults (Permissions.keys) */
export const allKeyPermissions = [
    "get",
    "list",
    "create",
    "import",
    "update",
    "delete",
    "recover",
    "purge",
    "backup",
    "restore",
    "encrypt",
    "decrypt",
    "sign",
    "verify",
    "wrapKey",
    "unwrapKey",
    "release",
    "rotate",
    "getrotationpolicy",
    "setrotationpolicy",
] as const;
export type KeyPermission = (typeof allKeyPermissions)[number];

/** What a distribution does in its vault. */
export interface Use {
    protection: Protection;
    purposes: readonly Purpose[];
    onDelete?: Deletion;
    notifyBefore?: string;
    verify?: "deep";
}

/**
 * The key permissions that distributing takes, and no more: `list` and `get` to compare, `import` to bring versions in, `update` for
 * attributes, `delete` to end a distribution, `recover` to take a name up again after that; `create` only for the key exchange key, so
 * only where a copy is HSM-protected; `purge` and `setrotationpolicy` where they're asked for, and one operation of the copy's own to prove it.
 * @param uses those in the vault
 * @param allowPurge for distributions that end with a purge: they aren't among the uses any more then
 */
export function keyPermissions(uses: readonly Use[], allowPurge = false): KeyPermission[] {
    const any = (condition: (use: Use) => boolean, permission: KeyPermission) =>
        uses.some(condition) ? [permission] : [];
    const proves = (...purposes: Purpose[]) => {
        return ({ verify, purposes: own }: Use) =>
            verify === "deep" && purposes.some((purpose) => own.includes(purpose));
    };
    return [
        "get",
        "list",
        "import",
        "update",
        "delete",
        "recover",
        ...any(({ protection }) => protection === "hsm", "create"),
        ...(allowPurge || uses.some(({ onDelete }) => onDelete === "purge")
            ? (["purge"] as const)
            : []),
        ...any(({ notifyBefore }) => notifyBefore !== undefined, "setrotationpolicy"),
        ...any(proves("decrypt"), "decrypt"),
        ...any(proves("unwrap"), "unwrapKey"),
        ...any(proves("sign"), "sign"),
    ];
}
