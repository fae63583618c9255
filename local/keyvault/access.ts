import { BlockList } from "node:net";
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

/** https://learn.microsoft.com/azure/role-based-access-control/permissions/security#microsoftkeyvault */
const dataActions: Record<Permission, string> = {
    get: "keys/read",
    list: "keys/read",
    create: "keys/create/action",
    import: "keys/import/action",
    update: "keys/update/action",
    delete: "keys/delete",
    recover: "keys/recover/action",
    purge: "keys/purge/action",
    backup: "keys/backup/action",
    restore: "keys/restore/action",
    encrypt: "keys/encrypt/action",
    decrypt: "keys/decrypt/action",
    sign: "keys/sign/action",
    verify: "keys/verify/action",
    wrapKey: "keys/wrap/action",
    unwrapKey: "keys/unwrap/action",
    rotate: "keys/rotate/action",
    getrotationpolicy: "keyrotationpolicies/read",
    setrotationpolicy: "keyrotationpolicies/write",
    release: "keys/release/action",
};

/** Refuses every caller from an address that the vault's network rules don't let in; the operator, too. */
export function assertReachable(vault: Vault, caller: Caller, address: string): void {
    const { publicAccess, allowedAddresses } = vault.network;
    if (!publicAccess) throw errors.forbiddenByConnection(caller, vault);
    if (allowedAddresses && !contains(allowedAddresses, address))
        throw errors.forbiddenByFirewall(caller, address, vault);
}

/** Refuses a caller whom neither an access policy nor, where these count instead, a role assignment permits it. */
export function authorize(
    vault: Vault,
    caller: Caller,
    permission: Permission,
    /** The key's name; none: the whole vault. */
    key?: string,
): void {
    if (caller.operator) return;
    if (vault.enableRbacAuthorization) {
        const action = `Microsoft.KeyVault/vaults/${dataActions[permission]}`;
        if (!hasRole(vault, caller, action))
            throw errors.forbiddenByRbac(caller, action, key, vault);
    } else if (!hasPolicy(vault, caller, permission)) {
        throw errors.forbiddenByPolicy(caller, permission, vault);
    }
}

/** Permissions compare without case. */
function hasPolicy(vault: Vault, caller: Caller, permission: Permission): boolean {
    const granted = vault.accessPolicies
        .filter(
            ({ tenantId, objectId, applicationId = caller.appId }) =>
                same(tenantId, caller.tenantId) &&
                same(objectId, caller.objectId) &&
                same(applicationId, caller.appId),
        )
        .flatMap((policy) => policy.permissions.keys ?? []);
    return granted.some((name) => same(name, permission) || same(name, "all"));
}

function hasRole(vault: Vault, caller: Caller, action: string): boolean {
    return vault.roleAssignments
        .filter(({ principalId }) => same(principalId, caller.objectId))
        .some((assignment) => assignment.dataActions.some((pattern) => covers(pattern, action)));
}

/** `*` stands for any part of an action. */
function covers(pattern: string, action: string): boolean {
    const parts = pattern.split("*").map((part) => part.replaceAll(".", "\\."));
    return new RegExp(`^${parts.join(".*")}$`, "i").test(action);
}

function contains(allowed: readonly string[], address: string): boolean {
    const list = new BlockList();
    for (const rule of allowed) {
        const [network = "", prefix] = rule.split("/");
        if (prefix === undefined) list.addAddress(network);
        else list.addSubnet(network, Number(prefix));
    }
    return list.check(address);
}

const same = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();
