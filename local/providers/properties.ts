/** Properties of a Pulumi resource, as JSON. */
export type Properties = Record<string, unknown>;

/**
 * Pulumi's wire form of a value that isn't known before the update, and the mark of a secret
 * (sdk/nodejs/runtime/rpc.ts in pulumi/pulumi).
 */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const secretMark = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
};
export const secret = (value: unknown) => ({ ...secretMark, value });

/**
 * azure-native's mark in the inputs of a resource whose name it chose: its replacement is made under another name, so
 * before the old one is deleted (provider.go in pulumi/pulumi-azure-native, getDefaultName and Diff).
 */
export const createBeforeDelete = "__createBeforeDelete";
/** The inputs that are the resource's own. */
export const withoutMarks = (properties: Properties): Properties =>
    omit(properties, [createBeforeDelete]);

export const isProperties = (value: unknown): value is Properties =>
    typeof value === "object" && value !== null && !Array.isArray(value);

export const pick = (properties: Properties, names: readonly string[]): Properties =>
    Object.fromEntries(Object.entries(properties).filter(([name]) => names.includes(name)));

export const omit = (properties: Properties, names: readonly string[]): Properties =>
    Object.fromEntries(Object.entries(properties).filter(([name]) => !names.includes(name)));

/** The same without members that hold nothing: no `undefined` (protobuf has none), no `null` (Pulumi skips them). */
export const withoutNulls = (properties: Properties): Properties =>
    JSON.parse(
        JSON.stringify(properties, (_name, value: unknown) => (value === null ? undefined : value)),
    ) as Properties;

export interface Change {
    path: string;
    kind: "add" | "delete" | "update";
}

/** What differs between two values, as the paths that Pulumi shows: `properties.accessPolicies[0].objectId`. */
export function changes(before: unknown, after: unknown, path = ""): Change[] {
    if (before === undefined) return after === undefined ? [] : [{ path, kind: "add" }];
    if (after === undefined) return [{ path, kind: "delete" }];
    if (isProperties(before) && isProperties(after)) {
        const names = new Set([...Object.keys(before), ...Object.keys(after)]);
        return [...names].flatMap((name) =>
            changes(before[name], after[name], path ? `${path}.${name}` : name),
        );
    }
    if (Array.isArray(before) && Array.isArray(after)) {
        const length = Math.max(before.length, after.length);
        return Array.from({ length }, (_, index) =>
            changes(before[index], after[index], `${path}[${index}]`),
        ).flat();
    }
    return before === after ? [] : [{ path, kind: "update" }];
}

/**
 * Inputs after a refresh: as they were, except what was changed behind Pulumi's back. What only the service filled
 * in stays out of them, or it would show as a change that nobody made (azure-native's diff.go, applyDiff).
 */
export function refreshed(inputs: unknown, before: unknown, after: unknown): unknown {
    if (changes(before, after).length === 0) return inputs;
    if (!isProperties(inputs) || !isProperties(before) || !isProperties(after)) return after;
    const names = new Set([...Object.keys(inputs), ...Object.keys(before), ...Object.keys(after)]);
    return withoutNulls(
        Object.fromEntries(
            [...names].map((name) => [
                name,
                refreshed(inputs[name], before[name], after[name]) ?? null,
            ]),
        ),
    );
}
