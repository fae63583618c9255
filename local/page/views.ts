import type { KeyRecord, KeyVersion } from "../keyvault/keys";
import { rsaBits } from "../keyvault/keyMaterial";
import type { VaultRecord } from "../resourceManager/resourceManager";
import { vaultUri } from "../resourceManager/resourceManager";

// What the page is told. Each member is named here one by one, so that nothing else of a record gets out.

/** Whoever may do something in a vault. */
export interface Access {
    name: string;
    objectId: string;
    source: string;
    /** Key permissions, or roles. */
    permissions: string[];
}

export function vaultView(record: VaultRecord, access: Access[]) {
    const { properties } = record;
    return {
        name: record.name,
        uri: vaultUri(record),
        resourceGroup: record.resourceGroup,
        location: record.location,
        sku: properties.sku.name,
        created: record.createdAt,
        tags: record.tags ?? {},
        retentionDays: properties.softDeleteRetentionInDays,
        purgeProtection: properties.enablePurgeProtection ?? false,
        permissionModel: properties.enableRbacAuthorization ? "Azure RBAC" : "Access policies",
        publicNetworkAccess: properties.publicNetworkAccess ?? "Enabled",
        firewall: properties.networkAcls?.defaultAction === "Deny",
        deletion: record.deletion && {
            date: record.deletion.deletionDate,
            purgeDate: record.deletion.scheduledPurgeDate,
        },
        access,
    };
}

/** A key in a list, as its current version is. */
export function keySummary(record: KeyRecord, nowSeconds: number) {
    const version = record.versions.at(-1);
    return {
        name: record.name,
        versions: record.versions.length,
        deletion: record.deleted && {
            date: isoDate(record.deleted.date),
            purgeDate: isoDate(record.deleted.purgeDate),
        },
        current: version && versionView(version, nowSeconds),
        status: record.deleted ? "deleted" : version && status(version, nowSeconds),
    };
}

/** A key with all its versions, the newest first. */
export function keyView(record: KeyRecord, nowSeconds: number) {
    return {
        ...keySummary(record, nowSeconds),
        versionList: record.versions.map((version) => versionView(version, nowSeconds)).reverse(),
    };
}

function versionView(version: KeyVersion, nowSeconds: number) {
    const members = version.public;
    return {
        id: version.id,
        type: version.kty,
        size: "n" in members ? `${rsaBits(members.n)} bits` : members.crv,
        status: status(version, nowSeconds),
        operations: version.keyOps,
        tags: version.tags ?? {},
        created: isoDate(version.created),
        updated: isoDate(version.updated),
        notBefore: isoDate(version.nbf),
        expires: isoDate(version.exp),
    };
}

export function status(
    version: { enabled: boolean; nbf?: number; exp?: number },
    nowSeconds: number,
): "disabled" | "not yet valid" | "expired" | "enabled" {
    if (!version.enabled) return "disabled";
    if (version.exp !== undefined && nowSeconds >= version.exp) return "expired";
    if (version.nbf !== undefined && nowSeconds < version.nbf) return "not yet valid";
    return "enabled";
}

/** A date that is out of range, as a client may set it, is no date. */
function isoDate<T extends number | undefined>(seconds: T): string | undefined {
    const date = new Date((seconds ?? NaN) * 1000);
    return isNaN(date.getTime()) ? undefined : date.toISOString();
}
