import fc from "fast-check";
import type { Purpose } from "../../keys/keyType";
import { generateKeyVersion, type KeyVersion } from "../../keys/keyVersion";
import { reconcile, type Copy } from "../../keys/reconcile";
import { parseSealKey } from "../../keys/seal";
import { converge, type Distribution } from "../../kms/converge";
import { OutcomeUnknownError, SoftDeletedError, type Kms, type Transfer } from "../../kms/kms";

const sealKey = parseSealKey(Buffer.alloc(32, 1).toString("base64url"), "the test");

function copy(id: string, thumbprint: string, second: number, enabled = true): Copy {
    const createdAt = new Date(second * 1000).toISOString();
    return { id, thumbprint, enabled, createdAt, protection: "hsm" };
}
const wanted = (...thumbprints: string[]) =>
    thumbprints.map((thumbprint, index) => ({ version: index + 1, thumbprint }));

describe("the plan", () => {
    test("for a KMS that has nothing: every version, oldest first", () => {
        expect(reconcile(wanted("a", "b", "c"), [])).toEqual({
            present: new Map(),
            imports: [1, 2, 3],
            enable: [],
            foreign: [],
        });
    });

    test("for a KMS that agrees: nothing, in whatever order it lists, also within one second", () => {
        const copies = [copy("z", "a", 1), copy("y", "b", 1), copy("x", "c", 1)];
        for (const listed of [copies, copies.toReversed()]) {
            expect(reconcile(wanted("a", "b", "c"), listed)).toMatchObject({
                imports: [],
                enable: [],
                foreign: [],
            });
        }
    });

    test("brings only what is missing", () => {
        const plan = reconcile(wanted("a", "b", "c"), [copy("x", "a", 1)]);
        expect(plan.imports).toEqual([2, 3]);
        expect(plan.present).toEqual(new Map([[1, copy("x", "a", 1)]]));
    });

    test("brings the latest once more when an older one has to come after it", () => {
        expect(reconcile(wanted("a", "b"), [copy("x", "b", 1)]).imports).toEqual([1, 2]);
    });

    test("brings the latest once more when a foreign version is, or may be, on top", () => {
        const foreign = (second: number) => copy("f", "foreign", second);
        const imports = (second: number) =>
            reconcile(wanted("a"), [copy("x", "a", 5), foreign(second)]).imports;
        expect(imports(6)).toEqual([1]);
        expect(imports(5)).toEqual([1]); // who of the two came last can't be seen
        expect(imports(4)).toEqual([]);
        expect(reconcile(wanted("a"), [copy("x", "a", 5), foreign(6)]).foreign).toEqual([
            foreign(6),
        ]);
    });

    test("enables what is disabled, of a version with two copies the newest", () => {
        const copies = [
            copy("1", "a", 1, false),
            copy("2", "b", 2, false),
            copy("3", "f", 3, false),
            copy("4", "b", 4, false),
        ];
        const { present, enable } = reconcile(wanted("a", "b"), copies);
        expect(enable.map((version) => present.get(version)!.id)).toEqual(["1", "4"]);
    });
});

/** A KMS that keeps copies in the order of their arrival, but tells their times in whole seconds and lists them shuffled. */
class ModelKms implements Kms {
    readonly description = "the model";
    readonly arrived: (Copy & { purposes: readonly Purpose[] })[] = [];
    deleted = false;
    /** Of our thumbprints; a version that is there comes again only to be on top. */
    ours: readonly string[] = [];
    /** Calls until the process dies, before or after the effect of the last one. */
    callsLeft = Infinity;
    diesAfterEffect = false;
    /** Imports whose answer is lost though they worked. */
    lostAnswers = 0;
    private milliseconds = 0;
    private next = 0;

    constructor(private readonly durations: readonly number[]) {}

    wait(milliseconds: number): void {
        this.milliseconds += milliseconds;
    }

    add(thumbprint: string, purposes: readonly Purpose[]): Copy {
        const serial = this.next++;
        this.wait(this.durations[serial % this.durations.length]!);
        // 7 and 101 have no common divisor: ids that are each another one, in no order.
        const id = String((serial * 7) % 101).padStart(3, "0");
        const copy = {
            id,
            thumbprint,
            purposes,
            enabled: true,
            protection: "hsm" as const,
            createdAt: new Date(Math.floor(this.milliseconds / 1000) * 1000).toISOString(),
        };
        this.arrived.push(copy);
        return copy;
    }

    keyId(name: string, copyId = ""): string {
        return `model:${name}/${copyId}`;
    }

    copies(): Promise<Copy[]> {
        return this.call(() =>
            this.deleted
                ? []
                : [...this.arrived]
                      .sort((a, b) => (a.id < b.id ? -1 : 1))
                      .map(({ purposes: _purposes, ...copy }) => ({ ...copy })),
        );
    }

    importVersion(_name: string, transfer: Transfer, material: Uint8Array): Promise<Copy> {
        expect(material.length).toBeGreaterThan(0);
        return this.call(() => {
            if (this.deleted) {
                throw new SoftDeletedError();
            }
            this.assertNeeded(transfer.thumbprint);
            const copy = this.add(transfer.thumbprint, transfer.purposes);
            if (this.lostAnswers > 0) {
                this.lostAnswers--;
                throw new OutcomeUnknownError();
            }
            return { ...copy };
        });
    }

    enable(_name: string, copyId: string): Promise<void> {
        return this.call(() => void (this.ofId(copyId).enabled = true));
    }

    setPurposes(_name: string, copyId: string, purposes: readonly Purpose[]): Promise<void> {
        return this.call(() => void (this.ofId(copyId).purposes = purposes));
    }

    remove(): Promise<void> {
        return this.call(() => void (this.deleted = true));
    }

    softDeleted(): Promise<Copy | undefined> {
        return this.call(() => (this.deleted ? this.arrived.at(-1) : undefined));
    }

    recover(): Promise<void> {
        return this.call(() => void (this.deleted = false));
    }

    private ofId(id: string) {
        const copy = this.arrived.find((candidate) => candidate.id === id)!;
        expect(this.ours).toContain(copy.thumbprint); // foreign ones are never touched
        return copy;
    }

    private assertNeeded(thumbprint: string): void {
        const copies = this.arrived.filter((copy) => copy.thumbprint === thumbprint);
        if (copies.length === 0) {
            return;
        }
        expect(thumbprint).toBe(this.ours.at(-1));
        const last = copies.at(-1)!.createdAt;
        expect(
            this.arrived.some(
                (other) =>
                    other.createdAt > last ||
                    (other.createdAt === last && !this.ours.includes(other.thumbprint)),
            ),
        ).toBe(true);
    }

    private async call<T>(effect: () => T): Promise<T> {
        await Promise.resolve();
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
            generateKeyVersion({ key: "k", type: "ecdsa-p256", version }, sealKey, new Date()),
        ),
    );
});

function distribution(latest: number, purposes: readonly Purpose[] = ["sign"]): Distribution {
    return {
        key: "k",
        type: "ecdsa-p256",
        name: "k",
        versions: versions.slice(0, latest),
        purposes,
        protection: "hsm",
    };
}

type Event =
    | { kind: "run"; calls: number; diesAfterEffect: boolean; stateLost: boolean }
    | { kind: "rotate" }
    | { kind: "foreign" }
    | { kind: "delete" }
    | { kind: "disable"; copy: number }
    | { kind: "loseAnswer" }
    | { kind: "wait"; milliseconds: number };

const events: fc.Arbitrary<Event[]> = fc.array(
    fc.oneof(
        {
            weight: 4,
            arbitrary: fc.record({
                kind: fc.constant("run" as const),
                calls: fc.integer({ min: 1, max: 12 }),
                diesAfterEffect: fc.boolean(),
                stateLost: fc.boolean(),
            }),
        },
        { weight: 2, arbitrary: fc.constant({ kind: "rotate" as const }) },
        { weight: 2, arbitrary: fc.constant({ kind: "foreign" as const }) },
        { weight: 1, arbitrary: fc.constant({ kind: "delete" as const }) },
        {
            weight: 1,
            arbitrary: fc.record({ kind: fc.constant("disable" as const), copy: fc.nat(9) }),
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
    { maxLength: 14 },
);

test("whatever happened before, runs end with the KMS in agreement, and none does more than it must", async () => {
    await fc.assert(
        fc.asyncProperty(
            events,
            fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 5 }),
            async (history, durations) => {
                const kms = new ModelKms(durations);
                let latest = 1;
                let known = new Map<number, Copy>();
                const isOurs = (copy: Copy) => kms.ours.includes(copy.thumbprint);
                const run = async () => {
                    kms.ours = versions.slice(0, latest).map(({ thumbprint }) => thumbprint);
                    const progress = (copies: ReadonlyMap<number, Copy>) =>
                        (known = new Map(copies));
                    return converge(
                        kms,
                        distribution(latest),
                        { copies: known },
                        sealKey,
                        progress,
                    );
                };
                for (const event of history) {
                    if (event.kind === "run") {
                        kms.callsLeft = event.calls;
                        kms.diesAfterEffect = event.diesAfterEffect;
                        await run().catch((error: Error) => {
                            expect(error.message).toBe("the process died");
                        });
                        if (event.stateLost) {
                            known = new Map();
                        }
                    } else if (event.kind === "rotate") {
                        latest = Math.min(latest + 1, versions.length);
                    } else if (event.kind === "foreign") {
                        // Without one of ours it would be a foreign key, which is another story.
                        if (!kms.deleted && kms.arrived.some(isOurs)) {
                            kms.add(`foreign ${kms.arrived.length}`, ["encrypt"]);
                        }
                    } else if (event.kind === "delete") {
                        // The deleted key is told by its current version, so that has to be ours.
                        const top = kms.arrived.at(-1);
                        kms.deleted = top !== undefined && isOurs(top);
                    } else if (event.kind === "disable") {
                        const copy = kms.arrived[event.copy];
                        if (copy) {
                            copy.enabled = false;
                        }
                    } else if (event.kind === "loseAnswer") {
                        kms.lostAnswers = 1;
                    } else {
                        kms.wait(event.milliseconds);
                    }
                }
                const foreign = () => structuredClone(kms.arrived.filter((one) => !isOurs(one)));
                const foreignBefore = foreign();

                kms.callsLeft = Infinity;
                let result = await run();
                let runs = 1;
                while (
                    reconcile(distribution(latest).versions, await kms.copies()).imports.length
                ) {
                    // Only a foreign version of the same second makes another run necessary.
                    kms.wait(1000);
                    result = await run();
                    runs++;
                }
                expect(runs).toBeLessThanOrEqual(2);

                const plan = reconcile(distribution(latest).versions, await kms.copies());
                expect(plan.imports).toEqual([]);
                expect(plan.enable).toEqual([]);
                expect([...plan.present.keys()]).toEqual(kms.ours.map((_, index) => index + 1));
                expect(kms.arrived.at(-1)!.thumbprint).toBe(kms.ours.at(-1));
                expect(foreign()).toEqual(foreignBefore);
                // What is reported is what's there.
                for (const [version, copy] of result) {
                    expect(kms.arrived).toContainEqual({ ...copy, purposes: ["sign"] });
                    expect(copy.thumbprint).toBe(versions[version - 1]!.thumbprint);
                }
                expect(result.size).toBe(latest);
            },
        ),
        { numRuns: 300 },
    );
}, 60_000);

test("a key that has none of our versions isn't touched", async () => {
    const kms = new ModelKms([100]);
    kms.add("foreign", ["encrypt"]);
    const before = structuredClone(kms.arrived);
    const refused = converge(kms, distribution(1), { copies: new Map() }, sealKey, () => {});
    await expect(refused).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(kms.arrived).toEqual(before);
});

test("a soft-deleted key that isn't ours isn't recovered", async () => {
    const kms = new ModelKms([100]);
    kms.add("foreign", ["encrypt"]);
    kms.deleted = true;
    const refused = converge(kms, distribution(1), { copies: new Map() }, sealKey, () => {});
    await expect(refused).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(kms.deleted).toBe(true);
});

test("answers that are lost again and again end in an error that says what to do", async () => {
    const kms = new ModelKms([100]);
    kms.importVersion = () => Promise.reject(new OutcomeUnknownError("The answer was lost."));
    const failed = converge(kms, distribution(1), { copies: new Map() }, sealKey, () => {});
    await expect(failed).rejects.toMatchObject({
        code: "KMS",
        message: expect.stringMatching(/^Key k .*the model.*run this again/) as string,
    });
});

test("purposes are set where they changed or aren't known, and on nothing else", async () => {
    const kms = new ModelKms([1000]);
    kms.ours = versions.slice(0, 2).map(({ thumbprint }) => thumbprint);
    const copies = await converge(kms, distribution(2), { copies: new Map() }, sealKey, () => {});
    const set: string[] = [];
    const setPurposes = kms.setPurposes.bind(kms);
    kms.setPurposes = (name, id, purposes) => {
        set.push(id);
        return setPurposes(name, id, purposes);
    };
    const again = (purposes: Purpose[], known: Purpose[]) =>
        converge(kms, distribution(2, purposes), { copies, purposes: known }, sealKey, () => {});
    await again(["sign"], ["sign"]);
    await again(["verify", "sign"], ["sign", "verify"]); // the order is no difference
    expect(set).toEqual([]);
    await again(["verify"], ["sign"]);
    expect(set.sort()).toEqual(kms.arrived.map(({ id }) => id).sort());
    expect(kms.arrived.map(({ purposes }) => purposes)).toEqual([["verify"], ["verify"]]);
});
