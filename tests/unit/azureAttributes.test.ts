import type { KeyProperties } from "@azure/keyvault-keys";
import fc from "fast-check";
import type { Attributes } from "../../keys/copy";
import { purposes } from "../../keys/keyType";
import { attributesOf, purposesOf, sdkProperties } from "../../kms/azureKeyVault/attributes";

/** As Azure answers to a request with these properties. */
function answered(to: Partial<Attributes>): Attributes {
    const { keyOps, ...properties } = sdkProperties(to);
    return {
        ...attributesOf({ name: "k", ...properties } as KeyProperties),
        purposes: purposesOf(keyOps),
    };
}

const seconds = (min: number, max: number) =>
    fc.integer({ min, max }).map((count) => new Date(count * 1000).toISOString());
const attributes: fc.Arbitrary<Attributes> = fc.record(
    {
        enabled: fc.boolean(),
        purposes: fc.shuffledSubarray([...purposes]),
        tags: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
        // All that Azure can hold, but for those that stand for none.
        notBefore: seconds(2, 2 ** 32 - 1),
        expiresAt: seconds(0, 2 ** 32 - 2),
    },
    { requiredKeys: ["enabled", "purposes", "tags"], noNullPrototype: true },
);

test("what is said to Azure comes back as it was", () => {
    fc.assert(
        fc.property(attributes, (given) => {
            expect(answered(given)).toStrictEqual(given);
        }),
    );
});

test("a date that is taken away becomes one that stands for none, which it comes back as", () => {
    const to = {
        enabled: true,
        purposes: [],
        tags: {},
        notBefore: undefined,
        expiresAt: undefined,
    };
    const { notBefore, expiresOn } = sdkProperties(to);
    expect(notBefore).toEqual(new Date("1970-01-01T00:00:01Z"));
    expect(expiresOn).toEqual(new Date("2106-02-07T06:28:15Z"));
    expect(answered(to)).toStrictEqual({ enabled: true, purposes: [], tags: {} });
});

test("only what is given is said", () => {
    expect(sdkProperties({})).toStrictEqual({});
    expect(sdkProperties({ enabled: false })).toStrictEqual({ enabled: false });
    expect(sdkProperties({ tags: {} })).toStrictEqual({ tags: {} });
    expect(sdkProperties({ purposes: [] })).toStrictEqual({ keyOps: [] });
    expect(Object.keys(sdkProperties({ expiresAt: undefined }))).toEqual(["expiresOn"]);
});

test("purposes are called as Azure calls them, and its other operations as they are", () => {
    const all = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"];
    expect(sdkProperties({ purposes }).keyOps).toEqual(all);
    expect(purposesOf([...all, "import"])).toEqual([...purposes, "import"]);
    expect(purposesOf(undefined)).toEqual([]);
});

test("what Azure leaves out is its default", () => {
    expect(attributesOf({ name: "k" } as KeyProperties)).toStrictEqual({ enabled: true, tags: {} });
});
