import type { dynamic } from "@pulumi/pulumi";
import { assertCopyMayBeDeleted } from "../keys/deletion";
import { purposeProblem, type KeyType, type Protection, type Purpose } from "../keys/keyType";
import type { KeyVersion } from "../keys/keyVersion";
import { reconcile, type Copy } from "../keys/reconcile";
import { keyNameProblem, foldName } from "../kms/azureKeyVault/names";
import { protectionProblem } from "../kms/azureKeyVault/sku";
import { converge, sameSet } from "../kms/converge";
import type { Kms } from "../kms/kms";
import { declarePlace, isDeclaredKey, isDeclaredPlace } from "./declared";
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
    /** The key's name in the vault. */
    name: string;
    vault: Vault;
    identity: IdentityReference;
    purposes: Purpose[];
    protection: Protection;
    deletionAllowed: boolean;
    seal: SealReference;
}

/** The sealed material isn't among it: it is in the state of the key. */
export interface State extends Omit<Inputs, "versions"> {
    schemaVersion: 1;
    /** Our version -> its copy. */
    copies: Record<string, Copy>;
    /** Versionless key id (URL). */
    keyId: string;
    /** Key id (URL) of the current version. */
    versionedKeyId: string;
    /** The public key of each copy was compared with ours. */
    verified: boolean;
}

/** Makes one vault agree with one key. */
export const provider: Provider<Inputs, State> = forHost({
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
        if (![inputs.vault, inputs.vault.uri, inputs.name].some(isUnknown)) {
            declarePlace(inputs);
        }
        const identity = await keepToken(old.identity, inputs.identity, sealKeyOf(inputs.seal));
        return { inputs: { ...inputs, identity } };
    },

    diff(_id, olds, news) {
        const moved = {
            key: olds.key !== news.key,
            name: foldName(olds.name) !== foldName(news.name),
            vault:
                !isUnknown(news.vault) &&
                (foldName(olds.vault.name) !== foldName(news.vault.name) ||
                    (!isUnknown(news.vault.uri) && !sameUrl(olds.vault.uri, news.vault.uri))),
        };
        const replaces = Object.entries(moved).flatMap(([name, yes]) => (yes ? [name] : []));
        return Promise.resolve({ replaces, changes: replaces.length > 0 || differs(olds, news) });
    },

    async create(inputs) {
        const kms = await kmsOf(inputs);
        return { id: kms.keyId(inputs.name), outs: await settle(kms, inputs, undefined) };
    },

    async read(id, state) {
        const kms = await kmsOf(state);
        const found = await kms.copies(state.name, byId(state.copies));
        const ours = Object.entries(state.copies).map(([version, { thumbprint }]) => ({
            version: Number(version),
            thumbprint,
        }));
        const { present } = reconcile(ours, found);
        // No id says that it's gone; the next update distributes it anew.
        return present.size === 0 ? {} : { id, props: stateOf(kms, state, present) };
    },

    async update(_id, olds, news) {
        return { outs: await settle(await kmsOf(news), news, olds) };
    },

    async delete(_id, state) {
        const { key, name, vault, deletionAllowed } = state;
        assertCopyMayBeDeleted(
            { key, name, vault: vault.name },
            deletionAllowed,
            isDeclaredKey(key),
        );
        // Another resource has taken the copy over: one with another logical name, or this one's replacement.
        if (isDeclaredPlace(state)) {
            return;
        }
        const kms = await kmsOf(state);
        const ours = new Set(Object.values(state.copies).map(({ thumbprint }) => thumbprint));
        const found = await kms.copies(name, byId(state.copies));
        if (found.some(({ thumbprint }) => ours.has(thumbprint))) {
            await kms.remove(name);
        }
    },
});

function kmsOf({ vault, identity, seal }: Pick<Inputs, "vault" | "identity" | "seal">) {
    return vaultOf(vault, identity, sealKeyOf(seal));
}

function problemsOf(inputs: Inputs, old: Partial<Inputs>): dynamic.CheckFailure[] {
    const { key, type, name, vault, purposes, protection, seal } = inputs;
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
    const samePlace =
        old.vault?.name === vault.name &&
        old.name !== undefined &&
        foldName(old.name) === foldName(name);
    if (samePlace && old.protection !== protection && !isUnknown(protection)) {
        failures.push({
            property: "protection",
            reason: `the copy ${name} of key ${key} in vault ${vault.name} is protected by ${old.protection}, which can't change in place: distribute it with protection ${protection} under another name`,
        });
    }
    if (old.seal && old.seal.id !== seal.id) {
        failures.push({
            property: "seal.id",
            reason: otherSealKey(old.seal.id, seal.id, seal.location),
        });
    }
    return failures;
}

/** Whether the vault or what is known of it lags behind. That the sealed material isn't known yet is no difference. */
function differs(olds: State, news: Inputs): boolean {
    const { copies } = olds;
    const complete = isUnknown(news.version) || Object.keys(copies).length === news.version;
    const enabled = Object.values(copies).every((copy) => copy.enabled);
    const sameMaterial =
        isUnknown(news.versions) ||
        news.versions.every(
            ({ version, thumbprint }) => copies[version]?.thumbprint === thumbprint,
        );
    const { purposes, deletionAllowed, seal, identity, vault } = news;
    const same = (a: unknown, b: unknown) =>
        isUnknown(b) || JSON.stringify(a) === JSON.stringify(b);
    return !(
        complete &&
        enabled &&
        sameMaterial &&
        (isUnknown(purposes) || sameSet(olds.purposes, purposes)) &&
        same(olds.deletionAllowed, deletionAllowed) &&
        same(olds.seal.location, seal.location) &&
        sameIdentity(olds.identity, identity) &&
        (isUnknown(vault) || same(olds.vault.sku, vault.sku))
    );
}

function sameIdentity(old: IdentityReference, given: IdentityReference): boolean {
    return (
        isUnknown(given) ||
        (["tenantId", "clientId", "clientSecret", "clientSecretFrom"] as const).every(
            (member) => isUnknown(given[member]) || old[member] === given[member],
        )
    );
}

function byId(copies: Record<string, Copy>): Map<string, Copy> {
    return new Map(Object.values(copies).map((copy) => [copy.id, copy]));
}

function sameUrl(a: string, b: string): boolean {
    return new URL(a).href === new URL(b).href;
}

/** Brings the vault up to date; when that fails half-way, what was done is kept in the state with the error. */
async function settle(kms: Kms, inputs: Inputs, olds: State | undefined): Promise<State> {
    const known = {
        copies: new Map(Object.entries(olds?.copies ?? {}).map(([v, copy]) => [Number(v), copy])),
        purposes: olds?.purposes,
    };
    let done: ReadonlyMap<number, Copy> = new Map();
    try {
        done = await converge(kms, inputs, known, sealKeyOf(inputs.seal), (copies) => {
            done = copies;
        });
    } catch (error) {
        if (done.size === 0) {
            throw error;
        }
        const properties = withoutUndefined({
            ...stateOf(kms, inputs, done),
            // Unknown until all is done, so that the next run sets them again.
            purposes: [],
            // The host adds it to results, but not here; without it the resource could never be read or deleted.
            __provider: (inputs as { __provider?: string }).__provider,
        });
        const { message } = error as Error;
        throw Object.assign(error as Error, {
            id: kms.keyId(inputs.name),
            properties,
            reasons: [message],
        });
    }
    return stateOf(kms, inputs, done);
}

function stateOf(
    kms: Kms,
    inputs: Omit<Inputs, "versions">,
    copies: ReadonlyMap<number, Copy>,
): State {
    const {
        key,
        type,
        version,
        name,
        vault,
        identity,
        purposes,
        protection,
        deletionAllowed,
        seal,
    } = inputs;
    return {
        schemaVersion: 1,
        key,
        type,
        version,
        name,
        vault,
        identity,
        purposes,
        protection,
        deletionAllowed,
        seal,
        copies: Object.fromEntries(copies),
        keyId: kms.keyId(name),
        versionedKeyId: kms.keyId(name, copies.get(version)?.id),
        verified: copies.size === version,
    };
}
