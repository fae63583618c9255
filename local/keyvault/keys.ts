import { randomBytes, type KeyObject } from "node:crypto";
import type { Clock } from "../clock";
import type { Collection, Store } from "../store";
import type { Vault } from "../vault";
import { kekOf, readTransferBlob, unwrapTarget } from "./byok";
import { privateKeyOf, type KeyPair } from "./cryptography";
import { errors } from "./errors";
import { fromJwk, fromPkcs8, generateEc, generateRsa, publicMembers, rsaBits } from "./keyMaterial";
import type { Attributes, CreateRequest, ImportRequest, UpdateRequest } from "./requests";
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
    tags?: Record<string, string>;
}

/** A key with all its versions, in the order in which they were made: one record, so that each change is atomic. */
export interface KeyRecord {
    /** As first written; names compare without case. */
    name: string;
    versions: KeyVersion[];
    deleted?: { date: number; purgeDate: number };
}
export type DeletedKeyRecord = KeyRecord & { deleted: NonNullable<KeyRecord["deleted"]> };

/** What a client gets back: a version of the key of this name. */
export interface NamedVersion {
    name: string;
    version: KeyVersion;
}

/** The keys of a vault. Between reading and writing a record no method waits, so that none undoes another's change. */
export class Keys {
    private readonly records: Collection<KeyRecord>;

    constructor(
        private readonly vault: Vault,
        store: Store,
        private readonly clock: Clock,
    ) {
        this.records = store.collection(`keyvault/keys/${vault.name.toLowerCase()}`);
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
            ? fromPkcs8(family, this.unwrap(jwk.key_hsm))
            : fromJwk(family, jwk);
        const members = publicMembers(key);
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

    list(): KeyRecord[] {
        return sortedByName(this.present().filter((record) => !record.deleted));
    }

    /** By id, not by age: so does the service. None of a key that isn't there. */
    versions(name: string): NamedVersion[] {
        const record = this.find(name);
        if (!record || record.deleted) return [];
        return record.versions
            .map((version) => ({ name: record.name, version }))
            .sort((a, b) => (a.version.id < b.version.id ? -1 : 1));
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
            ...this.settings(request),
            keyOps,
            updated: this.now(),
        };
        if (rules.isKek(changed)) changed.exp = rules.kekExpiry(changed.created, changed.exp);
        await this.put({
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
        await this.put(deleted);
        return deleted;
    }

    listDeleted(): DeletedKeyRecord[] {
        return sortedByName(this.present().filter(isDeleted));
    }

    getDeleted(name: string): DeletedKeyRecord {
        const record = this.find(name);
        if (!record || !isDeleted(record)) throw errors.deletedKeyNotFound(name);
        return record;
    }

    async recover(name: string): Promise<NamedVersion> {
        const record = this.find(name);
        if (!record?.deleted) throw errors.keyNotFound(name);
        await this.put({ name: record.name, versions: record.versions });
        return this.get(name);
    }

    async purge(name: string): Promise<void> {
        if (!this.find(name)?.deleted) throw errors.keyNotFound(name);
        if (this.vault.enablePurgeProtection) throw errors.purgeProtected();
        await this.records.delete(name.toLowerCase());
    }

    private now(): number {
        return Math.floor(this.clock.now() / 1000);
    }

    /** The record of this name, deleted or not, unless its time to be purged has come. */
    private find(name: string): KeyRecord | undefined {
        const record = this.records.get(name.toLowerCase());
        return record && this.isPurged(record) ? undefined : record;
    }

    private present(): KeyRecord[] {
        return [...this.records.values()].filter((record) => !this.isPurged(record));
    }

    private isPurged(record: KeyRecord): boolean {
        return record.deleted !== undefined && this.now() >= record.deleted.purgeDate;
    }

    private live(name: string): KeyRecord {
        const record = this.find(name);
        if (!record || record.deleted) throw errors.keyNotFound(name);
        return record;
    }

    private assertFree(name: string): void {
        if (this.find(name)?.deleted) throw errors.deletedButRecoverable(name);
    }

    private put(record: KeyRecord): Promise<void> {
        return this.records.put(record.name.toLowerCase(), record);
    }

    /** What a request says of attributes and tags; only what it says. */
    private settings(request: {
        attributes?: Attributes;
        tags?: Record<string, string> | null | undefined;
        release_policy?: unknown;
    }): Partial<KeyVersion> {
        const { attributes, tags, release_policy } = request;
        if (attributes?.exportable || (release_policy ?? null) !== null)
            throw errors.notImplemented("exportable keys and release policies");
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
        key: KeyObject,
        keyOps: rules.KeyOperation[],
        settings: Partial<KeyVersion>,
    ): Promise<NamedVersion> {
        // Making the key took a while: the name may have been deleted meanwhile.
        this.assertFree(name);
        const now = this.now();
        const version: KeyVersion = {
            id: randomBytes(16).toString("hex"),
            kty,
            public: publicMembers(key),
            pkcs8: key.export({ format: "der", type: "pkcs8" }).toString("base64"),
            keyOps,
            enabled: true,
            created: now,
            updated: now,
            ...settings,
        };
        if (rules.isKek(version)) version.exp = rules.kekExpiry(now, version.exp);
        const record = this.find(name) ?? { name, versions: [] };
        await this.put({ ...record, versions: [...record.versions, version] });
        return { name: record.name, version };
    }

    /** The target key of a key transfer blob, by the KEK that it names. */
    private unwrap(keyHsm: string): Buffer {
        const blob = readTransferBlob(keyHsm);
        const kid = kekOf(blob, this.vault.uri);
        const record = kid && this.find(kid.name);
        const kek =
            record && !record.deleted
                ? record.versions.find((one) => one.id === kid.version.toLowerCase())
                : undefined;
        if (!kek)
            throw errors.invalidTransferBlob("header.kid is not a version of a key of this vault");
        rules.assertUsable(kek, "import", this.now());
        return unwrapTarget(privateKeyOf(kek), blob.ciphertext);
    }
}

function isDeleted(record: KeyRecord): record is DeletedKeyRecord {
    return record.deleted !== undefined;
}

function sortedByName<T extends KeyRecord>(records: T[]): T[] {
    return records.sort((a, b) => (nameId(a) < nameId(b) ? -1 : 1));
}

/** A key's name as it is compared. */
export function nameId(record: { name: string }): string {
    return record.name.toLowerCase();
}
