import { randomUUID } from "node:crypto";
import type { Clock } from "../clock";
import type { Settings } from "../settings";
import type { Vault } from "../vault";
import { openBackup, sealBackup } from "./backup";
import { keyId } from "./bundles";
import { kekOf, readTransferBlob, unwrapTarget } from "./byok";
import { privateKeyOf, type KeyPair } from "./cryptography";
import { errors } from "./errors";
import {
    fromJwk,
    fromPkcs8,
    generateEc,
    generateLike,
    generateRsa,
    rsaBits,
    type KeyMaterial,
} from "./keyMaterial";
import { current, settled, showsAsDeleted, stageOf, type Change } from "./lifecycle";
import type { KeyRecords } from "./records";
import type {
    Attributes,
    CreateRequest,
    ImportRequest,
    RotationPolicyRequest,
    UpdateRequest,
} from "./requests";
import { expiryOfRotated, newPolicy, rotationDue, type RotationPolicy } from "./rotation";
import * as rules from "./rules";

/** One version of a key, as it is stored. Times in Unix seconds. */
export interface KeyVersion extends KeyPair {
    id: string;
    keyOps: rules.KeyOperation[];
    enabled: boolean;
    nbf?: number;
    exp?: number;
    created: number;
    updated: number;
    /** Absent if none were ever sent, empty if an empty set was. */
    tags?: Record<string, string>;
}

/** A key with all its versions, in the order in which they were made: one record, so that each change is atomic. */
export interface KeyRecord {
    /** As first written; names compare without case. */
    name: string;
    versions: KeyVersion[];
    deleted?: { date: number; purgeDate: number };
    change?: Change;
    rotationPolicy?: RotationPolicy;
}
export type DeletedKeyRecord = KeyRecord & { deleted: NonNullable<KeyRecord["deleted"]> };

/** What a client gets back: a version of the key of this name. */
export interface NamedVersion {
    name: string;
    version: KeyVersion;
}

export interface KeysOptions {
    records: KeyRecords;
    clock: Clock;
    settings: () => Settings;
    /** Of the subscription: see `openBackupKey`. */
    backupKey: Uint8Array;
}

/**
 * The keys of a vault. Between reading and writing a record no method waits, so that none undoes another's change.
 * What happens by the clock alone is done by `settle`, which comes before every operation.
 */
export class Keys {
    constructor(
        private readonly vault: Vault,
        private readonly options: KeysOptions,
    ) {}

    /** Brings this key, or all of them, up to the clock: purged if its time is over, rotated if that is due. */
    async settle(name?: string): Promise<void> {
        const { clock, records } = this.options;
        for (const due of name ? [name] : records.due(clock.now())) {
            // Only now: while this waited for the one before, another request may have changed it.
            const record = this.find(due);
            if (!record) continue;
            const next = settled(record, clock.now());
            if (next !== record) await this.store(record);
            if (next?.rotationPolicy) await this.rotateWhatIsDue(due);
        }
    }

    async create(name: string, request: CreateRequest): Promise<NamedVersion> {
        const { kty } = request;
        rules.assertSku(this.vault, kty);
        const keyOps = rules.permittedOperations(kty, request.key_ops, true);
        const bits = request.key_size ?? 2048;
        if (rules.algorithmFamily(kty) === "RSA") rules.assertRsaSize(kty, bits, "created");
        const settings = this.settings(request);
        this.assertFree(name);
        const key =
            rules.algorithmFamily(kty) === "RSA"
                ? await generateRsa(bits, request.public_exponent ?? undefined)
                : await generateEc(request.crv ?? "P-256");
        return this.addVersion(name, kty, key, keyOps, settings);
    }

    async import(name: string, request: ImportRequest): Promise<NamedVersion> {
        const jwk = request.key;
        const family = rules.algorithmFamily(jwk.kty);
        const kty = request.Hsm ? (`${family}-HSM` as const) : jwk.kty;
        rules.assertSku(this.vault, kty);
        const keyOps = rules.permittedOperations(kty, jwk.key_ops, false);
        const settings = this.settings(request);
        this.assertFree(name);
        if (jwk.key_hsm && !rules.isHsm(kty))
            throw errors.invalidTransferBlob(`it can't become a key of type ${kty}`);
        const key = jwk.key_hsm
            ? fromPkcs8(family, await this.unwrap(jwk.key_hsm))
            : fromJwk(family, jwk);
        const members = key.public;
        if ("n" in members) rules.assertRsaSize(kty, rsaBits(members.n), "imported");
        else if (members.crv !== jwk.crv) throw errors.invalidProperty("key.crv");
        return this.addVersion(name, kty, key, keyOps, settings);
    }

    /** The version of this id, or else the current one. */
    get(name: string, id?: string): NamedVersion {
        const record = this.live(name);
        const version = id
            ? record.versions.find((one) => one.id === id.toLowerCase())
            : record.versions.at(-1);
        if (!version) throw errors.keyNotFound(`${name}/${id}`);
        return { name: record.name, version };
    }

    /** The same, if this operation is permitted with it. */
    use(name: string, id: string | undefined, operation: rules.KeyOperation): NamedVersion {
        const found = this.get(name, id);
        rules.assertUsable(found.version, operation, this.now());
        return found;
    }

    /** By name: all, or the first `count` behind the id of one. So do the other lists. */
    list(behind = "", count = Infinity): KeyRecord[] {
        return this.options.records.live(behind, count);
    }

    /** By id, not by age: so does the service. None of a key that isn't there. */
    versions(name: string, behind = "", count = Infinity): NamedVersion[] {
        const record = this.find(name);
        if (!record || !isLive(record)) return [];
        return record.versions
            .filter(({ id }) => id > behind)
            .sort((a, b) => (a.id < b.id ? -1 : 1))
            .slice(0, count)
            .map((version) => ({ name: record.name, version }));
    }

    /** Changes the members that were sent, and no others. */
    async update(
        name: string,
        id: string | undefined,
        request: UpdateRequest,
    ): Promise<NamedVersion> {
        const { version } = this.get(name, id);
        const record = this.live(name);
        const keyOps = request.key_ops?.length
            ? rules.permittedOperations(version.kty, request.key_ops, rules.isKek(version))
            : version.keyOps;
        if (rules.isKek(version) !== rules.isKek({ keyOps })) throw errors.importIsExclusive();
        const changed: KeyVersion = {
            ...version,
            ...this.settings(request, errors.exportableIsFixed),
            keyOps,
            updated: this.now(),
        };
        if (rules.isKek(changed)) changed.exp = rules.kekExpiry(changed.created, changed.exp);
        await this.store({
            ...record,
            versions: record.versions.map((one) => (one === version ? changed : one)),
        });
        return { name: record.name, version: changed };
    }

    async delete(name: string): Promise<DeletedKeyRecord> {
        const record = this.live(name);
        const date = this.now();
        const purgeDate = date + this.vault.softDeleteRetentionInDays * 86400;
        const deleted = { ...record, deleted: { date, purgeDate } };
        await this.change(deleted, "deleting");
        return deleted;
    }

    listDeleted(behind = "", count = Infinity): DeletedKeyRecord[] {
        return this.options.records.deleted(behind, count);
    }

    getDeleted(name: string): DeletedKeyRecord {
        const record = this.find(name);
        if (!record || !isDeleted(record)) throw errors.deletedKeyNotFound(name);
        return record;
    }

    async recover(name: string): Promise<NamedVersion> {
        const record = this.find(name);
        if (!record || !isDeleted(record)) throw errors.keyNotFound(name);
        const version = current(record);
        if (record.change) throw errors.recoverConflict(keyId(this.vault, record.name, version.id));
        await this.change(this.countingFromNow(record), "recovering");
        return { name: record.name, version };
    }

    async purge(name: string): Promise<void> {
        const record = this.find(name);
        if (!record || !isDeleted(record)) throw errors.keyNotFound(name);
        if (this.vault.enablePurgeProtection) throw errors.purgeProtected();
        if (record.change) this.assertFree(name);
        await this.change(record, "purging");
    }

    async backup(name: string): Promise<Buffer> {
        const { versions, rotationPolicy, ...record } = this.live(name);
        if (versions.length > 500) throw errors.tooManyVersionsToBackUp();
        return sealBackup(this.options.backupKey, {
            name: record.name,
            versions,
            ...(rotationPolicy && { rotationPolicy }),
        });
    }

    /** With its versions' ids and dates: it is the same key, also in another vault. */
    async restore(blob: Buffer): Promise<NamedVersion> {
        const record: KeyRecord = await openBackup(this.options.backupKey, blob);
        for (const { kty } of record.versions) rules.assertSku(this.vault, kty);
        const version = current(record);
        await this.settle(record.name);
        if (this.find(record.name))
            throw errors.restoreConflict(keyId(this.vault, record.name, version.id));
        await this.store(this.countingFromNow(record));
        return { name: record.name, version };
    }

    /** A new version: new material, and nothing else is new but its dates. */
    async rotate(name: string): Promise<NamedVersion> {
        const { version } = this.get(name);
        const key = await generateLike(version.public);
        return this.succeed(this.live(name), version, key, this.now());
    }

    rotationPolicy(name: string): { name: string; policy: RotationPolicy | undefined } {
        const record = this.live(name);
        return { name: record.name, policy: record.rotationPolicy };
    }

    async setRotationPolicy(name: string, request: RotationPolicyRequest) {
        const record = this.live(name);
        const policy = newPolicy(request, record.rotationPolicy, this.now());
        await this.store({ ...record, rotationPolicy: policy });
        return { name: record.name, policy };
    }

    private now(): number {
        return Math.floor(this.options.clock.now() / 1000);
    }

    /** The record of this name, whatever its stage. */
    private find(name: string): KeyRecord | undefined {
        return this.options.records.get(name);
    }

    private live(name: string): KeyRecord {
        const record = this.find(name);
        if (!record || !isLive(record)) throw errors.keyNotFound(name);
        return record;
    }

    private assertFree(name: string): void {
        const record = this.find(name);
        const stage = record ? stageOf(record) : "live";
        if (stage === "deleted") throw errors.deletedButRecoverable(name);
        if (stage === "recovering") throw errors.beingRecovered(name);
        if (stage !== "live") throw errors.beingDeleted(name);
    }

    private change(record: KeyRecord, kind: Change["kind"]): Promise<void> {
        const { clock, settings } = this.options;
        const visibleAt = clock.now() + settings().visibilityDelay * 1000;
        return this.store({ ...record, change: { kind, visibleAt } });
    }

    private store(record: KeyRecord): Promise<void> {
        const { records, clock } = this.options;
        const next = settled(record, clock.now());
        return next ? records.put(next) : records.delete(record.name);
    }

    /** No rotation is made up for that the key missed while it was deleted or a backup. */
    private countingFromNow<T extends KeyRecord>(record: T): T {
        const { rotationPolicy } = record;
        return rotationPolicy
            ? { ...record, rotationPolicy: { ...rotationPolicy, countsFrom: this.now() } }
            : record;
    }

    /** One version for each rotation that became due since the key was last looked at, each made at its time. */
    private async rotateWhatIsDue(name: string): Promise<void> {
        for (;;) {
            const record = this.find(name);
            if (!record || !isLive(record)) return;
            const version = current(record);
            const due = rotationDue(record.rotationPolicy, version);
            if (due === undefined || due > this.now()) return;
            const key = await generateLike(version.public);
            // Meanwhile another request may have rotated, changed or deleted it.
            if (this.find(name) === record) await this.succeed(record, version, key, due);
        }
    }

    private async succeed(
        record: KeyRecord,
        { kty, keyOps, tags }: KeyVersion,
        key: KeyMaterial,
        now: number,
    ): Promise<NamedVersion> {
        const exp = expiryOfRotated(record.rotationPolicy, now);
        const settings = { ...(exp !== undefined && { exp }), ...(tags && { tags }) };
        return this.append(record, kty, key, keyOps, settings, now);
    }

    /** What a request says of attributes and tags; only what it says. */
    private settings(
        request: {
            attributes?: Attributes;
            tags?: Record<string, string> | null | undefined;
            release_policy?: unknown;
        },
        exportableRefused?: () => Error,
    ): Partial<KeyVersion> {
        const { attributes, tags } = request;
        const policy = request.release_policy ?? undefined;
        if (attributes?.exportable && exportableRefused) throw exportableRefused();
        if (attributes?.exportable && policy === undefined) throw errors.exportableNeedsPolicy();
        if (attributes?.exportable) throw errors.exportableNotSupported();
        if (policy !== undefined) throw errors.releasePolicyNotAllowed();
        if (tags) rules.assertTags(tags);
        return {
            ...(typeof attributes?.enabled === "boolean" && { enabled: attributes.enabled }),
            ...(typeof attributes?.nbf === "number" && { nbf: attributes.nbf }),
            ...(typeof attributes?.exp === "number" && { exp: attributes.exp }),
            ...(tags && { tags }),
        };
    }

    private async addVersion(
        name: string,
        kty: rules.KeyType,
        key: KeyMaterial,
        keyOps: rules.KeyOperation[],
        settings: Partial<KeyVersion>,
    ): Promise<NamedVersion> {
        // Making the key took a while: the name may have been deleted meanwhile.
        this.assertFree(name);
        const record = this.find(name) ?? { name, versions: [] };
        return this.append(record, kty, key, keyOps, settings, this.now());
    }

    private async append(
        record: KeyRecord,
        kty: rules.KeyType,
        key: KeyMaterial,
        keyOps: rules.KeyOperation[],
        settings: Partial<KeyVersion>,
        now: number,
    ): Promise<NamedVersion> {
        const version: KeyVersion = {
            id: randomUUID().replaceAll("-", ""),
            kty,
            ...key,
            keyOps,
            enabled: true,
            created: now,
            updated: now,
            ...settings,
        };
        if (rules.isKek(version)) version.exp = rules.kekExpiry(now, version.exp);
        await this.store({ ...record, versions: [...record.versions, version] });
        return { name: record.name, version };
    }

    /** The target key of a key transfer blob, by the KEK that it names. */
    private async unwrap(keyHsm: string): Promise<Buffer> {
        const blob = readTransferBlob(keyHsm);
        const kid = kekOf(blob, this.vault.uri);
        if (kid) await this.settle(kid.name);
        const record = kid && this.find(kid.name);
        const kek =
            record && isLive(record)
                ? record.versions.find((one) => one.id === kid.version.toLowerCase())
                : undefined;
        if (!kek)
            throw errors.invalidTransferBlob("header.kid is not a version of a key of this vault");
        rules.assertUsable(kek, "import", this.now());
        return unwrapTarget(privateKeyOf(kek), blob.ciphertext);
    }
}

function isLive(record: KeyRecord): boolean {
    return stageOf(record) === "live";
}

function isDeleted(record: KeyRecord): record is DeletedKeyRecord {
    return showsAsDeleted(stageOf(record));
}
