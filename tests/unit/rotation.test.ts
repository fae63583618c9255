import fc from "fast-check";
import { rotate, type Rotation } from "../../keys/rotation";

test("a new key has version 1, whatever its trigger", () => {
    expect(rotate(undefined, undefined)).toEqual({ version: 1 });
    expect(rotate(undefined, "2")).toEqual({ version: 1, trigger: "2" });
    expect(rotate(undefined, "")).toEqual({ version: 1, trigger: "" });
});

test.each<[string, Rotation, string | undefined, Rotation]>([
    ["a first trigger rotates", { version: 1 }, "2", { version: 2, trigger: "2" }],
    ["another one rotates", { version: 2, trigger: "2" }, "x", { version: 3, trigger: "x" }],
    ["the same one doesn't", { version: 2, trigger: "2" }, "2", { version: 2, trigger: "2" }],
    ["none doesn't", { version: 2, trigger: "2" }, undefined, { version: 2, trigger: "2" }],
    ["an empty text is a text", { version: 1 }, "", { version: 2, trigger: "" }],
])("%s", (_rule, previous, trigger, expected) => {
    expect(rotate(previous, trigger)).toEqual(expected);
});

const triggers = fc.array(fc.option(fc.constantFrom("", "1", "2", "spring"), { nil: undefined }), {
    maxLength: 20,
});

test("versions go up by one with each other text, and never down; an unchanged stack stays as it is", () => {
    fc.assert(
        fc.property(triggers, (given) => {
            let rotation = rotate(undefined, undefined);
            for (const trigger of given) {
                const next = rotate(rotation, trigger);
                const changed = trigger !== undefined && trigger !== rotation.trigger;
                expect(next.version).toBe(rotation.version + (changed ? 1 : 0));
                // Run again, as an `up` after its preview: nothing more.
                expect(rotate(next, trigger)).toEqual(next);
                rotation = next;
            }
        }),
    );
});

test("taking a trigger away and putting it back rotates nothing", () => {
    fc.assert(
        fc.property(fc.nat(20), fc.string(), (version, trigger) => {
            const before = { version, trigger };
            const without = rotate(before, undefined);
            expect(rotate(without, trigger)).toEqual(before);
        }),
    );
});
