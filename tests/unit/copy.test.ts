import {
    datesProblem,
    isOfEarlierKey,
    tagsProblem,
    wantedCopies,
    type Copy,
} from "../../keys/copy";
import type { LifecycleVersion } from "../../keys/lifecycle";

const owner = { key: "k", stack: "project/dev" };

function version(number: number, changes: Partial<LifecycleVersion> = {}): LifecycleVersion {
    const createdAt = `2027-01-0${number}T08:00:00.123Z`;
    return { version: number, createdAt, reason: "", enabled: true, ...changes };
}

test("a KMS should hold each version with what the distribution says of all, and the version of itself", () => {
    const lifecycle = [version(1, { enabled: false, disabledBy: "disabledVersions" }), version(2)];
    const rules = { purposes: ["sign"] as const, tags: { team: "blue" } };
    const own = { team: "blue", "keymgmt-key": "k", "keymgmt-stack": "project/dev" };
    expect(wantedCopies(owner, lifecycle, ["a", "b"], rules)).toStrictEqual([
        {
            version: 1,
            thumbprint: "a",
            enabled: false,
            purposes: ["sign"],
            tags: { ...own, "keymgmt-version": "1", "keymgmt-thumbprint": "a" },
        },
        {
            version: 2,
            thumbprint: "b",
            enabled: true,
            purposes: ["sign"],
            tags: { ...own, "keymgmt-version": "2", "keymgmt-thumbprint": "b" },
        },
    ]);
});

test.each<[string, string | undefined, string | undefined, string | undefined]>([
    ["never", undefined, undefined, undefined],
    ["by its retirement", "2027-03-01T08:00:00.456Z", undefined, "2027-03-01T08:00:00.000Z"],
    ["by its age", undefined, "P1M", "2027-02-01T08:00:00.000Z"],
    ["by the earlier, its age", "2027-03-01T08:00:00.456Z", "P1M", "2027-02-01T08:00:00.000Z"],
    [
        "by the earlier, its retirement",
        "2027-01-15T08:00:00.456Z",
        "P1M",
        "2027-01-15T08:00:00.000Z",
    ],
])("a version expires %s, in whole seconds", (_how, expiresAt, expiresAfter, expected) => {
    const lifecycle = [version(1, expiresAt === undefined ? {} : { expiresAt })];
    const rules = { purposes: [], tags: {}, expiresAfter };
    expect(wantedCopies(owner, lifecycle, ["a"], rules)[0]!.expiresAt).toBe(expected);
});

test("the date before which nothing is used is of all versions, in whole seconds", () => {
    const rules = { purposes: [], tags: {}, notBefore: "2027-05-01T00:00:00.789Z" };
    const dates = wantedCopies(owner, [version(1), version(2)], ["a", "b"], rules).map(
        ({ notBefore }) => notBefore,
    );
    expect(dates).toEqual(["2027-05-01T00:00:00.000Z", "2027-05-01T00:00:00.000Z"]);
});

test("a copy is of an earlier key if key and stack are ours, and its tags are of its own material", () => {
    const tags = {
        "keymgmt-key": "k",
        "keymgmt-stack": "project/dev",
        "keymgmt-thumbprint": "t",
    };
    const copy = (own: Record<string, string>) =>
        ({ tags: own, thumbprint: "t" }) as unknown as Copy;
    expect(isOfEarlierKey(copy(tags), owner)).toBe(true);
    expect(isOfEarlierKey(copy({ ...tags, "keymgmt-key": "l" }), owner)).toBe(false);
    expect(isOfEarlierKey(copy({ ...tags, "keymgmt-stack": "project/prod" }), owner)).toBe(false);
    expect(isOfEarlierKey(copy({ ...tags, "keymgmt-thumbprint": "u" }), owner)).toBe(false);
    expect(isOfEarlierKey(copy({}), owner)).toBe(false);
    // As the copies that we make are tagged.
    const [made] = wantedCopies(owner, [version(1)], ["a"], { purposes: [], tags: {} });
    expect(isOfEarlierKey(made as unknown as Copy, owner)).toBe(true);
});

describe("tags of users", () => {
    const many = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_each, index) => [`t${index}`, ""]));

    test("leave room for ours", () => {
        expect(tagsProblem(many(11))).toBeUndefined();
        expect(tagsProblem(many(12))).toBe("12 tags; allowed: 11 at most");
        const rules = { purposes: [], tags: many(11) };
        const [copy] = wantedCopies(owner, [version(1)], ["a"], rules);
        expect(Object.keys(copy!.tags)).toHaveLength(15);
    });

    test.each(["keymgmt-key", "KEYMGMT-Version", "keymgmt-stack", "keymgmt-thumbprint"])(
        "can't be %s",
        (name) =>
            expect(tagsProblem({ a: "1", [name]: "" })).toBe(
                `${name} is a tag that keymgmt sets itself`,
            ),
    );

    test("have the lengths that Azure takes", () => {
        expect(tagsProblem({ ["n".repeat(256)]: "v".repeat(256), empty: "" })).toBeUndefined();
        for (const [name, value] of [
            ["", "v"],
            ["n".repeat(257), "v"],
            ["n", "v".repeat(257)],
        ] as const) {
            expect(tagsProblem({ [name]: value })).toMatch(/256 characters at most/);
        }
    });
});

test("a copy can be used for what it is for if it begins before it expires", () => {
    const dates = (notBefore?: string, expiresAt?: string) =>
        datesProblem({ enabled: true, purposes: [], tags: {}, notBefore, expiresAt });
    const [january, february] = ["2027-01-01T00:00:00.000Z", "2027-02-01T00:00:00.000Z"];
    expect(dates(january, february)).toBeUndefined();
    expect(dates(february)).toBeUndefined();
    expect(dates(undefined, january)).toBeUndefined();
    expect(dates(february, january)).toMatch(/2027-02-01.* is not before its expiry, 2027-01-01/);
});
