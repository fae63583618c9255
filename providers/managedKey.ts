import type { dynamic } from "@pulumi/pulumi";
import { assertKeyMayBeDeleted } from "../keys/deletion";
import { moment } from "../keys/duration";
import { KeymgmtError } from "../keys/errors";
import type { KeySource } from "../keys/keySource";
import type { KeyType } from "../keys/keyType";
import { generateKeyVersion, type KeyVersion } from "../keys/keyVersion";
import {
    lifecycle,
    lifecycleProblems,
    rotationProblems,
    type GivenVersion,
    type LifecycleVersion,
    type Rotation,
} from "../keys/lifecycle";
import { declareKey } from "./declared";
import type { Provider } from "./dynamicResource";
import { failuresOf, isUnknown, managedKeyInputs, propertyOf } from "./inputs";
import { givenVersion, sourceVersion } from "./keySource";
import { otherSealKey, sealKeyOf, type SealReference } from "./seal";
import { forHost } from "./forHost";

export interface Inputs {
    name: string;
    type: KeyType;
    rotation: Rotation;
    minEnabledVersion: number;
    disabledVersions: number[];
    /** Versions that come from outside. */
    import?: KeySource[];
    deletionAllowed: boolean;
    seal: SealReference;
    /** The wanted latest version. Decided by `check`, like `lifecycle`. */
    version: number;
    /** All wanted versions, oldest first. */
    lifecycle: LifecycleVersion[];
}

export interface State extends Inputs {
    schemaVersion: 2;
    /** Oldest first. */
    versions: KeyVersion[];
}

/** Owns the material and the versions of one key. */
export const provider: Provider<Inputs, State> = forHost({
    async check(olds, news) {
        const old = olds as Partial<Inputs>;
        const parsed = managedKeyInputs.safeParse(news);
        if (!parsed.success) {
            return { failures: failuresOf(parsed.error) };
        }
        const { name, rotation, seal, asOf: looked, ...others } = parsed.data;
        const asOf = moment(looked);
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
                : {
                      versions: old.lifecycle ?? versionsOfSchema1(old.version, asOf),
                      trigger: old.rotation?.trigger,
                  };
        // An unknown rule can't be looked at: what it asks for is seen when it's known.
        const known = isUnknown(rotation) ? (old.rotation ?? {}) : knownOf(rotation);
        const given: GivenVersion[] = [];
        for (const [index, source] of (others.import ?? []).entries()) {
            const { version } = source;
            if (version <= (previous?.versions.length ?? 0)) {
                given.push({ version, origin: "imported" });
                continue;
            }
            try {
                const identity = { key: name, type: others.type, version };
                given.push(await givenVersion(source, identity, sealKeyOf(seal)));
            } catch (error) {
                if (!(error instanceof KeymgmtError)) {
                    throw error;
                }
                failures.push({ property: `import[${index}]`, reason: error.message });
            }
        }
        if (failures.length > 0) {
            return { failures };
        }
        const rules = {
            rotation: known,
            minEnabledVersion: isUnknown(others.minEnabledVersion) ? 0 : others.minEnabledVersion,
            disabledVersions: isUnknown(others.disabledVersions)
                ? []
                : others.disabledVersions.filter((version) => !isUnknown(version)),
            given,
        };
        const versions = lifecycle(previous, rules, asOf);
        const problems = [
            ...rotationProblems(rules.rotation),
            ...lifecycleProblems(rules, versions.length, previous?.versions),
        ];
        failures.push(
            ...problems.map(({ path, reason }) => ({ property: propertyOf(path), reason })),
        );
        // Taking the trigger away and putting the same one back rotates nothing.
        const kept: Rotation = { ...known, trigger: known.trigger ?? previous?.trigger };
        const inputs = {
            name,
            ...others,
            rotation: kept,
            seal,
            version: versions.length,
            lifecycle: versions,
        };
        return { inputs, failures };
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

/** Without those rules that are unknown, in whole or in part. */
function knownOf(rotation: Rotation): Rotation {
    return Object.fromEntries(
        Object.entries(rotation).filter(
            ([, rule]) =>
                !isUnknown(rule) &&
                !(typeof rule === "object" && Object.values(rule as object).some(isUnknown)),
        ),
    );
}

/** The state that the inputs ask for: the versions that exist, and new ones up to the wanted one. */
async function stateOf(inputs: Inputs, existing: readonly KeyVersion[]): Promise<State> {
    const { name, type, seal } = inputs;
    const sealKey = sealKeyOf(seal);
    const versions = [...existing];
    for (const { version, createdAt, thumbprint } of inputs.lifecycle.slice(existing.length)) {
        const identity = { key: name, type, version };
        const source = inputs.import?.find((each) => each.version === version);
        const made = source
            ? await sourceVersion(source, identity, sealKey, createdAt)
            : await generateKeyVersion(identity, sealKey, createdAt);
        if (thumbprint !== undefined && thumbprint !== made.thumbprint) {
            throw new KeymgmtError(
                "KEY_MATERIAL",
                `Version ${version} of key ${name} isn't made: where it comes from there's another key now than when it was checked. Run this again.`,
            );
        }
        versions.push(made);
    }
    const { rotation, minEnabledVersion, disabledVersions, deletionAllowed, version, lifecycle } =
        inputs;
    return {
        schemaVersion: 2,
        name,
        type,
        rotation,
        minEnabledVersion,
        disabledVersions,
        import: inputs.import,
        deletionAllowed,
        seal,
        version,
        lifecycle,
        versions,
    };
}

/** Inputs of schemaVersion 1 don't tell when versions were made: their ages count from the first run that asks. */
function versionsOfSchema1(count: number, asOf: string): LifecycleVersion[] {
    return Array.from({ length: count }, (_each, index) => ({
        version: index + 1,
        createdAt: asOf,
        reason: "made before reasons were kept",
        enabled: true,
    }));
}
