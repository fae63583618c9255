import type { Vault } from "../vault";
import type { DeletedKeyRecord, KeyVersion, NamedVersion } from "./keys";
import { rsaBits } from "./keyMaterial";
import { current } from "./lifecycle";
import { defaultNotification, type RotationPolicy } from "./rotation";
import { isHsm, recoveryLevel } from "./rules";

/** Oldest first. */
export const apiVersions = ["7.4", "7.5", "7.6", "2025-07-01"] as const;
export type ApiVersion = (typeof apiVersions)[number];

export const latestApiVersion: ApiVersion = "2025-07-01";

const since = (first: ApiVersion, asked: ApiVersion) =>
    apiVersions.indexOf(asked) >= apiVersions.indexOf(first);

export function keyId(vault: Vault, name: string, versionId?: string): string {
    return `${vault.uri}keys/${name}${versionId ? `/${versionId}` : ""}`;
}

/**
 * In the order in which the service sends them. What is undefined isn't sent; a literal of one shape costs a list much less
 * than one that is spread together.
 */
function attributes(vault: Vault, version: KeyVersion, api: ApiVersion) {
    const members = version.public;
    return {
        enabled: version.enabled,
        key_size: "n" in members && since("7.6", api) ? rsaBits(members.n) : undefined,
        nbf: version.nbf,
        exp: version.exp,
        created: version.created,
        updated: version.updated,
        recoveryLevel: recoveryLevel(vault),
        recoverableDays: vault.softDeleteRetentionInDays,
        exportable: false,
        hsmPlatform: since("7.5", api) ? (isHsm(version.kty) ? "2" : "0") : undefined,
    };
}

/** The answer to create, import, get, update, recover. */
export function keyBundle(vault: Vault, { name, version }: NamedVersion, api: ApiVersion) {
    return {
        key: publicKey(vault, name, version),
        attributes: attributes(vault, version, api),
        tags: version.tags,
    };
}

/** An entry of the list of keys (with no version id) or of a key's versions. */
export function keyItem(
    vault: Vault,
    { name, version }: NamedVersion,
    api: ApiVersion,
    versioned: boolean,
) {
    return {
        kid: keyId(vault, name, versioned ? version.id : undefined),
        attributes: attributes(vault, version, api),
        tags: version.tags,
    };
}

/** The answer to DELETE and to GET /deletedkeys/{name}. */
export function deletedKeyBundle(vault: Vault, record: DeletedKeyRecord, api: ApiVersion) {
    const version = current(record);
    return {
        ...deletion(vault, record),
        key: publicKey(vault, record.name, version),
        attributes: attributes(vault, version, api),
        tags: version.tags,
    };
}

export function deletedKeyItem(vault: Vault, record: DeletedKeyRecord, api: ApiVersion) {
    const version = current(record);
    return {
        ...deletion(vault, record),
        kid: keyId(vault, record.name),
        attributes: attributes(vault, version, api),
        tags: version.tags,
    };
}

/** Of a key that was never given one, the service's own, without id and dates: so it was recorded. */
export function rotationPolicy(vault: Vault, name: string, policy: RotationPolicy | undefined) {
    if (!policy) return { lifetimeActions: [defaultNotification], attributes: null };
    const { lifetimeActions, expiryTime, created, updated } = policy;
    return {
        id: `${keyId(vault, name)}/rotationpolicy`,
        lifetimeActions,
        attributes: { ...(expiryTime && { expiryTime }), created, updated },
    };
}

function publicKey(vault: Vault, name: string, version: KeyVersion) {
    return {
        kid: keyId(vault, name, version.id),
        kty: version.kty,
        key_ops: version.keyOps,
        ...version.public,
    };
}

function deletion(vault: Vault, { name, deleted }: DeletedKeyRecord) {
    return {
        recoveryId: `${vault.uri}deletedkeys/${name}`,
        deletedDate: deleted.date,
        scheduledPurgeDate: deleted.purgeDate,
    };
}
