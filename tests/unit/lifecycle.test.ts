import fc from "fast-check";
import { after } from "../../keys/duration";
import {
    lifecycle,
    lifecycleProblems,
    retirements,
    rotationProblems,
    type LifecycleRules,
    type LifecycleVersion,
    type Previous,
    type Rotation,
} from "../../keys/lifecycle";

const start = "2027-01-01T00:00:00.000Z";
const later = (days: number) => after(start, `P${days}D`);

const rules = (
    rotation: Rotation = {},
    others: Partial<Omit<LifecycleRules, "rotation">> = {},
): LifecycleRules => ({ rotation, minEnabledVersion: 0, disabledVersions: [], ...others });

/** Versions that were made on these days. */
const made = (...days: number[]): LifecycleVersion[] =>
    days.map((day, index) => ({
        version: index + 1,
        createdAt: later(day),
        reason: "the test",
        enabled: true,
    }));

const latestReason = (previous: Previous | undefined, rotation: Rotation, asOf = start) =>
    lifecycle(previous, rules(rotation), asOf).at(-1)!.reason;
const enabled = (versions: readonly LifecycleVersion[]) =>
    versions.filter((version) => version.enabled).map(({ version }) => version);

test.each([undefined, "2", ""])("a new key has version 1, whatever its trigger: %j", (trigger) => {
    expect(lifecycle(undefined, rules({ trigger, interval: "P1D" }), start)).toEqual([
        { version: 1, createdAt: start, reason: "the first version", enabled: true },
    ]);
});

describe("a version is made by a trigger", () => {
    test.each<[string, string | undefined, string | undefined, number]>([
        ["a first one", undefined, "2", 2],
        ["another one", "2", "x", 2],
        ["an empty text, which is a text", undefined, "", 2],
        ["not the same one", "2", "2", 1],
        ["not none", "2", undefined, 1],
    ])("%s", (_rule, before, trigger, count) => {
        const previous = { versions: made(0), trigger: before };
        const versions = lifecycle(previous, rules({ trigger }), later(1));
        expect(versions).toHaveLength(count);
        expect(versions.at(-1)).toMatchObject(
            count === 2 ? { createdAt: later(1), reason: `trigger ${trigger}` } : made(0)[0]!,
        );
    });
});

describe("a version is made by an interval", () => {
    const versions = made(0, 10);
    const count = (asOf: string) =>
        lifecycle({ versions }, rules({ interval: "P30D" }), asOf).length;

    test("from the moment on at which the latest version is that old, and once however late it is", () => {
        expect(count("2027-02-09T23:59:59.999Z")).toBe(2);
        expect(count("2027-02-10T00:00:00.000Z")).toBe(3);
        expect(count("2037-01-01T00:00:00.000Z")).toBe(3);
    });

    test("which its reason says", () => {
        expect(latestReason({ versions }, { interval: "P30D" }, later(99))).toBe(
            "version 2 had its interval of P30D on 2027-02-10T00:00:00.000Z",
        );
    });

    test("with a trigger too it's still one", () => {
        const rotation = { interval: "P30D", trigger: "now" };
        expect(lifecycle({ versions }, rules(rotation), later(99))).toHaveLength(3);
        expect(latestReason({ versions }, rotation, later(99))).toBe("trigger now");
    });
});

describe("older versions", () => {
    const previous = { versions: made(0, 10, 20) };

    test("expire an overlap after the version that came after, and stay enabled", () => {
        const retire = { after: "P5D", action: "expire" } as const;
        const versions = lifecycle(previous, rules({ retire }), later(1000));
        expect(versions.map(({ expiresAt }) => expiresAt)).toEqual([
            later(15),
            later(25),
            undefined,
        ]);
        expect(enabled(versions)).toEqual([1, 2, 3]);
    });

    test("are disabled an overlap after the version that came after, not earlier", () => {
        const retire = { after: "P5D", action: "disable" } as const;
        const at = (asOf: string) => lifecycle(previous, rules({ retire }), asOf);
        expect(enabled(at("2027-01-25T23:59:59.999Z"))).toEqual([2, 3]);
        expect(enabled(at(later(25)))).toEqual([3]);
        // Told as soon as the version that comes after is.
        expect(at(later(20)).map(({ disabledFrom }) => disabledFrom)).toEqual([
            later(15),
            later(25),
            undefined,
        ]);
        expect(at(later(25))[1]).toMatchObject({
            disabledBy: "retire: P5D after version 3",
        });
        expect(at(later(25))[1]).not.toHaveProperty("expiresAt");
    });

    test("stay as they are by keep, and without a rule", () => {
        const retire = { after: "P5D", action: "keep" } as const;
        const kept = lifecycle(previous, rules({ retire }), later(1000));
        expect(kept).toEqual(previous.versions);
        expect(lifecycle(previous, rules(), later(1000))).toEqual(previous.versions);
    });

    test.each<[string, LifecycleRules, number[], string]>([
        ["keepEnabled", rules({ keepEnabled: 2 }), [2, 3], "keepEnabled 2"],
        ["minEnabledVersion", rules({}, { minEnabledVersion: 2 }), [2, 3], "minEnabledVersion 2"],
        ["disabledVersions", rules({}, { disabledVersions: [1] }), [2, 3], "disabledVersions"],
        ["keepEnabled 1", rules({ keepEnabled: 1 }), [3], "keepEnabled 1"],
    ])("are disabled by %s", (_name, given, expected, why) => {
        const versions = lifecycle(previous, given, later(20));
        expect(enabled(versions)).toEqual(expected);
        expect(versions[0]!.disabledBy).toBe(why);
    });

    test("are enabled again, and never expire, when the rule is gone", () => {
        for (const action of ["disable", "expire"] as const) {
            const retire = { after: "P5D", action };
            const versions = lifecycle(previous, rules({ retire, keepEnabled: 1 }), later(99));
            expect(enabled(versions)).toEqual([3]);
            expect(lifecycle({ versions }, rules(), later(99))).toEqual(previous.versions);
        }
    });

    test("count a version that is being made", () => {
        const rotation = { trigger: "now", keepEnabled: 1 };
        const versions = lifecycle(previous, rules(rotation), later(30));
        expect(enabled(versions)).toEqual([4]);
    });
});

test.each<[string | undefined, string | undefined, boolean]>([
    ["P90D", "P90D", false],
    ["P3M", "P90D", false],
    ["P90D", "P91D", true],
    ["P1Y", "P13M", true],
    [undefined, "P50Y", false],
    ["P1D", undefined, false],
])("of interval %s and an overlap of %s it is a problem: %s", (interval, overlap, problem) => {
    const retire = overlap === undefined ? undefined : { after: overlap, action: "keep" as const };
    const problems = rotationProblems({ interval, retire });
    expect(problems).toEqual(
        problem
            ? [
                  {
                      path: ["rotation", "retire", "after"],
                      reason: expect.stringContaining(`make it ${interval} at most`) as string,
                  },
              ]
            : [],
    );
});

test("rules that would disable the latest version, or one that isn't there, are told where they are", () => {
    const problems = (others: Partial<LifecycleRules>) => lifecycleProblems(rules({}, others), 3);
    expect(problems({ minEnabledVersion: 3, disabledVersions: [1, 2] })).toEqual([]);
    expect(problems({ minEnabledVersion: 4, disabledVersions: [1, 3, 4] })).toEqual([
        {
            path: ["minEnabledVersion"],
            reason: "4 would disable the latest version, which is 3; allowed: 0 to 3",
        },
        {
            path: ["disabledVersions", 1],
            reason: "3 is the latest version, which can't be disabled; rotate the key first",
        },
        {
            path: ["disabledVersions", 2],
            reason: "4 doesn't exist; the latest version is 3",
        },
    ]);
});

const duration = fc
    .record({ count: fc.integer({ min: 1, max: 40 }), unit: fc.constantFrom("D", "W", "M", "Y") })
    .map(({ count, unit }) => `P${count}${unit}`);
const someRules: fc.Arbitrary<LifecycleRules> = fc.record({
    rotation: fc.record(
        {
            trigger: fc.constantFrom("", "1", "2", "spring"),
            interval: duration,
            retire: fc.record({ after: duration, action: fc.constantFrom(...retirements) }),
            keepEnabled: fc.integer({ min: 1, max: 4 }),
        },
        { requiredKeys: [] },
    ),
    minEnabledVersion: fc.nat(4),
    disabledVersions: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
});
const days = fc.nat(1500);

/** A key's runs one after another: how many days after the one before, and by which rules. Runs whose rules are refused change nothing. */
const history = fc
    .array(fc.record({ days, rules: someRules }), { minLength: 1, maxLength: 12 })
    .map((runs) => {
        let now = start;
        let previous: Previous | undefined;
        for (const run of runs) {
            now = after(now, `P${run.days}D`);
            const versions = lifecycle(previous, run.rules, now);
            if (lifecycleProblems(run.rules, versions.length).length === 0) {
                const trigger = run.rules.rotation.trigger ?? previous?.trigger;
                previous = { versions, trigger };
            }
        }
        return { previous, now };
    });

test("whatever rules a key had: its versions are numbered in order, what was made stays made, and the latest serves", () => {
    fc.assert(
        fc.property(history, someRules, days, ({ previous, now }, given, passed) => {
            const asOf = after(now, `P${passed}D`);
            const versions = lifecycle(previous, given, asOf);
            const before = previous?.versions ?? [];
            expect(versions.map(({ version }) => version)).toEqual(
                versions.map((_each, index) => index + 1),
            );
            expect(versions.length - before.length).toBeLessThanOrEqual(1);
            const origin = ({ version, createdAt, reason }: LifecycleVersion) => {
                return { version, createdAt, reason };
            };
            expect(versions.slice(0, before.length).map(origin)).toEqual(before.map(origin));
            const dates = versions.map(({ createdAt }) => createdAt);
            expect(dates).toEqual([...dates].sort());

            fc.pre(lifecycleProblems(given, versions.length).length === 0);
            expect(versions.at(-1)).toMatchObject({ enabled: true });
            expect(versions.at(-1)).not.toHaveProperty("expiresAt");
            for (const { enabled, disabledBy } of versions) {
                expect(disabledBy === undefined).toBe(enabled);
            }
        }),
    );
});

test("run again, as an `up` after its preview, the same rules give the same versions", () => {
    fc.assert(
        fc.property(history, someRules, ({ previous, now }, given) => {
            const versions = lifecycle(previous, given, now);
            expect(lifecycle(previous, given, now)).toEqual(versions);
            const trigger = given.rotation.trigger ?? previous?.trigger;
            expect(lifecycle({ versions, trigger }, given, now)).toEqual(versions);
        }),
    );
});

test("time alone changes no date: it only makes the next version due, and disables what retires", () => {
    fc.assert(
        fc.property(history, someRules, days, ({ previous, now }, given, passed) => {
            fc.pre(previous !== undefined);
            const { trigger: _trigger, ...rotation } = given.rotation;
            const untriggered = { ...given, rotation };
            const asOf = after(now, `P${passed}D`);
            const first = lifecycle(previous, untriggered, now);
            const second = lifecycle({ versions: first }, untriggered, asOf);
            const due = rotation.interval && after(first.at(-1)!.createdAt, rotation.interval);
            expect(second.length > first.length).toBe(due !== undefined && due <= asOf);

            // A version that isn't the latest has its dates for good.
            const older = first.slice(0, -1);
            expect(second.slice(0, older.length).map(({ expiresAt }) => expiresAt)).toEqual(
                older.map(({ expiresAt }) => expiresAt),
            );
            for (const { version, enabled } of older) {
                if (!enabled) {
                    expect(second[version - 1]!.enabled).toBe(false);
                }
            }
            if (second.length === first.length && rotation.retire?.action !== "disable") {
                expect(second).toEqual(first);
            }
        }),
    );
});

test("taking a trigger away and putting it back rotates nothing", () => {
    fc.assert(
        fc.property(history, fc.string(), ({ previous, now }, trigger) => {
            fc.pre(previous !== undefined);
            const before = { versions: previous.versions, trigger };
            const without = lifecycle(before, rules(), now);
            const again = lifecycle({ versions: without, trigger }, rules({ trigger }), now);
            expect(again).toHaveLength(before.versions.length);
        }),
    );
});
