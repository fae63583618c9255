import { z } from "zod";
import { errors } from "./errors";
import type { Counting } from "./propagation";
import { roleOf, type Role } from "./roles";

/** A role assignment as it is kept with its vault. */
export interface RoleAssignmentRecord extends Counting {
    /** A GUID in lower case. */
    name: string;
    roleDefinitionId: string;
    principalId: string;
    principalType: string;
    description?: string;
    createdOn: string;
    updatedOn: string;
}

export const roleAssignmentRequest = z.object({
    properties: z.object({
        roleDefinitionId: z.string(),
        principalId: z.string(),
        principalType: z
            .enum(["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"])
            .optional(),
        description: z.string().optional(),
        condition: z.string().optional(),
        conditionVersion: z.string().optional(),
    }),
});
type RoleAssignmentRequest = z.infer<typeof roleAssignmentRequest>["properties"];

const guid = z.guid();
const without = (dashed: string) => dashed.replaceAll("-", "");
const same = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/** The role that a request assigns; a wrong request is refused. */
export function assignedRole(
    name: string,
    wanted: RoleAssignmentRequest,
    tenantId: string,
    isServicePrincipal: boolean,
): Role {
    if (!guid.safeParse(name).success) throw errors.invalidRoleAssignmentId(name);
    if (wanted.condition !== undefined) {
        throw errors.notImplemented("conditions of role assignments");
    }
    const role = roleOf(wanted.roleDefinitionId);
    if (!role) {
        throw errors.roleDefinitionDoesNotExist(
            without(wanted.roleDefinitionId.split("/").pop() ?? ""),
        );
    }
    if (!guid.safeParse(wanted.principalId).success) {
        throw errors.invalidPrincipalId(wanted.principalId);
    }
    // With a type the principal isn't looked up, so that a new one can be assigned before it is known everywhere:
    // https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
    if (!isServicePrincipal && !wanted.principalType) {
        throw errors.principalNotFound(without(wanted.principalId), tenantId);
    }
    if (isServicePrincipal && wanted.principalType && wanted.principalType !== "ServicePrincipal") {
        throw errors.unmatchedPrincipalType(without(wanted.principalId), wanted.principalType);
    }
    return role;
}

/** Refuses what isn't allowed beside the assignments that are there, `old` being the one of that name. */
export function assertAssignable(
    wanted: RoleAssignmentRequest,
    role: Role,
    old: RoleAssignmentRecord | undefined,
    others: readonly RoleAssignmentRecord[],
): void {
    const isRole = (record: RoleAssignmentRecord) => roleOf(record.roleDefinitionId) === role;
    if (old && (!same(old.principalId, wanted.principalId) || !isRole(old))) {
        throw errors.roleAssignmentUpdateNotPermitted();
    }
    const twin = others.find(
        (record) =>
            record !== old && same(record.principalId, wanted.principalId) && isRole(record),
    );
    if (twin) throw errors.roleAssignmentExists(without(twin.name));
}

/** The assignments that a list's `$filter` lets through. */
export function filtered(
    records: RoleAssignmentRecord[],
    filter: string | undefined,
): RoleAssignmentRecord[] {
    if (!filter || /^atScope\(\)$/i.test(filter)) return records;
    const [, equal, assigned] =
        /^(?:atScope\(\) and )?(?:principalId eq '([^']+)'|assignedTo\('([^']+)'\))$/i.exec(
            filter,
        ) ?? [];
    const principal = equal ?? assigned;
    if (!principal) throw errors.notImplemented(`the filter ${filter} of role assignments`);
    return records.filter((record) => same(record.principalId, principal));
}
