import type { dynamic } from "@pulumi/pulumi";
import { assertKeyMayBeDeleted } from "../keys/deletion";
import type { KeyType } from "../keys/keyType";
import { generateKeyVersion, type KeyVersion } from "../keys/keyVersion";
import { rotate } from "../keys/rotation";
import { declareKey } from "./declared";
import type { Provider } from "./dynamicResource";
import { failuresOf, isUnknown, managedKeyInputs } from "./inputs";
import { otherSealKey, sealKeyOf, type SealReference } from "./seal";
import { forHost } from "./forHost";

export interface Inputs {
    name: string;
    type: KeyType;
    rotation: { trigger?: string };
    deletionAllowed: boolean;
    seal: SealReference;
    /** The wanted latest version. Decided by `check`. */
    version: number;
}

export interface State extends Inputs {
    schemaVersion: 1;
    /** Oldest first. */
    versions: KeyVersion[];
}

/** Owns the material and the versions of one key. */
export const provider: Provider<Inputs, State> = forHost({
    check(olds, news) {
        const old = olds as Partial<Inputs>;
        const parsed = managedKeyInputs.safeParse(news);
        if (!parsed.success) {
            return Promise.resolve({ failures: failuresOf(parsed.error) });
        }
        const { name, rotation, seal, ...others } = parsed.data;
        const failures: dynamic.CheckFailure[] = [];
        declareKey(name);
        const otherType = old.type !== others.type && !isUnknown(others.type);
        if (old.type && otherType && old.name === name) {
            failures.push({
                property: "type",
                reason: `key ${name} is of type ${old.type} for life, so it can't become ${others.type}; make a new key with another name`,
            });
        }
        if (
            old.name !== undefined &&
            old.name !== name &&
            !isUnknown(name) &&
            !old.deletionAllowed
        ) {
            failures.push({
                property: "name",
                reason: `key ${old.name} would be deleted and key ${name} made instead, but the deletionAllowed of ${old.name} is false; set it to true and run pulumi up first, or make ${name} a key of its own`,
            });
        }
        if (old.seal && old.seal.id !== seal.id) {
            failures.push({
                property: "seal.id",
                reason: otherSealKey(old.seal.id, seal.id, seal.location),
            });
        }
        const previous =
            old.version === undefined || old.name !== name
                ? undefined
                : { version: old.version, trigger: old.rotation?.trigger };
        const trigger = isUnknown(rotation) ? previous?.trigger : rotation.trigger;
        const { version, ...kept } = rotate(previous, trigger);
        const inputs = { name, ...others, rotation: kept, seal, version };
        return Promise.resolve({ inputs, failures });
    },

    diff(_id, olds, news) {
        // `changes` is left open: the engine's comparison of old and new inputs is right, and heeds replaceOnChanges.
        return Promise.resolve({ replaces: olds.name === news.name ? [] : ["name"] });
    },

    async create(inputs) {
        return { id: inputs.name, outs: await stateOf(inputs, []) };
    },

    read(id, state) {
        return Promise.resolve({ id, props: state });
    },

    async update(_id, olds, news) {
        return { outs: await stateOf(news, olds.versions) };
    },

    delete(_id, state) {
        assertKeyMayBeDeleted(state.name, state.deletionAllowed);
        return Promise.resolve();
    },
});

/** The state that the inputs ask for: the versions that exist, and new ones up to the wanted one. */
async function stateOf(inputs: Inputs, existing: readonly KeyVersion[]): Promise<State> {
    const { name, type, rotation, deletionAllowed, seal, version } = inputs;
    const sealKey = sealKeyOf(seal);
    const versions = [...existing];
    while (versions.length < version) {
        const identity = { key: name, type, version: versions.length + 1 };
        versions.push(await generateKeyVersion(identity, sealKey, new Date()));
    }
    return { schemaVersion: 1, name, type, rotation, deletionAllowed, seal, version, versions };
}
