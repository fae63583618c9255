import type { dynamic } from "@pulumi/pulumi";
import {
    datesProblem,
    isOfEarlierKey,
    tagsProblem,
    wantedCopies,
    type Copy,
    type WantedCopy,
} from "../keys/copy";
import { assertCopyMayBeDeleted, assertNothingFailed, type Deletion } from "../keys/deletion";
import { moment } from "../keys/duration";
import { KeymgmtError } from "../keys/errors";
import { purposeProblem, type KeyType, type Protection, type Purpose } from "../keys/keyType";
import type { KeyVersion } from "../keys/keyVersion";
import type { LifecycleVersion } from "../keys/lifecycle";
import type { Proof } from "../keys/proof";
import { isInStep, reconcile } from "../keys/reconcile";
import { cloudOf } from "../kms/azureKeyVault/environment";
import { keyNameProblem, foldName, moveProblem } from "../kms/azureKeyVault/names";
import { protectionProblem } from "../kms/azureKeyVault/sku";
import { converge, takeAway, type Inventory } from "../kms/converge";
import { KmsGoneError, type Kms } from "../kms/kms";
import {
    declaredIdentity,
    declareIdentity,
    declarePlace,
    failureOf,
    isDeclaredKey,
    isDeclaredPlace,
    noteFailure,
} from "./declared";
import type { Provider } from "./dynamicResource";
import { distributedKeyInputs, failuresOf, isUnknown } from "./inputs";
import { otherSealKey, sealKeyOf, type SealReference } from "./seal";
import { keepToken, vaultOf, type IdentityReference, type Vault } from "./vaults";
import { forHost, withoutUndefined } from "./forHost";

export interface Inputs {
    /** Our key. */
    key: string;
    type: KeyType;
    /** Its latest version: known in a preview, when `versions` isn't. */
    version: number;
    versions: KeyVersion[];
    /** All its versions, known in a preview. */
    lifecycle: LifecycleVersion[];
    notifyBefore?: string;
    /** The key's name in the vault. */
    name: string;
    vault: Vault;
    identity: IdentityReference;
    purposes: Purpose[];
    protection: Protection;
    tags: Record<string, string>;
    notBefore?: string;
    expiresAfter?: string;
    onDelete: Deletion;
    verify?: "deep";
    /** As in project/stack. */
    stack: string;
    deletionAllowed: boolean;
    seal: SealReference;
}

/** The sealed material isn't among it: it is in the state of the key. */
export interface State extends Omit<Inputs, "versions"> {
    schemaVersion: 2;
    /** Our version -> its copy. */
    copies: Record<string, Copy>;
    /** Copies of ours that another one stands for. */
    older: Copy[];
    /** Versions in the vault that aren't ours. */
    foreign: Copy[];
    /** Our version -> how its copy showed that it holds the private key, when it was asked to last. */
    proofs: Record<string, Proof>;
    /** Versionless key id (URL). */
    keyId: string;
    /** Key id (URL) of the current version. */
    versionedKeyId: string;
    /** The public key of each copy was compared with ours. */
    verified: boolean;
    /** The vault holds all versions, in order, each as it should be. */
    inStep: boolean;
}

/** As it was before versions had lifecycles. */
export type StateOfSchema1 = Pick<
    State,
    | "key"
    | "type"
    | "version"
    | "name"
    | "vault"
    | "identity"
    | "purposes"
    | "protection"
    | "deletionAllowed"
    | "seal"
    | "keyId"
    | "versionedKeyId"
    | "verified"
> & {
    schemaVersion: 1;
    copies: Record<
        string,
        Pick<Copy, "id" | "createdAt" | "enabled" | "thumbprint" | "protection">
    >;
};

/** Makes one vault agree with one key. */
export const provider: Provider<Inputs, State | StateOfSchema1> = forHost({
    async check(olds, news) {
        const old = olds as Partial<Inputs>;
        const parsed = distributedKeyInputs.safeParse(news);
        if (!parsed.success) {
            return { failures: failuresOf(parsed.error) };
        }
        const inputs = parsed.data;
        const failures = problemsOf(inputs, old);
        if (failures.length > 0) {
            return { failures };
        }
        const identity = await keepToken(old.identity, inputs.identity, sealKeyOf(inputs.seal));
        if (![inputs.vault, inputs.vault.uri, inputs.name].some(isUnknown)) {
            declarePlace(inputs);
            declareIdentity(inputs.vault, identity);
        }
        return { inputs: { ...inputs, identity } };
    },

    diff(_id, state, news) {
        const olds = currentState(state);
        const { key, name, vault, protection } = news;
        const moved = {
            key: !isUnknown(key) && olds.key !== key,
            name: !isUnknown(name) && foldName(olds.name) !== foldName(name),
            vault:
                !isUnknown(vault) &&
                ((!isUnknown(vault.name) && foldName(olds.vault.name) !== foldName(vault.name)) ||
                    (!isUnknown(vault.uri) && !sameUrl(olds.vault.uri, vault.uri))),
            protection: !isUnknown(protection) && olds.protection !== protection,
        };
        const replaces = Object.entries(moved).flatMap(([name, yes]) => (yes ? [name] : []));
        return Promise.resolve({ replaces, changes: replaces.length > 0 || differs(olds, news) });
    },

    async create(inputs) {
        return noting(inputs, async () => {
            const kms = await kmsOf(inputs);
            return { id: kms.keyId(inputs.name), outs: await settle(kms, inputs, undefined) };
        });
    },

    async read(id, props) {
        const state = currentState(props);
        const kms = await kmsOf(state);
        const found = await copiesOf(kms, state);
        const inventory = reconcile(wantedOf(state, thumbprintsOf(state)), state.protection, found);
        // No id says that it's gone; the next update distributes it anew.
        return inventory.present.size + inventory.older.length === 0
            ? {}
            : { id, props: stateOf(kms, state, inventory, state.proofs) };
    },

    async update(_id, olds, news) {
        return noting(news, async () => ({
            outs: await settle(await kmsOf(news), news, currentState(olds)),
        }));
    },

    async delete(_id, props) {
        const state = currentState(props);
        const { key, name, vault, lifecycle, deletionAllowed, onDelete } = state;
        // Another resource has taken the copy over: one with another logical name, or this one's replacement.
        if (isDeclaredPlace(state)) {
            return;
        }
        const external = lifecycle.find(({ origin }) => origin === "external");
        const copy = { key, name, vault: vault.name, onDelete, external: external?.version };
        assertCopyMayBeDeleted(copy, deletionAllowed, isDeclaredKey(key));
        if (onDelete === "detach") {
            return;
        }
        assertNothingFailed(copy, failureOf(key));
        const kms = await kmsOf({ ...state, identity: declaredIdentity(vault) ?? state.identity });
        const ours = new Set(
            [...Object.values(state.copies), ...state.older].map(({ thumbprint }) => thumbprint),
        );
        const found = await copiesOf(kms, state);
        if (found.some(({ thumbprint }) => ours.has(thumbprint))) {
            assertNoneForeign(
                state,
                found.filter(({ thumbprint }) => !ours.has(thumbprint)),
            );
        }
        try {
            await takeAway(kms, name, onDelete, found, ours);
        } catch (error) {
            if (!(error instanceof KmsGoneError)) {
                throw error;
            }
        }
    },
});

/** Remembers that it failed. */
async function noting<T>({ key, name, vault }: Inputs, work: () => Promise<T>): Promise<T> {
    try {
        return await work();
    } catch (error) {
        noteFailure(key, `the copy ${name} in vault ${vault.name}`);
        throw error;
    }
}

function kmsOf({ vault, identity, seal }: Pick<Inputs, "vault" | "identity" | "seal">) {
    return vaultOf(vault, identity, sealKeyOf(seal));
}

function problemsOf(inputs: Inputs, old: Partial<Inputs>): dynamic.CheckFailure[] {
    const { type, name, vault, purposes, protection, seal } = inputs;
    const failures: dynamic.CheckFailure[] = [];
    const nameProblem = isUnknown(name) ? undefined : keyNameProblem(name);
    if (nameProblem) {
        failures.push({ property: "name", reason: `${JSON.stringify(name)}: ${nameProblem}` });
    }
    for (const [index, purpose] of isUnknown(purposes) || isUnknown(type)
        ? []
        : purposes.entries()) {
        const reason = isUnknown(purpose) ? undefined : purposeProblem(type, purpose);
        if (reason) {
            failures.push({ property: `purposes[${index}]`, reason: `${purpose}: ${reason}` });
        }
    }
    const skuProblem = protectionProblem(vault, protection);
    if (skuProblem) {
        failures.push({ property: "protection", reason: skuProblem });
    }
    if (inputs.onDelete === "purge" && !isUnknown(vault) && vault.purgeProtection === true) {
        failures.push({
            property: "onDelete",
            reason: `vault ${vault.name} has purge protection, so nothing in it can be purged; allowed: delete, detach`,
        });
    }
    const moves =
        old.vault && !isUnknown(vault) && !isUnknown(vault.location)
            ? moveProblem(old.vault, vault)
            : undefined;
    if (moves) {
        failures.push({ property: "vault.location", reason: moves });
    }
    const hosts = isUnknown(inputs.lifecycle) ? [] : inputs.lifecycle;
    for (const { version, vaultHost } of hosts) {
        if (vaultHost !== undefined && !isUnknown(vault) && isAnotherVault(vault, vaultHost)) {
            const here = isUnknown(vault.uri) ? "is another one" : `is at ${hostOf(vault)}`;
            failures.push({
                property: "vault",
                reason: `version ${version} of key ${inputs.key} is external: its .byok file is for the vault at ${vaultHost}, so no other can take it, and vault ${vault.name} ${here}`,
            });
        }
        if (vaultHost !== undefined && protection === "software") {
            failures.push({
                property: "protection",
                reason: `version ${version} of key ${inputs.key} is external: its .byok file is for an HSM; allowed: hsm`,
            });
        }
    }
    const dates = datesProblemOf(inputs);
    if (dates) {
        failures.push({ property: "notBefore", reason: dates });
    }
    const tagProblem = isUnknown(inputs.tags) ? undefined : tagsProblem(inputs.tags);
    if (tagProblem) {
        failures.push({ property: "tags", reason: tagProblem });
    }
    if (old.seal && old.seal.id !== seal.id) {
        failures.push({
            property: "seal.id",
            reason: otherSealKey(old.seal.id, seal.id, seal.location),
        });
    }
    return failures;
}

/**
 * Whether a vault isn't the one at that host. Its address isn't known in a preview that changes it, such as its access; its name is then, and
 * hosts begin with it wherever they have names.
 */
function isAnotherVault(vault: Vault, vaultHost: string): boolean {
    if (!isUnknown(vault.uri)) {
        return hostOf(vault) !== vaultHost;
    }
    const named = !isUnknown(vault.environment) && cloudOf(vault.environment, {}).wellKnownHosts;
    return named && !isUnknown(vault.name) && foldName(vault.name) !== vaultHost.split(".")[0];
}

function hostOf({ uri }: Vault): string {
    return new URL(uri).host;
}

/** Of the latest version, which is the one to be used; as far as a preview knows it. */
function datesProblemOf(inputs: Inputs): string | undefined {
    const { lifecycle, notBefore, expiresAfter } = inputs;
    if ([lifecycle, notBefore, expiresAfter].some(isUnknown)) {
        return undefined;
    }
    const thumbprints = lifecycle.map(({ thumbprint = "" }) => thumbprint);
    const latest = wantedOf({ ...inputs, tags: {} }, thumbprints).at(-1);
    return latest && datesProblem(latest);
}

/** Whether the vault or what is known of it lags behind. That the sealed material isn't known yet is no difference. */
function differs(olds: State, news: Inputs): boolean {
    const { deletionAllowed, seal, identity, vault, onDelete, notifyBefore } = news;
    const same = (a: unknown, b: unknown) =>
        isUnknown(b) || JSON.stringify(a) === JSON.stringify(b);
    return !(
        news.verify !== "deep" &&
        vaultAgrees(olds, news) &&
        same(olds.deletionAllowed, deletionAllowed) &&
        same(olds.onDelete, onDelete) &&
        same(olds.notifyBefore, notifyBefore) &&
        same(olds.seal.location, seal.location) &&
        sameIdentity(olds.identity, identity) &&
        (isUnknown(vault) ||
            (same(olds.vault.sku, vault.sku) &&
                same(olds.vault.purgeProtection, vault.purgeProtection) &&
                same(olds.vault.createdAt, vault.createdAt)))
    );
}

/** Whether what is known of the vault is what it should be, as far as a preview knows that. */
function vaultAgrees(olds: State, news: Inputs): boolean {
    const known = <Name extends keyof State & keyof Inputs>(name: Name) =>
        (isUnknown(news[name]) ? olds[name] : news[name]) as Inputs[Name];
    const lifecycle = known("lifecycle");
    const thumbprints = isUnknown(news.versions)
        ? thumbprintsOf(olds)
        : news.versions.map(({ thumbprint }) => thumbprint);
    if (lifecycle.length > thumbprints.length) {
        return false;
    }
    const wanted = wantedOf(
        {
            ...news,
            lifecycle,
            purposes: known("purposes"),
            tags: known("tags"),
            notBefore: known("notBefore"),
            expiresAfter: known("expiresAfter"),
        },
        thumbprints,
    );
    return isInStep(reconcile(wanted, known("protection"), allCopies(olds)));
}

function wantedOf(
    inputs: Omit<Inputs, "versions" | "identity" | "vault">,
    thumbprints: readonly string[],
): WantedCopy[] {
    const { key, stack, lifecycle, purposes, tags, notBefore, expiresAfter } = inputs;
    const rules = { purposes, tags, notBefore: notBefore && moment(notBefore), expiresAfter };
    const known = lifecycle.slice(0, thumbprints.length);
    return wantedCopies({ key, stack }, known, thumbprints, rules);
}

/** Of those versions that have a copy; none where one before it has none. */
function thumbprintsOf({ copies, lifecycle }: State): string[] {
    const all = lifecycle.map(({ version }) => copies[version]?.thumbprint);
    const missing = all.indexOf(undefined);
    return (missing < 0 ? all : all.slice(0, missing)) as string[];
}

function sameIdentity(old: IdentityReference, given: IdentityReference): boolean {
    return (
        isUnknown(given) ||
        (["tenantId", "clientId", "clientSecret", "clientSecretFrom"] as const).every(
            (member) => isUnknown(given[member]) || old[member] === given[member],
        )
    );
}

function allCopies({ copies, older, foreign }: State): Copy[] {
    return [...Object.values(copies), ...older, ...foreign];
}

/** What the vault has of the key: nothing, if there's no vault any more. */
async function copiesOf(kms: Kms, state: State): Promise<Copy[]> {
    try {
        return await kms.copies(
            state.name,
            new Map(allCopies(state).map((copy) => [copy.id, copy])),
        );
    } catch (error) {
        if (error instanceof KmsGoneError) {
            return [];
        }
        throw error;
    }
}

/** A key is deleted with all its versions: those of somebody else would go too. */
function assertNoneForeign(state: State, others: readonly Copy[]): void {
    const foreign = others.filter((copy) => !isOfEarlierKey(copy, state));
    if (foreign.length > 0) {
        const { key, name, vault } = state;
        throw new KeymgmtError(
            "FOREIGN_VERSIONS",
            `The copy ${name} of key ${key} in vault ${vault.name} isn't deleted: ${foreign.length} version(s) of it aren't ours and would go with it ` +
                `(${foreign.map(({ id }) => id).join(", ")}). If nobody needs them, delete ${name} in the vault by hand; or set onDelete: detach, run pulumi up, and repeat this.`,
        );
    }
}

function sameUrl(a: string, b: string): boolean {
    return new URL(a).href === new URL(b).href;
}

/** Brings the vault up to date; when that fails half-way, what was done is kept in the state with the error. */
async function settle(kms: Kms, inputs: Inputs, olds: State | undefined): Promise<State> {
    const { name, vault, notifyBefore, versions } = inputs;
    const thumbprints = versions.map(({ thumbprint }) => thumbprint);
    const distribution = { ...inputs, wanted: wantedOf(inputs, thumbprints) };
    let done: Inventory | undefined;
    let noticeSet = olds?.notifyBefore;
    let noticeLost = false;
    try {
        done = await converge(
            kms,
            distribution,
            olds ? allCopies(olds) : [],
            sealKeyOf(inputs.seal),
            (inventory) => {
                done = inventory;
                noticeLost ||= noticeSet !== undefined && isEmpty(inventory);
            },
        );
        // Without one it stays as it was set last: the permission to change it is gone by then, with the last key that has one.
        if (notifyBefore !== undefined && (noticeLost || noticeSet !== notifyBefore)) {
            await kms.setNotice(name, notifyBefore);
            noticeSet = notifyBefore;
            noticeLost = false;
        }
        const proofs = inputs.verify === "deep" ? await prove(kms, inputs, done) : {};
        return stateOf(kms, inputs, done, proofs);
    } catch (thrown) {
        const error =
            thrown instanceof KmsGoneError
                ? new KeymgmtError(
                      "KMS",
                      `Key ${inputs.key} isn't in vault ${vault.name} (${vault.uri}): there's no vault at that address. ` +
                          `If it was deleted, run pulumi up --refresh, which makes it anew; else check its name.`,
                      { cause: thrown },
                  )
                : (thrown as Error);
        // A key that isn't in the vault at all is made by the next run; one that was there once has a state that says otherwise.
        if (!done || (done.present.size === 0 && !olds)) {
            throw error;
        }
        const state = stateOf(
            kms,
            { ...inputs, notifyBefore: noticeLost ? undefined : noticeSet },
            done,
            {},
        );
        const proven = !(error instanceof KeymgmtError && error.code === "PROOF_FAILED");
        const properties = withoutUndefined({
            ...state,
            verified: state.verified && proven,
            inStep: false,
            // The host adds it to results, but not here; without it the resource could never be read or deleted.
            __provider: (inputs as { __provider?: string }).__provider,
        });
        throw Object.assign(error, {
            id: kms.keyId(name),
            properties,
            reasons: [error.message],
        });
    }
}

/** A key that was deleted by somebody else took its notice along, if it doesn't come back. */
function isEmpty({ present, older, foreign }: Inventory): boolean {
    return present.size + older.length + foreign.length === 0;
}

/** Deeper than comparing public keys. */
async function prove(
    kms: Kms,
    { name, type, versions }: Inputs,
    { present }: Inventory,
): Promise<Record<string, Proof>> {
    const proofs: Record<string, Proof> = {};
    for (const { version, publicKey } of versions) {
        proofs[version] = await kms.prove(name, present.get(version)!, type, publicKey);
    }
    return proofs;
}

function stateOf(
    kms: Kms,
    inputs: Omit<Inputs, "versions">,
    { present, older, foreign }: Inventory,
    proofs: Record<string, Proof>,
): State {
    const copies = Object.fromEntries(present);
    const state: State = {
        schemaVersion: 2,
        key: inputs.key,
        type: inputs.type,
        version: inputs.version,
        lifecycle: inputs.lifecycle,
        notifyBefore: inputs.notifyBefore,
        name: inputs.name,
        vault: inputs.vault,
        identity: inputs.identity,
        purposes: inputs.purposes,
        protection: inputs.protection,
        tags: inputs.tags,
        notBefore: inputs.notBefore,
        expiresAfter: inputs.expiresAfter,
        onDelete: inputs.onDelete,
        verify: inputs.verify,
        stack: inputs.stack,
        deletionAllowed: inputs.deletionAllowed,
        seal: inputs.seal,
        copies,
        older,
        foreign,
        proofs,
        keyId: kms.keyId(inputs.name),
        versionedKeyId: kms.keyId(inputs.name, present.get(newestOf(present))?.id),
        verified: present.size === inputs.version,
        inStep: false,
    };
    const thumbprints = thumbprintsOf(state);
    const complete = thumbprints.length === state.lifecycle.length;
    const plan = reconcile(wantedOf(state, thumbprints), state.protection, allCopies(state));
    return { ...state, inStep: complete && isInStep(plan) };
}

/** The newest of our versions that are there; 0 if none is. */
function newestOf(present: Inventory["present"]): number {
    return Math.max(0, ...present.keys());
}

/** A state of schemaVersion 1 knows less of its copies: what it doesn't know is seen by the next run. */
function currentState(state: State | StateOfSchema1): State {
    if (state.schemaVersion === 2) {
        return state;
    }
    const copies = Object.fromEntries(
        Object.entries(state.copies).map(([version, copy]) => [
            version,
            { ...copy, updatedAt: "", purposes: state.purposes, tags: {} },
        ]),
    );
    return {
        ...state,
        schemaVersion: 2,
        copies,
        lifecycle: Object.entries(copies).map(([version, { createdAt }]) => ({
            version: Number(version),
            createdAt,
            reason: "",
            enabled: true,
        })),
        older: [],
        foreign: [],
        proofs: {},
        tags: {},
        onDelete: "delete",
        stack: "",
        inStep: false,
    };
}
