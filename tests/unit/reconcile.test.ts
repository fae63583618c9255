import fc from "fast-check";
import type { Attributes, Copy, WantedCopy } from "../../keys/copy";
import type { Protection } from "../../keys/keyType";
import { generateKeyVersion, type KeyVersion } from "../../keys/keyVersion";
import type { Proof } from "../../keys/proof";
import { isInStep, reconcile } from "../../keys/reconcile";
import { parseSealKey } from "../../keys/seal";
import { converge, type Distribution, type Inventory } from "../../kms/converge";
import {
    OutcomeUnknownError,
    SoftDeletedError,
    type Kms,
    type Material,
    type Transfer,
} from "../../kms/kms";

const sealKey = parseSealKey(Buffer.alloc(32, 1).toString("base64url"), "the test");

const plain: Attributes = { enabled: true, purposes: ["sign"], tags: {} };

function copy(id: string, thumbprint: string, second: number, changes: Partial<Copy> = {}): Copy {
    const createdAt = new Date(second * 1000).toISOString();
    return {
        ...plain,
        id,
        thumbprint,
        createdAt,
        updatedAt: createdAt,
        protection: "hsm",
        ...changes,
    };
}
const wanted = (...thumbprints: string[]): WantedCopy[] =>
    thumbprints.map((thumbprint, index) => ({ ...plain, version: index + 1, thumbprint }));
const plan = (versions: readonly WantedCopy[], copies: readonly Copy[]) =>
    reconcile(versions, "hsm", copies);

describe("the plan", () => {
    test("for a KMS that has nothing: every version, oldest first", () => {
        expect(plan(wanted("a", "b", "c"), [])).toEqual({
            present: new Map(),
            imports: [1, 2, 3],
            changes: [],
            older: [],
            foreign: [],
        });
    });

    test("for a KMS that agrees: nothing, in whatever order it lists, also within one second", () => {
        const copies = [copy("z", "a", 1), copy("y", "b", 1), copy("x", "c", 1)];
        for (const listed of [copies, copies.toReversed()]) {
            const nothing = plan(wanted("a", "b", "c"), listed);
            expect(nothing).toMatchObject({ imports: [], changes: [], older: [], foreign: [] });
            expect(isInStep(nothing)).toBe(true);
        }
    });

    test("brings only what is missing", () => {
        const rest = plan(wanted("a", "b", "c"), [copy("x", "a", 1)]);
        expect(rest.imports).toEqual([2, 3]);
        expect(rest.present).toEqual(new Map([[1, copy("x", "a", 1)]]));
        expect(isInStep(rest)).toBe(false);
    });

    test("brings the latest once more when an older one has to come after it", () => {
        expect(plan(wanted("a", "b"), [copy("x", "b", 1)]).imports).toEqual([1, 2]);
    });

    test("brings the latest once more when a foreign version is, or may be, on top", () => {
        const foreign = (second: number) => copy("f", "foreign", second);
        const imports = (second: number) =>
            plan(wanted("a"), [copy("x", "a", 5), foreign(second)]).imports;
        expect(imports(6)).toEqual([1]);
        expect(imports(5)).toEqual([1]); // who of the two came last can't be seen
        expect(imports(4)).toEqual([]);
        expect(plan(wanted("a"), [copy("x", "a", 5), foreign(6)]).foreign).toEqual([foreign(6)]);
    });

    test("of a version with two copies the newest counts; the other one is to be the same, and is reported", () => {
        const copies = [copy("1", "a", 1), copy("2", "b", 2), copy("4", "b", 4)];
        const { present, older, changes } = plan(
            wanted("a", "b"),
            copies.map((each) => ({ ...each, enabled: false })),
        );
        expect(present.get(2)!.id).toBe("4");
        expect(older.map(({ id }) => id)).toEqual(["2"]);
        expect(changes.map((change) => [change.copy.id, change.to])).toEqual(
            ["1", "2", "4"].map((id) => [id, { enabled: true }]),
        );
    });

    test.each<[string, Partial<Attributes>, Partial<Attributes>, Partial<Attributes>]>([
        ["enabled", { enabled: false }, { enabled: true }, { enabled: true }],
        ["disabled", { enabled: true }, { enabled: false }, { enabled: false }],
        [
            "used for something else",
            { purposes: ["sign"] },
            { purposes: ["verify"] },
            { purposes: ["verify"] },
        ],
        [
            "used for less than the KMS added",
            { purposes: ["sign", "import"] },
            { purposes: ["sign"] },
            { purposes: ["sign"] },
        ],
        ["tagged", { tags: {} }, { tags: { a: "1" } }, { tags: { a: "1" } }],
        [
            "tagged by another value",
            { tags: { a: "1" } },
            { tags: { a: "2" } },
            { tags: { a: "2" } },
        ],
        [
            "tagged by another name",
            { tags: { a: "1" } },
            { tags: { b: "1" } },
            { tags: { b: "1" } },
        ],
        ["rid of a tag", { tags: { a: "1" } }, { tags: {} }, { tags: {} }],
        ["given a date", {}, { notBefore: day(1) }, { notBefore: day(1) }],
        ["given another date", { expiresAt: day(1) }, { expiresAt: day(2) }, { expiresAt: day(2) }],
        ["rid of a date", { expiresAt: day(1) }, {}, { expiresAt: undefined }],
    ])("a copy that is to be %s is changed in that alone", (_what, from, to, change) => {
        const versions = wanted("a").map((version) => ({ ...version, ...to }));
        const { imports, changes } = plan(versions, [copy("x", "a", 1, from)]);
        expect(imports).toEqual([]);
        expect(changes).toEqual([{ copy: copy("x", "a", 1, from), to: change }]);
        expect(changes[0]!.to).toStrictEqual(change); // an undefined date is one to take away
    });

    test("the order of purposes and tags is no difference", () => {
        const versions = wanted("a").map((version) => ({
            ...version,
            purposes: ["sign", "verify"],
            tags: { a: "1", b: "2" },
        }));
        const other = { purposes: ["verify", "sign"], tags: { b: "2", a: "1" } };
        expect(isInStep(plan(versions, [copy("x", "a", 1, other)]))).toBe(true);
    });

    test("a copy in another protection doesn't count: the version comes anew, and of the old copy nothing is changed but that it's disabled", () => {
        const software = copy("x", "a", 1, { protection: "software", purposes: ["verify"] });
        expect(plan(wanted("a"), [software])).toEqual({
            present: new Map(),
            imports: [1],
            changes: [{ copy: software, to: { enabled: false } }],
            older: [software],
            foreign: [],
        });
        const disabled = { ...software, enabled: false };
        expect(isInStep(plan(wanted("a"), [disabled, copy("y", "a", 2)]))).toBe(true);
        // Back again: the old copy counts, but the other one is on top.
        const back = reconcile(wanted("a"), "software", [disabled, copy("y", "a", 2)]);
        expect(back.present.get(1)).toEqual(disabled);
        expect(back.imports).toEqual([1]);
    });
});

function day(number: number): string {
    return new Date(Date.UTC(2027, 0, number)).toISOString();
}

/** A KMS that keeps copies in the order of their arrival, but tells their times in whole seconds and lists them shuffled. */
class ModelKms implements Kms {
    readonly description = "the model";
    readonly arrived: Copy[] = [];
    deleted = false;
    /** Of our thumbprints; a version that is there comes again only to be on top. */
    ours: readonly string[] = [];
    /** In which copies are wanted. */
    protection: Protection = "hsm";
    /** Calls until the process dies, before or after the effect of the last one. */
    callsLeft = Infinity;
    diesAfterEffect = false;
    calls: string[] = [];
    /** Imports whose answer is lost though they worked. */
    lostAnswers = 0;
    private milliseconds = 0;
    private next = 0;

    constructor(private readonly durations: readonly number[]) {}

    wait(milliseconds: number): void {
        this.milliseconds += milliseconds;
    }

    add(thumbprint: string, attributes: Attributes = plain, protection: Protection = "hsm"): Copy {
        const serial = this.next++;
        this.wait(this.durations[serial % this.durations.length]!);
        // 7 and 101 have no common divisor: ids that are each another one, in no order.
        const id = String((serial * 7) % 101).padStart(3, "0");
        const createdAt = this.now();
        const copy = {
            ...attributes,
            id,
            thumbprint,
            protection,
            createdAt,
            updatedAt: createdAt,
        };
        this.arrived.push(copy);
        return copy;
    }

    change(copy: Copy, to: Partial<Attributes>): Copy {
        Object.assign(copy, to, { updatedAt: this.now() });
        return copy;
    }

    keyId(name: string, copyId = ""): string {
        return `model:${name}/${copyId}`;
    }

    copies(): Promise<Copy[]> {
        return this.call("list", () => this.listed());
    }

    listed(): Copy[] {
        return this.deleted
            ? []
            : [...this.arrived].sort((a, b) => (a.id < b.id ? -1 : 1)).map((copy) => ({ ...copy }));
    }

    importVersion(_name: string, transfer: Transfer, material: Material): Promise<Copy> {
        const { version, protection, attributes } = transfer;
        expect("plain" in material && material.plain.length).toBeGreaterThan(0);
        return this.call(`import ${version}`, () => {
            if (this.deleted) {
                throw new SoftDeletedError();
            }
            const thumbprint = this.ours[version - 1]!;
            this.assertNeeded(thumbprint, protection);
            const copy = this.add(thumbprint, attributes, protection);
            if (this.lostAnswers > 0) {
                this.lostAnswers--;
                throw new OutcomeUnknownError();
            }
            return { ...copy };
        });
    }

    setAttributes(_name: string, copyId: string, to: Partial<Attributes>): Promise<Copy> {
        return this.call(`change ${copyId}`, () => {
            const copy = this.arrived.find(({ id }) => id === copyId)!;
            if (copy.thumbprint !== this.earlier) {
                expect(this.isOurs(copy)).toBe(true); // foreign ones are never touched
                // The latest one is there, before anything older is retired.
                expect(
                    this.arrived.some(
                        ({ thumbprint, protection }) =>
                            thumbprint === this.ours.at(-1) && protection === this.protection,
                    ),
                ).toBe(true);
            }
            for (const [name, value] of Object.entries(to)) {
                expect(copy[name as keyof Attributes]).not.toEqual(value);
            }
            return { ...this.change(copy, to) };
        });
    }

    remove(): Promise<void> {
        return this.call("remove", () => void (this.deleted = true));
    }

    softDeleted(): Promise<Copy | undefined> {
        return this.call("soft-deleted", () => (this.deleted ? this.arrived.at(-1) : undefined));
    }

    recover(): Promise<void> {
        return this.call("recover", () => void (this.deleted = false));
    }

    setNotice(): Promise<void> {
        throw new Error("not for converge");
    }

    prove(): Promise<Proof> {
        throw new Error("not for converge");
    }

    purge(): Promise<void> {
        throw new Error("not for converge");
    }

    /** What may be disabled although it isn't ours. */
    earlier: string | undefined;

    isOurs({ thumbprint }: Copy): boolean {
        return this.ours.includes(thumbprint);
    }

    private now(): string {
        return new Date(Math.floor(this.milliseconds / 1000) * 1000).toISOString();
    }

    private assertNeeded(thumbprint: string, protection: Protection): void {
        const counts = (copy: Copy) => this.isOurs(copy) && copy.protection === protection;
        const same = this.arrived.filter((copy) => copy.thumbprint === thumbprint && counts(copy));
        if (same.length === 0) {
            return;
        }
        expect(thumbprint).toBe(this.ours.at(-1));
        const last = same.at(-1)!.createdAt;
        expect(
            this.arrived.some(
                (other) =>
                    other.createdAt > last || (other.createdAt === last && !this.isOurs(other)),
            ),
        ).toBe(true);
    }

    private async call<T>(what: string, effect: () => T): Promise<T> {
        await Promise.resolve();
        this.calls.push(what);
        if (--this.callsLeft > 0) {
            return effect();
        }
        if (this.diesAfterEffect) {
            effect();
        }
        throw new Error("the process died");
    }
}

let versions: KeyVersion[];
beforeAll(async () => {
    versions = await Promise.all(
        [1, 2, 3, 4].map((version) =>
            generateKeyVersion({ key: "k", type: "ecdsa-p256", version }, sealKey, day(version)),
        ),
    );
});

/** The latest version is never disabled: see lifecycle.test.ts. */
function distribution(
    latest: number,
    attributes: readonly Attributes[] = versions.map(() => plain),
    protection: Protection = "hsm",
): Distribution {
    const made = versions.slice(0, latest);
    return {
        key: "k",
        stack: "project/stack",
        type: "ecdsa-p256",
        name: "k",
        versions: made,
        wanted: made.map(({ version, thumbprint }) => ({
            ...attributes[version - 1]!,
            ...(version === latest && { enabled: true }),
            version,
            thumbprint,
        })),
        protection,
    };
}

const date = fc.integer({ min: 1, max: 3 }).map(day);
const purposes = fc.shuffledSubarray(["sign", "verify"], { minLength: 1 });
const tags = fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("1", "2"), {
    maxKeys: 2,
    noNullPrototype: true,
});
const attributes: fc.Arbitrary<Attributes> = fc.record(
    { enabled: fc.boolean(), purposes, tags, notBefore: date, expiresAt: date },
    { requiredKeys: ["enabled", "purposes", "tags"] },
);
const drift: fc.Arbitrary<Partial<Attributes>> = fc.record(
    {
        enabled: fc.boolean(),
        purposes,
        tags,
        notBefore: fc.option(date, { nil: undefined }),
        expiresAt: fc.option(date, { nil: undefined }),
    },
    { requiredKeys: [] },
);

type Event =
    | { kind: "run"; calls: number; diesAfterEffect: boolean; stateLost: boolean }
    | { kind: "rotate" }
    | { kind: "foreign" }
    | { kind: "delete" }
    | { kind: "want"; attributes: Attributes[] }
    | { kind: "protect"; protection: Protection }
    | { kind: "drift"; copy: number; to: Partial<Attributes> }
    | { kind: "loseAnswer" }
    | { kind: "wait"; milliseconds: number };

const events: fc.Arbitrary<Event[]> = fc.array(
    fc.oneof(
        {
            weight: 4,
            arbitrary: fc.record({
                kind: fc.constant("run" as const),
                calls: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(Infinity)),
                diesAfterEffect: fc.boolean(),
                stateLost: fc.boolean(),
            }),
        },
        { weight: 2, arbitrary: fc.constant({ kind: "rotate" as const }) },
        { weight: 2, arbitrary: fc.constant({ kind: "foreign" as const }) },
        { weight: 1, arbitrary: fc.constant({ kind: "delete" as const }) },
        {
            weight: 2,
            arbitrary: fc.record({
                kind: fc.constant("want" as const),
                attributes: fc.array(attributes, { minLength: 4, maxLength: 4 }),
            }),
        },
        {
            weight: 1,
            arbitrary: fc.record({
                kind: fc.constant("protect" as const),
                protection: fc.constantFrom<Protection>("hsm", "software"),
            }),
        },
        {
            weight: 2,
            arbitrary: fc.record({
                kind: fc.constant("drift" as const),
                copy: fc.nat(9),
                to: drift,
            }),
        },
        { weight: 1, arbitrary: fc.constant({ kind: "loseAnswer" as const }) },
        {
            weight: 2,
            arbitrary: fc.record({
                kind: fc.constant("wait" as const),
                milliseconds: fc.integer({ min: 1, max: 2500 }),
            }),
        },
    ),
    { maxLength: 16 },
);

test("whatever happened before, runs end with the KMS in agreement, and none does more than it must", async () => {
    await fc.assert(
        fc.asyncProperty(
            events,
            fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 5 }),
            async (history, durations) => {
                const kms = new ModelKms(durations);
                let latest = 1;
                let wantedAttributes: Attributes[] | undefined;
                let known: Copy[] = [];
                const target = () => distribution(latest, wantedAttributes, kms.protection);
                const run = async () => {
                    kms.ours = versions.slice(0, latest).map(({ thumbprint }) => thumbprint);
                    return converge(kms, target(), known, sealKey, (inventory) => {
                        known = allOf(inventory);
                    });
                };
                for (const event of history) {
                    if (event.kind === "run") {
                        kms.callsLeft = event.calls;
                        kms.diesAfterEffect = event.diesAfterEffect;
                        await run().catch((error: Error) => {
                            expect(error.message).toBe("the process died");
                        });
                        if (event.stateLost) {
                            known = [];
                        }
                    } else if (event.kind === "rotate") {
                        latest = Math.min(latest + 1, versions.length);
                    } else if (event.kind === "foreign") {
                        // Without one of ours it would be a foreign key, which is another story.
                        if (!kms.deleted && kms.arrived.some((copy) => kms.isOurs(copy))) {
                            kms.add(`foreign ${kms.arrived.length}`);
                        }
                    } else if (event.kind === "delete") {
                        // The deleted key is told by its current version, so that has to be ours.
                        const top = kms.arrived.at(-1);
                        kms.deleted = top !== undefined && kms.isOurs(top);
                    } else if (event.kind === "want") {
                        wantedAttributes = event.attributes;
                    } else if (event.kind === "protect") {
                        kms.protection = event.protection;
                        kms.wait(1000); // no two runs of Pulumi fit into one second
                    } else if (event.kind === "drift") {
                        const copy = kms.arrived[event.copy];
                        if (copy) {
                            kms.change(copy, event.to);
                        }
                    } else if (event.kind === "loseAnswer") {
                        kms.lostAnswers = 1;
                    } else {
                        kms.wait(event.milliseconds);
                    }
                }
                const foreign = () =>
                    structuredClone(kms.arrived.filter((copy) => !kms.isOurs(copy)));
                const foreignBefore = foreign();
                const planNow = () => reconcile(target().wanted, kms.protection, kms.listed());

                kms.callsLeft = Infinity;
                let result = await run();
                let runs = 1;
                while (planNow().imports.length > 0) {
                    // Only a foreign version of the same second makes another run necessary.
                    kms.wait(1000);
                    result = await run();
                    runs++;
                }
                expect(runs).toBeLessThanOrEqual(2);
                expect(isInStep(planNow())).toBe(true);
                expect(foreign()).toEqual(foreignBefore);

                // Without trust in the plan: what is on top, and what each copy of ours is like.
                expect(kms.arrived.at(-1)).toMatchObject({
                    thumbprint: kms.ours.at(-1),
                    protection: kms.protection,
                    enabled: true,
                });
                for (const copy of kms.arrived.filter((each) => kms.isOurs(each))) {
                    const want = target().wanted[kms.ours.indexOf(copy.thumbprint)]!;
                    if (copy.protection === kms.protection) {
                        expect(normalised(copy)).toEqual(normalised(want));
                    } else {
                        expect(copy.enabled).toBe(false);
                    }
                }

                // What is reported is what's there.
                expect([...result.present.keys()]).toEqual(kms.ours.map((_, index) => index + 1));
                for (const [version, copy] of result.present) {
                    expect(copy.thumbprint).toBe(kms.ours[version - 1]);
                    expect(copy.protection).toBe(kms.protection);
                }
                expect(byId(allOf(result))).toEqual(byId(kms.arrived));
                expect(byId(result.foreign)).toEqual(byId(foreignBefore));

                // Once more: it only looks.
                kms.calls = [];
                await run();
                expect(kms.calls).toEqual(["list"]);
            },
        ),
        { numRuns: 300 },
    );
}, 60_000);

function allOf({ present, older, foreign }: Inventory): Copy[] {
    return [...present.values(), ...older, ...foreign];
}

function byId(copies: readonly Copy[]): Copy[] {
    return [...copies].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function normalised({ enabled, purposes, tags, notBefore, expiresAt }: Attributes): Attributes {
    return { enabled, purposes: [...purposes].sort(), tags, notBefore, expiresAt };
}

test("a key that has none of our versions isn't touched", async () => {
    const kms = new ModelKms([100]);
    kms.add("foreign");
    const before = structuredClone(kms.arrived);
    const refused = converge(kms, distribution(1), [], sealKey, () => {});
    await expect(refused).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(kms.arrived).toEqual(before);
});

const tagsOf = (thumbprint: string) => ({
    "keymgmt-key": "k",
    "keymgmt-stack": "project/stack",
    "keymgmt-thumbprint": thumbprint,
});
const [earlierTags, tagsOfForeign] = [tagsOf("earlier"), tagsOf("foreign")];

test.each<Attributes["tags"]>([
    {},
    { ...tagsOfForeign, "keymgmt-stack": "project/other" },
    { ...tagsOfForeign, "keymgmt-key": "other" },
    // Made from ours by the KMS itself, with our tags.
    { ...tagsOfForeign, "keymgmt-thumbprint": "another" },
])("a soft-deleted key that isn't ours isn't recovered: tags %j", async (tags) => {
    const kms = new ModelKms([100]);
    kms.add("foreign", { ...plain, tags });
    kms.deleted = true;
    const refused = converge(kms, distribution(1), [], sealKey, () => {});
    await expect(refused).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(kms.deleted).toBe(true);
});

test("what this stack left of an earlier key of the name comes back disabled, below our versions; others in it aren't touched", async () => {
    const kms = new ModelKms([1000]);
    kms.add("foreign");
    const tags = earlierTags;
    kms.add("earlier", { ...plain, tags });
    kms.deleted = true;
    kms.ours = versions.slice(0, 2).map(({ thumbprint }) => thumbprint);
    kms.earlier = "earlier";
    const { present, foreign } = await converge(kms, distribution(2), [], sealKey, () => {});
    expect(kms.arrived.map(({ thumbprint, enabled }) => [thumbprint, enabled])).toEqual([
        ["foreign", true],
        ["earlier", false],
        [kms.ours[0], true],
        [kms.ours[1], true],
    ]);
    expect([...present.keys()]).toEqual([1, 2]);
    expect(byId(foreign)).toEqual(byId(kms.arrived.slice(0, 2)));
    expect(kms.calls.at(-1)).toMatch(/^import/); // that key was deleted: it goes first
});

test.each([1, 2, 3, 4, 5, 6, 7])(
    "killed at call %i while it takes a name over from an earlier key, it goes on where it was or says who has the name",
    async (calls) => {
        const kms = new ModelKms([1000]);
        const tags = earlierTags;
        kms.add("earlier", { ...plain, tags });
        kms.deleted = true;
        kms.ours = versions.slice(0, 1).map(({ thumbprint }) => thumbprint);
        kms.earlier = "earlier";
        const run = () => converge(kms, distribution(1), [], sealKey, () => {});
        kms.callsLeft = calls;
        await run().catch(() => undefined);
        kms.callsLeft = Infinity;

        const takenOver =
            kms.deleted ||
            kms.arrived.every(({ enabled, thumbprint }) =>
                thumbprint === "earlier" ? !enabled : true,
            );
        if (takenOver) {
            await run();
            expect(kms.arrived.map(({ thumbprint, enabled }) => [thumbprint, enabled])).toEqual([
                ["earlier", false],
                [kms.ours[0], true],
            ]);
        } else {
            await expect(run()).rejects.toMatchObject({ code: "NAME_TAKEN" });
        }
    },
);

test("answers that are lost again and again end in an error that says what to do", async () => {
    const kms = new ModelKms([100]);
    kms.importVersion = () => Promise.reject(new OutcomeUnknownError("The answer was lost."));
    const failed = converge(kms, distribution(1), [], sealKey, () => {});
    await expect(failed).rejects.toMatchObject({
        code: "KMS",
        message: expect.stringMatching(/^Key k .*the model.*run this again/) as string,
    });
});

test.each<[string, Partial<Copy>, string]>([
    ["another public key", { thumbprint: "another" }, "PUBLIC_KEY_MISMATCH"],
    ["another protection", { protection: "software" }, "PROTECTION_MISMATCH"],
])("an import that is answered with %s is refused", async (_what, change, code) => {
    const kms = new ModelKms([100]);
    const ours = copy("x", versions[0]!.thumbprint, 1);
    kms.importVersion = () => Promise.resolve({ ...ours, ...change });
    const failed = converge(kms, distribution(1), [], sealKey, () => {});
    await expect(failed).rejects.toMatchObject({ code });
});

test("a version that was wrapped elsewhere goes out as it is, without a seal key's being asked", async () => {
    const kms = new ModelKms([100]);
    const [ours] = versions;
    const sent: Material[] = [];
    kms.importVersion = (_name, _transfer, material) => {
        sent.push(material);
        return Promise.resolve(kms.add(ours!.thumbprint));
    };
    const external = { ...ours!, sealed: "", origin: "external" as const, byok: "AQID" };
    const target = { ...distribution(1), versions: [external] };
    await converge(kms, target, [], sealKey, () => {});
    expect(sent).toEqual([{ wrapped: Buffer.from([1, 2, 3]) }]);
});
