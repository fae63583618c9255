import type { Caller, Vault } from "../vault";
import { errors } from "./errors";

/** The key permissions of an access policy. */
export type Permission =
    | "get"
    | "list"
    | "create"
    | "import"
    | "update"
    | "delete"
    | "recover"
    | "purge"
    | "backup"
    | "restore"
    | "encrypt"
    | "decrypt"
    | "sign"
    | "verify"
    | "wrapKey"
    | "unwrapKey"
    | "rotate"
    | "getrotationpolicy"
    | "setrotationpolicy"
    | "release";

/** Refuses a caller who has no access policy with this key permission. Permissions compare without case. */
export function authorize(vault: Vault, caller: Caller, permission: Permission): void {
    if (caller.operator) return;
    if (vault.enableRbacAuthorization)
        throw errors.notImplemented("role assignments (use access policies in this vault)");
    const wanted = permission.toLowerCase();
    const granted = vault.accessPolicies
        .filter(
            (policy) => policy.tenantId === caller.tenantId && policy.objectId === caller.objectId,
        )
        .flatMap((policy) => policy.permissions.keys ?? [])
        .map((key) => key.toLowerCase());
    if (!granted.includes(wanted) && !granted.includes("all"))
        throw errors.forbiddenByPolicy(caller, permission, vault);
}
