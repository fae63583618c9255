import { constants, createHash, publicEncrypt, randomBytes, verify } from "node:crypto";
import type { Cloud, Found } from "./cloud";
import {
    placeId,
    placeOf,
    type Declared,
    type DeclaredDistribution,
    type DeclaredKey,
    type OnDelete,
    type Place,
    type Purpose,
} from "./declared";
import { day, expectedVersions, idOfPem, madeBy, type Expected, type Version } from "./oracle";
import type {
    Act,
    Attributes,
    CopySlot,
    Invalid,
    KeySlot,
    Meddling,
    Run,
    Sequence,
    VaultSlot,
} from "./sequence";
import type { Outcome, Stack } from "./stack";

/** Where a sequence takes place. */
export interface Setting {
    stack: Stack;
    cloud: Cloud;
    /** Of this sequence's own keys and, where it loses one, vaults. */
    prefix: string;
    vaults: readonly string[];
    now: () => number;
    pass: (milliseconds: number) => void | Promise<void>;
    /** How long a vault keeps what was soft-deleted, in the time that passes here; milliseconds. */
    retention: number;
    /** An environment variable that holds a private key which no version of that key has. */
    privateKey: (type: DeclaredKey["type"]) => `env:${string}`;
    /** Takes a new key exchange key into use, where the one that was is over. */
    renewExchangeKeys: () => Promise<void>;
}

/** A key, from its first version until it is deleted. */
interface KeyLife {
    versions: Version[];
    trigger?: string;
}

/** What a name in a vault has been through. */
interface PlaceLife extends Place {
    key: string;
    /** A run that was done left our copy there, and since then nobody but this stack took it away. */
    settled: boolean;
    /** Those that the state may have, the last one declared among them. */
    onDelete: Set<OnDelete>;
    /** Versions that somebody else made -> when they were changed last. */
    foreign: Map<string, number>;
    /** How often something came on top of ours, so that the latest version may be there once more. */
    covered: number;
    /** A run that wasn't done may have begun to end it. */
    ending: boolean;
    /** Since then the state may have forgotten it: a refresh finds no key. */
    forgotten: boolean;
    /** When it was soft-deleted by somebody else. */
    deletedAt?: number;
}

/** What was made with a version, and has to be good for as long as it isn't disabled. */
interface Evidence {
    publicKey: string;
    kind: "ciphertext" | "signature";
    value: string;
    /** What was encrypted or signed. */
    plain: Buffer;
}

const second = 1000;

/** One sequence: what is declared, what has to come of it, and what came of it. */
export class Session {
    private declared: Record<string, DeclaredKey> = {};
    /** What the last run that was done was of. */
    private applied: Declared = {};
    private readonly lives = new Map<string, KeyLife>();
    private readonly places = new Map<string, PlaceLife>();
    /** Public keys of keys that were deleted. */
    private readonly earlier = new Set<string>();
    /** Names that hold copies of such keys, which were to stay: no new key gets them. */
    private readonly taken = new Set<string>();
    /** What the state may have as deletionAllowed. */
    private readonly permitted = new Map<string, Set<boolean>>();
    /** Keys that were taken out of the config since they were made. */
    private readonly mayEnd = new Set<string>();
    private readonly evidence: Evidence[] = [];
    /** Somebody else did something that only a refresh sees. */
    private disturbed = false;
    private lost = false;
    private triggers = 0;
    private asOf = 0;
    readonly log: string[] = [];

    constructor(
        private readonly sequence: Pick<Sequence, "type" | "hsm" | "start" | "refreshLast">,
        private readonly setting: Setting,
    ) {
        sequence.start.forEach(({ vaults, deletionAllowed }, slot) => {
            this.declare(slot as KeySlot, vaults, deletionAllowed);
        });
    }

    /** A copy: what a run is given is what is declared now. */
    get config(): Declared {
        return structuredClone(this.declared);
    }

    // What is done between runs.

    async act(act: Act): Promise<void> {
        const done = await this.tryAct(act);
        this.log.push(`${done ? "" : "(not) "}${JSON.stringify(act)}`);
    }

    /** @returns whether it could be done */
    private async tryAct(act: Act): Promise<boolean> {
        if ("key" in act && act.act !== "declare") {
            const key = this.declared[this.keyName(act.key)];
            return key !== undefined && this.changeKey(act, this.keyName(act.key), key);
        }
        switch (act.act) {
            case "declare":
                return (
                    !this.declared[this.keyName(act.key)] &&
                    this.declare(act.key, act.vaults, act.deletionAllowed)
                );
            case "loseVault":
                return this.loseVault(act.vault);
            case "pass":
                await this.setting.pass(act.days * day);
                await this.afterRetention();
                if (this.sequence.hsm) {
                    await this.setting.renewExchangeKeys();
                }
                return true;
        }
    }

    private async changeKey(
        act: Exclude<Act, { act: "declare" | "loseVault" | "pass" }>,
        name: string,
        key: DeclaredKey,
    ): Promise<boolean> {
        if ("copy" in act) {
            const distribution = key.distribute[act.copy % key.distribute.length];
            return distribution !== undefined && this.changeCopy(act, name, key, distribution);
        }
        const latest = this.lives.get(name)?.versions.length ?? 0;
        switch (act.act) {
            case "forget":
                return this.forget(name, key);
            case "distribute":
                return this.distribute(name, key, act.vault);
            case "deletionAllowed":
                key.deletionAllowed = act.value;
                return true;
            case "trigger":
                key.rotation.trigger = `t${++this.triggers}`;
                return true;
            case "rotation":
                key.rotation = { ...act.value, trigger: key.rotation.trigger };
                return true;
            case "import": {
                const version = latest + 1;
                if (latest === 0 || key.import?.some((each) => each.version === version)) {
                    return false;
                }
                const from = this.setting.privateKey(key.type);
                key.import = [...(key.import ?? []), { version, from }];
                return true;
            }
            case "minEnabled":
                key.minEnabledVersion = Math.max(0, latest - act.below);
                return true;
            case "disabled":
                key.disabledVersions = act.below
                    .map((below) => latest - below)
                    .filter((version) => version > 0);
                return true;
            case "invalid":
                return this.refused(act.what, name);
        }
    }

    private async changeCopy(
        act: Extract<Act, { copy: CopySlot }>,
        name: string,
        key: DeclaredKey,
        distribution: DeclaredDistribution,
    ): Promise<boolean> {
        const life = this.places.get(placeId(placeOf(name, distribution)));
        if (isOutside(act)) {
            return life !== undefined && this.meddleWith(act, life);
        }
        switch (act.act) {
            case "end":
                if (!this.mayGo(life)) {
                    return false;
                }
                key.distribute = key.distribute.filter((each) => each !== distribution);
                return true;
            case "rename": {
                const other = distribution.name ? undefined : `${name}-too`;
                const next = placeOf(name, { ...distribution, name: other });
                if (!this.mayGo(life) || this.taken.has(placeId(next))) {
                    return false;
                }
                delete distribution.name;
                Object.assign(distribution, other && { name: other });
                return true;
            }
            case "protection":
                if (!this.sequence.hsm) {
                    return false;
                }
                distribution.protection = distribution.protection === "hsm" ? "software" : "hsm";
                if (life) {
                    life.covered++;
                }
                return true;
            case "onDelete":
                distribution.onDelete = act.value;
                return true;
            case "attributes":
                this.setAttributes(key, distribution, act.value);
                return true;
        }
    }

    private keyName(slot: KeySlot): string {
        return `${this.setting.prefix}-${"ab"[slot]}`;
    }

    private typeOf(slot: KeySlot): DeclaredKey["type"] {
        return slot === 0 ? "ecdsa-p256" : this.sequence.type;
    }

    private declare(
        slot: KeySlot,
        vaults: readonly VaultSlot[],
        deletionAllowed: boolean,
    ): boolean {
        const name = this.keyName(slot);
        const type = this.typeOf(slot);
        const rsa = type === "rsa-2048";
        const key: DeclaredKey = {
            type,
            rotation: {},
            deletionAllowed,
            distribute: [],
            // A key of the user's own costs a test less than one that is generated.
            ...(rsa && { import: [{ version: 1, from: this.setting.privateKey(type) }] }),
        };
        this.declared[name] = key;
        for (const vault of vaults) {
            this.distribute(name, key, vault);
        }
        return true;
    }

    private distribute(name: string, key: DeclaredKey, slot: VaultSlot): boolean {
        const vault = this.setting.vaults[slot]!;
        const there = key.distribute.some((each) => each.vault === vault);
        if (there || this.taken.has(placeId({ vault, name }))) {
            return false;
        }
        const purpose: Purpose[] = key.type === "rsa-2048" ? ["encrypt", "decrypt"] : ["sign"];
        key.distribute.push({ vault, purpose, protection: "software" });
        return true;
    }

    private setAttributes(
        { type }: DeclaredKey,
        distribution: DeclaredDistribution,
        { purpose, ...value }: Attributes,
    ): void {
        const possible = purpose?.filter(
            (each) => type === "rsa-2048" || /^(sign|verify)$/.test(each),
        );
        for (const name of ["tags", "notBefore", "expiresAfter"] as const) {
            delete distribution[name];
        }
        Object.assign(distribution, value, possible?.length && { purpose: possible });
    }

    /** A key may go when a run has let it, and when nobody else's versions would go with it. */
    private forget(name: string, key: DeclaredKey): boolean {
        const own = [...this.places.values()].filter((place) => place.key === name);
        if (
            !isOnly(this.permitted.get(name), true) ||
            this.disturbed ||
            !key.distribute.every((each) =>
                this.mayGo(this.places.get(placeId(placeOf(name, each)))),
            )
        ) {
            return false;
        }
        delete this.declared[name];
        this.mayEnd.add(name);
        // Copies that stay keep the name, and so may one that was made in a run that was killed before the state knew of it.
        for (const place of own.filter((each) => each.onDelete.has("detach") || !each.settled)) {
            this.taken.add(placeId(place));
        }
        return true;
    }

    private mayGo(place: PlaceLife | undefined): boolean {
        return !place || place.foreign.size === 0 || isOnly(place.onDelete, "detach");
    }

    // What somebody else does.

    private async meddleWith(act: OutsideAct, place: PlaceLife): Promise<boolean> {
        if (!this.setting.cloud.isThere(place.vault)) {
            return false;
        }
        await this.setting.pass(second);
        const versions = await this.setting.cloud.versions(place);
        const ours = new Set(this.lives.get(place.key)?.versions.map(idOfVersion));
        const copies = versions.filter(({ publicKey }) => ours.has(publicKey));
        // A key that is replaced or ended by the next run isn't what is looked for here.
        const stays = this.declared[place.key]?.distribute.some(
            (each) => placeId(placeOf(place.key, each)) === placeId(place),
        );
        if (copies.length === 0 || !place.settled || !stays) {
            return false;
        }
        const client = this.setting.cloud.keys(place.vault);
        const { name } = place;
        if (act.act === "meddle") {
            const { id } = copies[act.version % copies.length]!;
            await client.updateKeyProperties(name, id, meddlingOf(act.what));
        } else if (act.act === "foreign") {
            const { properties } = await client.createEcKey(name, { curve: "P-256" });
            place.foreign.set(properties.version!, properties.updatedOn!.getTime());
            place.covered++;
        } else {
            // Nobody can tell whose a soft-deleted key is but by its current version.
            const current = await this.setting.cloud.current(place);
            if (!copies.some(({ id }) => id === current)) {
                return false;
            }
            const poller = await client.beginDeleteKey(name, { intervalInMs: 1 });
            await poller.pollUntilDone();
            place.deletedAt = this.setting.now();
            place.settled = false;
            if (act.act === "purge") {
                await client.purgeDeletedKey(name);
                this.empty(place);
            }
        }
        this.disturbed = true;
        return true;
    }

    private async loseVault(slot: VaultSlot): Promise<boolean> {
        const vault = this.setting.vaults[slot]!;
        // Where several sequences share a vault, one of them loses it for all.
        if (this.setting.cloud.isThere(vault)) {
            await this.setting.cloud.loseVault(vault);
        }
        for (const place of this.places.values()) {
            if (place.vault === vault) {
                this.empty(place);
            }
        }
        this.disturbed = true;
        this.lost = true;
        return true;
    }

    private empty(place: PlaceLife): void {
        place.foreign.clear();
        place.covered = 0;
        place.settled = false;
        this.taken.delete(placeId(place));
    }

    /** What was soft-deleted is purged by the vault itself in the end. */
    private async afterRetention(): Promise<void> {
        this.setting.cloud.forgetTokens();
        const now = this.setting.now();
        for (const place of this.places.values()) {
            if (
                place.deletedAt !== undefined &&
                place.deletedAt + this.setting.retention <= now &&
                this.setting.cloud.isThere(place.vault) &&
                (await this.setting.cloud.current(place)) === undefined
            ) {
                this.empty(place);
            }
        }
    }

    // Runs.

    /** What is declared for a run; a config that has to be refused, if `what` says so. */
    private async refused(what: Invalid, name: string): Promise<boolean> {
        const invalid = invalidOf(what, name, this.config, this.lives.get(name)?.versions.length);
        if (!invalid || (what === "forget" && !isOnly(this.permitted.get(name), false))) {
            return false;
        }
        const before = this.lives.get(name)?.versions;
        const outcome = await this.up(invalid, { refresh: false, slow: false });
        expect(outcome.result).toBe("failed");
        const own = new RegExp(`/${name}(-too)?(/|$)`);
        expect(
            outcome.requests.filter((each) => own.test(each) && !each.startsWith("GET")),
        ).toEqual([]);
        // A problem of a copy is seen when its key is there.
        if (what !== "purpose") {
            const after = (await this.setting.stack.keys()).get(name);
            expect(after?.map(idOfVersion)).toEqual(before?.map(idOfVersion));
        }
        await this.follow(this.config, outcome);
        return true;
    }

    async run(given: Run): Promise<void> {
        const config = this.config;
        const outcome = await this.up(config, given);
        // Only a refresh sees that a vault is gone.
        if (!given.fault && !given.kill && !(this.lost && !given.refresh)) {
            expect(outcome).toMatchObject({ result: "done" });
        }
        await this.follow(config, outcome, given.refresh);
    }

    private async up(config: Declared, { fault, ...run }: Run): Promise<Outcome> {
        await this.setting.pass(second);
        const { vault, ...rule } = fault ?? {};
        const where = vault !== undefined && { vault: this.setting.vaults[vault] };
        const outcome = await this.setting.stack.up(config, {
            ...run,
            ...(fault && { fault: { ...rule, ...where } }),
        });
        this.asOf = outcome.asOf;
        const { refresh, kill } = run;
        this.log.push(
            `up${refresh ? " --refresh" : ""}${kill ? `, killed at ${JSON.stringify(kill)}` : ""}: ${outcome.result} ${outcome.message}\n` +
                [...outcome.changes, ...outcome.requests].map((each) => `    ${each}`).join("\n"),
        );
        return outcome;
    }

    /** What the run has come to. A run that wasn't done may have made a key's versions, or not. */
    async follow(
        config: Declared,
        { result }: Pick<Outcome, "result">,
        refreshed = false,
    ): Promise<void> {
        const done = result === "done";
        const state = await this.setting.stack.keys();
        for (const name of new Set([...this.lives.keys(), ...Object.keys(config)])) {
            this.followKey(name, config[name], state.get(name), done);
        }
        for (const [name, { distribute, deletionAllowed }] of Object.entries(config)) {
            const permitted = done ? [] : (this.permitted.get(name) ?? []);
            this.permitted.set(name, new Set([...permitted, deletionAllowed]));
            for (const distribution of distribute) {
                const place = this.placeLife(name, placeOf(name, distribution));
                const { onDelete = "delete" } = distribution;
                place.onDelete = new Set(done ? [onDelete] : [...place.onDelete, onDelete]);
                place.settled ||= done;
            }
        }
        this.followEnds(config, done, refreshed);
        if (done) {
            this.applied = config;
            if (refreshed) {
                this.disturbed = false;
                this.lost = false;
            }
            await this.sign();
        }
        this.encrypt();
    }

    /** A deletion that is interrupted is in no state: what is declared again after it needs a refresh, to be seen to be gone. */
    private followEnds(config: Declared, done: boolean, refreshed: boolean): void {
        const declared = placesOf(config);
        for (const [id, place] of this.places) {
            place.forgotten ||= place.ending && refreshed;
            if (declared.has(id)) {
                this.disturbed ||= place.ending;
                place.ending = false;
                place.forgotten = false;
            } else if (!done) {
                place.ending = true;
            }
        }
    }

    private followKey(
        name: string,
        declared: DeclaredKey | undefined,
        state: Version[] | undefined,
        done: boolean,
    ): void {
        let life = this.lives.get(name);
        if (life && state?.[0]?.publicKey !== life.versions[0]!.publicKey) {
            // Another key, or none: only where it was taken out of the config.
            expect([name, this.mayEnd.has(name)]).toEqual([name, true]);
            life.versions.forEach((version) => this.earlier.add(idOfVersion(version)));
            this.lives.delete(name);
            this.mayEnd.delete(name);
            for (const place of this.places.values()) {
                if (place.key === name) {
                    place.settled = false;
                }
            }
            life = undefined;
        }
        if (!declared) {
            expect([name, done && state !== undefined]).toEqual([name, false]);
            return;
        }
        const before = life && {
            createdAt: life.versions.map(({ createdAt }) => createdAt),
            trigger: life.trigger,
        };
        const after = madeBy(before, declared, this.asOf);
        const found = state?.map(({ createdAt }) => createdAt);
        const unchanged = !done && JSON.stringify(found) === JSON.stringify(before?.createdAt);
        if (!unchanged) {
            expect([name, found]).toEqual([name, after.createdAt]);
        }
        if (state) {
            expect(
                state.slice(0, life?.versions.length ?? 0).map(({ publicKey }) => publicKey),
            ).toEqual((life?.versions ?? []).map(({ publicKey }) => publicKey));
            const trigger = unchanged ? life?.trigger : after.trigger;
            this.lives.set(name, { versions: state, trigger });
        }
        if (done) {
            this.mayEnd.delete(name);
        }
    }

    private placeLife(key: string, place: Place): PlaceLife {
        const id = placeId(place);
        let life = this.places.get(id);
        if (!life) {
            life = {
                ...place,
                key,
                settled: false,
                onDelete: new Set(),
                foreign: new Map(),
                covered: 0,
                ending: false,
                forgotten: false,
            };
            this.places.set(id, life);
        }
        return life;
    }

    // What versions are used for.

    /** Something under each version of an RSA key, with no need of a vault. */
    private encrypt(): void {
        for (const { publicKey } of this.versionsOf("rsa-2048")) {
            const id = idOfPem(publicKey);
            if (!this.evidence.some((each) => each.publicKey === id)) {
                const plain = randomBytes(16);
                const padding = constants.RSA_PKCS1_OAEP_PADDING;
                const ciphertext = publicEncrypt(
                    { key: publicKey, padding, oaepHash: "sha256" },
                    plain,
                );
                const value = ciphertext.toString("base64url");
                this.evidence.push({ publicKey: id, kind: "ciphertext", value, plain });
            }
        }
    }

    /** Something by the current version of each EC key, in the first vault that lets it. */
    private async sign(): Promise<void> {
        for (const [name, { type, distribute }] of Object.entries(this.applied)) {
            const version = this.lives.get(name)!.versions.at(-1)!;
            const signing = distribute.find(
                ({ purpose, notBefore, expiresAfter, vault }) =>
                    purpose.includes("sign") &&
                    !notBefore &&
                    !expiresAfter &&
                    this.setting.cloud.isThere(vault),
            );
            const publicKey = idOfPem(version.publicKey);
            if (
                type !== "ecdsa-p256" ||
                !signing ||
                this.disturbed ||
                this.evidence.some((each) => each.publicKey === publicKey)
            ) {
                continue;
            }
            const place = placeOf(name, signing);
            const id = (await this.setting.cloud.current(place))!;
            const plain = randomBytes(32);
            const body = { alg: "ES256", value: sha256(plain) };
            const answer = await this.setting.cloud.use(place, id, "sign", body);
            const value = answer!.value as string;
            this.evidence.push({ publicKey, kind: "signature", value, plain });
        }
    }

    private versionsOf(type: DeclaredKey["type"]): Version[] {
        return Object.entries(this.declared)
            .filter(([, key]) => key.type === type)
            .flatMap(([name]) => this.lives.get(name)?.versions ?? []);
    }

    // What has to be true in the end.

    /** The last run, with nothing in its way. */
    get last(): Run {
        return { refresh: this.disturbed || this.sequence.refreshLast, slow: false };
    }

    /** What holds after the last run. */
    async verify(): Promise<void> {
        for (const [name, key] of Object.entries(this.declared)) {
            for (const distribution of key.distribute) {
                await this.verifyCopy(name, key, distribution);
            }
        }
        const declared = placesOf(this.declared);
        for (const [id, place] of this.places) {
            if (!declared.has(id) && this.setting.cloud.isThere(place.vault)) {
                await this.verifyEnded(place);
            }
        }
    }

    /** Nothing is left to do, and nothing is found to have changed. */
    async rest(): Promise<void> {
        const idle = await this.up(this.config, { refresh: false, slow: false });
        expect(idle).toMatchObject({ result: "done", message: "", requests: [], changes: [] });
        const refreshed = await this.up(this.config, { refresh: true, slow: false });
        expect(refreshed).toMatchObject({ result: "done", message: "", changes: [] });
    }

    private async verifyCopy(
        name: string,
        key: DeclaredKey,
        distribution: DeclaredDistribution,
    ): Promise<void> {
        const { cloud, stack } = this.setting;
        const place = placeOf(name, distribution);
        const life = this.places.get(placeId(place))!;
        const { versions } = this.lives.get(name)!;
        const expected = expectedVersions(name, key, distribution, versions, stack.name, this.asOf);
        const found = await cloud.versions(place);
        const copiesOf = ({ publicKey }: Expected) =>
            found.filter((each) => each.publicKey === publicKey);
        const counting = expected.map((version) =>
            copiesOf(version).findLast(({ protection }) => protection === distribution.protection),
        );

        // Exactly the declared versions, in order, the latest one on top.
        expect([place, counting.map((copy) => copy !== undefined)]).toEqual([
            place,
            expected.map(() => true),
        ]);
        const order = counting.map((copy) => copy!.created);
        expect([place, order]).toEqual([place, [...order].sort((a, b) => a - b)]);
        const current = await cloud.current(place);
        expect([place, current]).toEqual([
            place,
            copiesOf(expected.at(-1)!).find(({ id }) => id === current)?.id,
        ]);

        // Each as declared, and those that it stands for too; in another protection they are disabled.
        for (const version of expected) {
            for (const copy of copiesOf(version)) {
                if (copy.protection === distribution.protection) {
                    const { version: _number, ...attributes } = version;
                    const { id: _id, created: _c, updated: _u, protection: _p, ...own } = copy;
                    expect([place, version.version, own]).toEqual([
                        place,
                        version.version,
                        attributes,
                    ]);
                } else {
                    expect([place, copy.enabled]).toEqual([place, false]);
                }
            }
        }

        // Once each, but where something came on top.
        const copies = expected.flatMap(copiesOf);
        expect(copies.length).toBeGreaterThanOrEqual(expected.length);
        const twice = expected.flatMap((version) =>
            (["hsm", "software"] as const).map((protection) =>
                Math.max(
                    copiesOf(version).filter((copy) => copy.protection === protection).length - 1,
                    0,
                ),
            ),
        );
        expect([place, twice.reduce((sum, count) => sum + count) <= life.covered, twice]).toEqual([
            place,
            true,
            twice,
        ]);

        this.verifyOthers(place, life, found, new Set(expected.map(({ publicKey }) => publicKey)));
        if (key.rotation.notifyBefore) {
            const { lifetimeActions } = await cloud
                .keys(place.vault)
                .getKeyRotationPolicy(place.name);
            expect([place, lifetimeActions]).toMatchObject([
                place,
                [{ action: "Notify", timeBeforeExpiry: key.rotation.notifyBefore }],
            ]);
        }
        for (const version of expected) {
            for (const evidence of this.evidence) {
                if (evidence.publicKey === version.publicKey) {
                    const pem = versions[version.version - 1]!.publicKey;
                    await this.verifyUse(
                        place,
                        version,
                        counting[version.version - 1]!,
                        evidence,
                        pem,
                    );
                }
            }
        }
    }

    /** What isn't ours is there as it was; what an earlier key of ours left is disabled. */
    private verifyOthers(
        place: Place,
        { foreign }: PlaceLife,
        found: readonly Found[],
        ours: ReadonlySet<string>,
    ): void {
        const others = found.filter(({ publicKey }) => !ours.has(publicKey));
        const left = others.filter(({ publicKey }) => this.earlier.has(publicKey));
        const made = others.filter(({ publicKey }) => !this.earlier.has(publicKey));
        expect([place, new Map(made.map(({ id, updated }) => [id, updated]))]).toEqual([
            place,
            foreign,
        ]);
        expect([place, left.filter(({ enabled }) => enabled)]).toEqual([place, []]);
    }

    private async verifyUse(
        place: Place,
        { enabled, operations }: Expected,
        { id }: Found,
        { kind, value, plain }: Evidence,
        pem: string,
    ): Promise<void> {
        const { cloud } = this.setting;
        if (kind === "ciphertext") {
            const operation = (["decrypt", "unwrapKey"] as const).find((each) =>
                operations.includes(each),
            );
            if (operation) {
                const body = { alg: "RSA-OAEP-256", value };
                const lower = operation === "decrypt" ? "decrypt" : "unwrapkey";
                const opened = await cloud.use(place, id, lower, body);
                expect([place, opened?.value]).toEqual([
                    place,
                    enabled ? plain.toString("base64url") : undefined,
                ]);
            }
            return;
        }
        if (operations.includes("verify")) {
            const body = { alg: "ES256", digest: sha256(plain), value };
            const verified = await cloud.use(place, id, "verify", body);
            expect([place, verified?.value]).toEqual([place, enabled ? true : undefined]);
        }
        const signature = Buffer.from(value, "base64url");
        const key = { key: pem, dsaEncoding: "ieee-p1363" } as const;
        expect(verify("sha256", plain, key, signature)).toBe(true);
    }

    /**
     * As its last declaration has it; where the last run before the end may have had another one, either will do. What a killed run made isn't
     * known to anybody until the next one finds it, which it doesn't look for if it isn't declared any more.
     */
    private async verifyEnded(place: PlaceLife): Promise<void> {
        const { cloud } = this.setting;
        const [onDelete, ...others] = place.onDelete;
        if (others.length > 0 || !place.settled) {
            return;
        }
        const current = await cloud.current(place);
        if (onDelete === "detach") {
            expect([placeId(place), current !== undefined]).toEqual([placeId(place), true]);
            return;
        }
        expect([placeId(place), current]).toEqual([placeId(place), undefined]);
        if (onDelete === "purge" && !place.forgotten) {
            expect([placeId(place), await cloud.isSoftDeleted(place)]).toEqual([
                placeId(place),
                false,
            ]);
        }
    }
}

type OutsideAct = Extract<Act, { act: "meddle" | "foreign" | "softDelete" | "purge" }>;

function isOutside(act: Act): act is OutsideAct {
    return ["meddle", "foreign", "softDelete", "purge"].includes(act.act);
}

function placesOf(declared: Declared): Set<string> {
    return new Set(
        Object.entries(declared).flatMap(([name, { distribute }]) =>
            distribute.map((each) => placeId(placeOf(name, each))),
        ),
    );
}

function isOnly<T>(values: ReadonlySet<T> | undefined, value: T): boolean {
    return values?.size === 1 && values.has(value);
}

function idOfVersion({ publicKey }: Version): string {
    return idOfPem(publicKey);
}

function meddlingOf(what: Meddling) {
    switch (what) {
        case "disable":
            return { enabled: false };
        case "enable":
            return { enabled: true };
        case "operations":
            return { keyOps: ["verify" as const] };
        case "tags":
            return { tags: { mine: "yes" } };
        case "expiry":
            return { expiresOn: new Date("2050-01-01") };
    }
}

/** The config with something in it that has to be refused; undefined: it can't be made so. */
function invalidOf(
    what: Invalid,
    name: string,
    config: Declared,
    latest: number | undefined,
): Declared | undefined {
    const key = config[name]!;
    const changed = (change: Partial<DeclaredKey>) => ({
        ...config,
        [name]: { ...key, ...change },
    });
    // A version more may be due by this run, or two by an import as well.
    const beyond = (latest ?? 0) + 5;
    switch (what) {
        case "minEnabledVersion":
            return changed({ minEnabledVersion: beyond });
        case "disabledVersions":
            return changed({ disabledVersions: [beyond] });
        case "laterImport":
            return changed({
                import: [...(key.import ?? []), { version: beyond, from: "env:MODEL_EC_0" }],
            });
        case "rotation":
            return changed({
                rotation: {
                    ...key.rotation,
                    interval: "P2D",
                    retire: { after: "P3D", action: "expire" },
                },
            });
        case "type":
            return latest
                ? changed({ type: key.type === "ecdsa-p384" ? "ecdsa-p256" : "ecdsa-p384" })
                : undefined;
        case "purpose":
            return key.type === "rsa-2048" || key.distribute.length === 0
                ? undefined
                : changed({
                      distribute: key.distribute.map((each) => ({ ...each, purpose: ["encrypt"] })),
                  });
        case "forget": {
            const { [name]: _gone, ...others } = config;
            return latest ? others : undefined;
        }
    }
}

function sha256(data: Buffer): string {
    return createHash("sha256").update(data).digest("base64url");
}
