import * as fc from "fast-check";
import type { DeclaredRotation, KeyType, OnDelete, Purpose } from "./declared";
import type { Kill } from "./stack";

/** One of a sequence's keys, and one of the vaults. */
export type KeySlot = 0 | 1;
export type VaultSlot = 0 | 1 | 2;
/** One of a key's distributions, of as many as it has then. */
export type CopySlot = 0 | 1 | 2;

/** What is done between two runs. What can't be done there and then isn't. */
export type Act =
    // The config is changed.
    | { act: "declare"; key: KeySlot; vaults: VaultSlot[]; deletionAllowed: boolean }
    | { act: "forget"; key: KeySlot }
    | { act: "distribute"; key: KeySlot; vault: VaultSlot }
    | { act: "end"; key: KeySlot; copy: CopySlot }
    | { act: "rename"; key: KeySlot; copy: CopySlot }
    | { act: "protection"; key: KeySlot; copy: CopySlot }
    | { act: "onDelete"; key: KeySlot; copy: CopySlot; value: OnDelete }
    | { act: "attributes"; key: KeySlot; copy: CopySlot; value: Attributes }
    | { act: "trigger"; key: KeySlot }
    | { act: "rotation"; key: KeySlot; value: Omit<DeclaredRotation, "trigger"> }
    | { act: "import"; key: KeySlot }
    /** From the latest: 0 is its number. */
    | { act: "minEnabled"; key: KeySlot; below: number }
    | { act: "disabled"; key: KeySlot; below: number[] }
    | { act: "deletionAllowed"; key: KeySlot; value: boolean }
    // The config is made one that has to be refused, for one run.
    | { act: "invalid"; key: KeySlot; what: Invalid }
    // Time goes by.
    | { act: "pass"; days: number }
    // Somebody else does something in a vault.
    | { act: "meddle"; key: KeySlot; copy: CopySlot; version: number; what: Meddling }
    | { act: "foreign"; key: KeySlot; copy: CopySlot }
    | { act: "softDelete"; key: KeySlot; copy: CopySlot }
    | { act: "purge"; key: KeySlot; copy: CopySlot }
    | { act: "loseVault"; vault: VaultSlot };

export interface Attributes {
    purpose?: Purpose[];
    tags?: Record<string, string>;
    notBefore?: string;
    expiresAfter?: string;
}

export const invalids = [
    "minEnabledVersion",
    "disabledVersions",
    "laterImport",
    "rotation",
    "type",
    "purpose",
    "forget",
] as const;
export type Invalid = (typeof invalids)[number];

export const meddlings = ["disable", "enable", "operations", "tags", "expiry"] as const;
export type Meddling = (typeof meddlings)[number];

/** What happens to requests of a run. */
export interface Fault {
    fault: "status" | "delay" | "resetBefore" | "resetAfter" | "halfAnswer" | "expiredToken";
    status?: number;
    retryAfter?: number;
    seconds?: number;
    operation?: string;
    vault?: VaultSlot;
    /** Undefined: as long as the run lasts. */
    count?: number;
}

export interface Run {
    refresh: boolean;
    slow: boolean;
    fault?: Fault;
    kill?: Kill;
}

export interface Round {
    acts: Act[];
    run: Run;
}

export interface Sequence {
    /** Of the second key; the first one's is ecdsa-p256. */
    type: KeyType;
    /** Copies may be in an HSM. */
    hsm: boolean;
    /** Where its keys are distributed to at first. */
    start: { vaults: VaultSlot[]; deletionAllowed: boolean }[];
    rounds: Round[];
    /** The last run looks at the vaults first, even if nobody meddled with them. */
    refreshLast: boolean;
}

const key = fc.constantFrom<KeySlot[]>(0, 0, 1);
const vault = fc.constantFrom<VaultSlot[]>(0, 1, 2);
const copy = fc.constantFrom<CopySlot[]>(0, 1, 2);
const vaults = fc.uniqueArray(vault, { minLength: 1, maxLength: 3 });
const days = fc.constantFrom(1, 3, 10, 40, 95);

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
    return fc.option(arbitrary, { nil: undefined });
}

function sometimes<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
    return fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/** Readable when it is printed. */
function record<T>(members: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> {
    return fc.record(members).map((given) => JSON.parse(JSON.stringify(given)) as T);
}

const rotation: fc.Arbitrary<Omit<DeclaredRotation, "trigger">> = record({
    interval: optional(fc.constantFrom("P10D", "P30D", "P90D")),
    retire: optional(
        record({
            after: fc.constantFrom("P1D", "P7D"),
            action: fc.constantFrom("keep" as const, "expire" as const, "disable" as const),
        }),
    ),
    keepEnabled: optional(fc.integer({ min: 1, max: 3 })),
    notifyBefore: fc.constantFrom(undefined, undefined, undefined, "P30D", "P45D"),
});

// A copy that begins after it expires is refused.
const dates = fc.constantFrom<Pick<Attributes, "notBefore" | "expiresAfter">>(
    {},
    { notBefore: "2026-01-01" },
    { notBefore: "2040-06-01" },
    { expiresAfter: "P5D" },
    { notBefore: "2026-01-01", expiresAfter: "P400D" },
);

const attributes: fc.Arbitrary<Attributes> = record({
    purpose: optional(
        fc.uniqueArray(fc.constantFrom<Purpose[]>("sign", "verify", "decrypt", "unwrap"), {
            minLength: 1,
            maxLength: 2,
        }),
    ),
    tags: optional(fc.dictionary(fc.constantFrom("team", "use"), fc.constantFrom("a", "b"))),
    dates,
}).map(({ dates: chosen, ...others }) => ({ ...others, ...chosen }));

function act<Name extends Act["act"]>(
    name: Name,
    members: {
        [Member in Exclude<keyof Extract<Act, { act: Name }>, "act">]: fc.Arbitrary<
            Extract<Act, { act: Name }>[Member]
        >;
    },
): fc.Arbitrary<Act> {
    return record<Act>({ act: fc.constant(name), ...members } as never);
}

const weighted: [weight: number, arbitrary: fc.Arbitrary<Act>][] = [
    [4, act("declare", { key, vaults, deletionAllowed: fc.boolean() })],
    [4, act("forget", { key })],
    [3, act("distribute", { key, vault })],
    [3, act("end", { key, copy })],
    [1, act("rename", { key, copy })],
    [1, act("protection", { key, copy })],
    [3, act("onDelete", { key, copy, value: fc.constantFrom("delete", "detach", "purge") })],
    [2, act("attributes", { key, copy, value: attributes })],
    [6, act("trigger", { key })],
    [3, act("rotation", { key, value: rotation })],
    [2, act("import", { key })],
    [2, act("minEnabled", { key, below: fc.nat(3) })],
    [2, act("disabled", { key, below: fc.uniqueArray(fc.integer({ min: 1, max: 3 })) })],
    [3, act("deletionAllowed", { key, value: fc.constantFrom(true, true, false) })],
    [1, act("invalid", { key, what: fc.constantFrom(...invalids) })],
    [3, act("pass", { days })],
    [3, act("meddle", { key, copy, version: fc.nat(2), what: fc.constantFrom(...meddlings) })],
    [2, act("foreign", { key, copy })],
    [2, act("softDelete", { key, copy })],
    [2, act("purge", { key, copy })],
    [1, act("loseVault", { vault })],
];

const anyAct = fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })));

const operation = fc.constantFrom(
    ...["import", "import", "import", "listVersions", "get", "update", "delete", "recover"],
    ...["getDeleted", "purge", "token", undefined],
);

const faultOfVault: fc.Arbitrary<Omit<Fault, "operation">> = fc.oneof(
    record({ fault: fc.constant("status" as const), status: fc.constantFrom(500, 502, 503, 504) }),
    record({
        fault: fc.constant("status" as const),
        status: fc.constantFrom(429, 503),
        retryAfter: fc.constantFrom(0, 1),
    }),
    record({ fault: fc.constant("status" as const), status: fc.constant(429) }),
    record({ fault: fc.constant("delay" as const), seconds: fc.constant(0.02) }),
    record({
        fault: fc.constantFrom(
            "resetBefore" as const,
            "resetAfter" as const,
            "halfAnswer" as const,
            "expiredToken" as const,
        ),
    }),
);

const fault: fc.Arbitrary<Fault> = fc
    .tuple(faultOfVault, operation, optional(vault), fc.constantFrom(1, 1, 2, 3, undefined))
    .map(([what, of, where, count]): Fault => {
        // The token endpoint has no vault, and no token that could be over.
        const token = of === "token" && what.fault !== "expiredToken";
        return JSON.parse(
            JSON.stringify({
                ...what,
                operation: of === "token" && !token ? "import" : of,
                vault: token ? undefined : where,
                // A good token that is always refused is asked for anew without end.
                count: what.fault === "expiredToken" ? (count ?? 1) : count,
            }),
        ) as Fault;
    });

const run: fc.Arbitrary<Run> = record({
    refresh: fc.boolean(),
    slow: fc.boolean(),
    fault: sometimes(fault),
    kill: sometimes(
        fc.oneof(
            record<Kill>({
                of: fc.constant("changes"),
                at: fc.integer({ min: 1, max: 5 }),
                landed: fc.boolean(),
            }),
            record<Kill>({
                of: fc.constant("requests"),
                at: fc.integer({ min: 1, max: 16 }),
                landed: fc.boolean(),
            }),
        ),
    ),
});

const round: fc.Arbitrary<Round> = record({
    acts: fc.array(anyAct, { maxLength: 5 }),
    run,
});

/** What random rounds hardly ever come to: several acts and runs in a row, and then a kill in the middle. */
const story: fc.Arbitrary<Round[]> = fc
    .tuple(
        key,
        copy,
        vaults,
        record<Kill>({
            of: fc.constant("changes"),
            at: fc.integer({ min: 1, max: 4 }),
            landed: fc.boolean(),
        }),
        fc.boolean(),
    )
    .map(([key, copy, vaults, kill, purge]): Round[] => {
        const calm = { refresh: false, slow: false };
        const killed = { ...calm, kill };
        const purged: Act = { act: "onDelete", key, copy, value: "purge" };
        return purge
            ? [
                  { acts: [purged], run: calm },
                  { acts: [{ act: "end", key, copy }], run: killed },
              ]
            : [
                  { acts: [{ act: "deletionAllowed", key, value: true }], run: calm },
                  { acts: [{ act: "forget", key }], run: calm },
                  { acts: [{ act: "declare", key, vaults, deletionAllowed: true }], run: killed },
              ];
    });

// Edge cases of numbers and lengths have no meaning here: they'd only make most sequences short.
const plain = fc.noBias;

export function sequences(): fc.Arbitrary<Sequence> {
    const part = fc.oneof(
        { weight: 6, arbitrary: fc.tuple(round) },
        { weight: 1, arbitrary: story },
    );
    const parts = fc.array(part, { minLength: 1, maxLength: 5, size: "max" });
    return plain(sequence(parts.map((all) => all.flat())));
}

function sequence(rounds: fc.Arbitrary<Round[]>): fc.Arbitrary<Sequence> {
    return record<Sequence>({
        type: fc.constantFrom<KeyType[]>("ecdsa-p256", "ecdsa-p256", "ecdsa-p384", "rsa-2048"),
        hsm: fc.constantFrom(false, false, false, false, false, false, true),
        start: fc.array(record({ vaults, deletionAllowed: fc.boolean() }), {
            minLength: 1,
            maxLength: 2,
        }),
        rounds,
        refreshLast: fc.boolean(),
    });
}

/**
 * A ring takes a permission away with the last distribution that asks for it, which is before that one's copy is purged, or its notice taken
 * back; and its config takes a notice only where a version can expire.
 */
function needsPermission(one: Act): boolean {
    return one.act === "onDelete"
        ? one.value === "purge"
        : one.act === "rotation" && one.value.notifyBefore !== undefined;
}

/**
 * Sequences side by side in one stack: what is of the stack as a whole, its runs, its time and its vaults, is the same for all of them. A config
 * that is refused would refuse it to all.
 */
export function sequencesOfOneStack(count: number, rounds: number): fc.Arbitrary<Sequence[]> {
    const ofStack = ["invalid", "pass", "loseVault"];
    const own = fc.array(
        anyAct.filter((one) => !ofStack.includes(one.act) && !needsPermission(one)),
        { maxLength: 5 },
    );
    const shared = fc.tuple(
        sometimes(act("pass", { days })),
        sometimes(act("loseVault", { vault })),
    );
    return plain(
        fc
            .tuple(
                fc.array(sequence(fc.constant([])), { minLength: count, maxLength: count }),
                fc.array(
                    fc.tuple(shared, run, fc.array(own, { minLength: count, maxLength: count })),
                    {
                        minLength: rounds,
                        maxLength: rounds,
                    },
                ),
            )
            .map(([all, each]) =>
                all.map((one, index) => ({
                    ...one,
                    rounds: each.map(([common, run, acts]) => ({
                        acts: [
                            // Time passes once for all of them.
                            ...(common[0] && index === 0 ? [common[0]] : []),
                            ...(common[1] ? [common[1]] : []),
                            ...acts[index]!,
                        ],
                        run,
                    })),
                })),
            ),
    );
}
