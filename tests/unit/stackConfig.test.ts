import fc from "fast-check";
import { describeProblems, parseStackConfig, type Problem } from "../../config/stackConfig";

const good = {
    environment: "local",
    location: "westeurope",
    vaults: { "learn-keyvault": { sku: "premium" }, plain: { sku: "standard" } },
    keys: {
        "rsa-1": {
            type: "rsa-2048",
            rotation: { trigger: "2" },
            distribute: [
                { vault: "learn-keyvault", purpose: ["encrypt", "decrypt"], protection: "hsm" },
                {
                    vault: "plain",
                    name: "copy-of-rsa-1",
                    purpose: ["sign"],
                    protection: "software",
                },
            ],
        },
        "ec-1": {
            type: "ecdsa-p256",
            deletionAllowed: true,
            distribute: [
                { vault: "learn-keyvault", purpose: ["sign", "verify"], protection: "software" },
            ],
        },
    },
};
type Config = Record<string, unknown>;

/** As Pulumi hands it over: texts, of which objects are JSON. */
function textsOf(config: Config): Record<string, string> {
    return Object.fromEntries(
        Object.entries(config).map(([name, value]) => [
            name,
            typeof value === "string" ? value : JSON.stringify(value),
        ]),
    );
}

function problemsOf(config: Config): Problem[] {
    const result = parseStackConfig(textsOf(config));
    return "problems" in result ? result.problems : [];
}

const withKey = (key: unknown, name = "rsa-1") => ({ ...good, keys: { [name]: key } });
const withDistribution = (distribution: unknown, type = "rsa-2048") =>
    withKey({ type, distribute: [distribution] });
const distribution = { vault: "learn-keyvault", purpose: ["sign"], protection: "hsm" };
const [purposes, types] = [
    "allowed: encrypt, decrypt, sign, verify, wrap, unwrap",
    "allowed: rsa-2048, rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, ecdsa-p521",
];
const keyProperties = "allowed: type, rotation, deletionAllowed, distribute";
const at = (path: string) => `keys.rsa-1.distribute[0].${path}`;

test("the tutorial's config, with what may be left out", () => {
    expect(parseStackConfig(textsOf(good))).toEqual({ config: good });
    expect(parseStackConfig(textsOf({ ...good, seal: "file:/run/seal", keys: {} }))).toEqual({
        config: { ...good, seal: "file:/run/seal", keys: {} },
    });
    expect(parseStackConfig(textsOf(withKey({ type: "rsa-2048" })))).toMatchObject({
        config: { keys: { "rsa-1": { type: "rsa-2048", distribute: [] } } },
    });
});

test.each([
    [2, "2"],
    [true, "true"],
    ["", ""],
])("a trigger %j, as `pulumi config set` writes it, is a text", (trigger, text) => {
    expect(
        parseStackConfig(textsOf(withKey({ type: "rsa-2048", rotation: { trigger } }))),
    ).toMatchObject({ config: { keys: { "rsa-1": { rotation: { trigger: text } } } } });
});

test.each<[string, Config, Problem]>([
    [
        "an unknown type",
        withKey({ type: "rsa-1024" }),
        { path: "keys.rsa-1.type", value: "rsa-1024", reason: types },
    ],
    [
        "no type",
        withKey({}),
        { path: "keys.rsa-1.type", value: undefined, reason: `missing; ${types}` },
    ],
    [
        "an unknown purpose",
        withDistribution({ ...distribution, purpose: ["sign", "signing"] }),
        { path: at("purpose[1]"), value: "signing", reason: purposes },
    ],
    [
        "a purpose that the key type can't serve",
        withDistribution({ ...distribution, purpose: ["sign", "encrypt"] }, "ecdsa-p256"),
        {
            path: at("purpose[1]"),
            value: "encrypt",
            reason: "a key of type ecdsa-p256 can't; allowed: sign, verify",
        },
    ],
    [
        "no purposes",
        withDistribution({ ...distribution, purpose: [] }),
        {
            path: at("purpose"),
            value: [],
            reason: "empty; allowed: at least one of encrypt, decrypt, sign, verify, wrap, unwrap",
        },
    ],
    [
        "a purpose twice",
        withDistribution({ ...distribution, purpose: ["sign", "sign"] }),
        { path: at("purpose[1]"), value: "sign", reason: "stands there twice" },
    ],
    [
        "a vault that isn't declared",
        withDistribution({ ...distribution, vault: "lern-keyvault" }),
        {
            path: at("vault"),
            value: "lern-keyvault",
            reason: "isn't declared; allowed: learn-keyvault, plain",
        },
    ],
    [
        "a vault of a name that objects have anyway",
        withDistribution({ ...distribution, vault: "constructor" }),
        {
            path: at("vault"),
            value: "constructor",
            reason: "isn't declared; allowed: learn-keyvault, plain",
        },
    ],
    [
        "an unknown protection",
        withDistribution({ ...distribution, protection: "HSM" }),
        { path: at("protection"), value: "HSM", reason: "allowed: hsm, software" },
    ],
    [
        "hsm on a standard vault",
        withDistribution({ ...distribution, vault: "plain" }),
        {
            path: at("protection"),
            value: "hsm",
            reason: "vault plain has the standard SKU, which has no HSM; make its sku premium, or the protection software",
        },
    ],
    [
        "a key name that Azure refuses",
        withKey({ type: "rsa-2048" }, "rsa_1"),
        {
            path: "keys.rsa_1",
            value: undefined,
            reason: "a key's name in Azure Key Vault has 1 to 127 of the characters 0-9 a-z A-Z -",
        },
    ],
    [
        "a name in the vault that Azure refuses",
        withDistribution({ ...distribution, name: "a.b" }),
        {
            path: at("name"),
            value: "a.b",
            reason: "a key's name in Azure Key Vault has 1 to 127 of the characters 0-9 a-z A-Z -",
        },
    ],
    [
        "the name of the key exchange key",
        withDistribution({ ...distribution, name: "KeyMgmt-KEK" }),
        {
            path: at("name"),
            value: "KeyMgmt-KEK",
            reason: "keymgmt-kek is the name of the key exchange key",
        },
    ],
    [
        "the same name twice in one vault, in another case",
        {
            ...good,
            keys: {
                "rsa-1": { type: "rsa-2048", distribute: [distribution] },
                "rsa-2": { type: "rsa-2048", distribute: [{ ...distribution, name: "RSA-1" }] },
            },
        },
        {
            path: "keys.rsa-2.distribute[0]",
            value: "RSA-1",
            reason: "vault learn-keyvault has a key of this name already, by keys.rsa-1.distribute[0]; give one of them another name",
        },
    ],
    [
        "an unknown property of a key",
        withKey({ type: "rsa-2048", deletionAlowed: true }),
        {
            path: "keys.rsa-1.deletionAlowed",
            value: undefined,
            reason: `unknown property; ${keyProperties}`,
        },
    ],
    [
        "an unknown property of a rotation",
        withKey({ type: "rsa-2048", rotation: { triger: "2" } }),
        {
            path: "keys.rsa-1.rotation.triger",
            value: undefined,
            reason: "unknown property; allowed: trigger",
        },
    ],
    [
        "an unknown property of a distribution",
        withDistribution({ ...distribution, purposes: ["sign"] }),
        {
            path: at("purposes"),
            value: undefined,
            reason: "unknown property; allowed: vault, name, purpose, protection",
        },
    ],
    [
        "an unknown section",
        { ...good, key: {} },
        {
            path: "key",
            value: undefined,
            reason: "unknown property; allowed: environment, location, seal, vaults, keys",
        },
    ],
    [
        "a vault name that Azure refuses",
        { ...good, vaults: { ...good.vaults, "1st": { sku: "premium" } } },
        {
            path: "vaults.1st",
            value: undefined,
            reason: "a vault's name has 3 to 24 of the characters 0-9 a-z A-Z -, starts with a letter, ends with a letter or digit and has no -- in it",
        },
    ],
    [
        "a vault twice, in another case",
        { ...good, vaults: { ...good.vaults, Plain: { sku: "premium" } } },
        {
            path: "vaults.Plain",
            value: undefined,
            reason: "is the same vault as plain: Azure compares names without case",
        },
    ],
    [
        "an unknown sku",
        { ...good, vaults: { ...good.vaults, third: { sku: "gold" } } },
        { path: "vaults.third.sku", value: "gold", reason: "allowed: standard, premium" },
    ],
    [
        "an unknown environment",
        { ...good, environment: "azure" },
        {
            path: "environment",
            value: "azure",
            reason: "allowed: AzurePublicCloud, AzureUSGovernment, AzureChinaCloud, local",
        },
    ],
    [
        "a location that can't be one",
        { ...good, location: "west/europe" },
        {
            path: "location",
            value: "west/europe",
            reason: "allowed: the name of an Azure region, such as westeurope",
        },
    ],
    [
        "a list in the place of the keys",
        { ...good, keys: [] },
        {
            path: "keys",
            value: "[]",
            reason: "allowed: an object with an entry for each of the keys",
        },
    ],
    [
        "something else in the place of a key",
        withKey(null),
        {
            path: "keys.rsa-1",
            value: null,
            reason: "allowed: an object with type, rotation, deletionAllowed, distribute",
        },
    ],
    [
        "a text in the place of a flag",
        withKey({ type: "rsa-2048", deletionAllowed: "true" }),
        { path: "keys.rsa-1.deletionAllowed", value: "true", reason: "allowed: true, false" },
    ],
])("%s is told with its path, its value and what is allowed", (_what, config, problem) => {
    expect(problemsOf(config)).toEqual([problem]);
});

test("no config at all: each section that is needed is missing", () => {
    const result = parseStackConfig({});
    const problems = "problems" in result ? result.problems : [];
    expect(problems.map(({ path }) => path)).toEqual(["environment", "location", "vaults", "keys"]);
    expect(problems.every(({ reason }) => reason.startsWith("missing; allowed: "))).toBe(true);
});

test("all problems are told at once, also several of one distribution", () => {
    const problems = problemsOf({
        environment: "nowhere",
        location: "westeurope",
        vaults: { bad_name: { sku: "gold" }, plain: { sku: "standard" } },
        keys: {
            "rsa-1": {
                type: "rsa-1024",
                distribute: [
                    { vault: "nowhere", name: "a.b", purpose: ["foo", "sign"], protection: "x" },
                ],
            },
            "ec-1": {
                type: "ecdsa-p256",
                more: 1,
                distribute: [{ vault: "plain", purpose: ["encrypt", 1], protection: "hsm", x: 1 }],
            },
        },
    });
    expect(problems.map(({ path }) => path).sort()).toEqual(
        [
            "environment",
            "vaults.bad_name",
            "vaults.bad_name.sku",
            "keys.rsa-1.type",
            "keys.rsa-1.distribute[0].vault",
            "keys.rsa-1.distribute[0].name",
            "keys.rsa-1.distribute[0].purpose[0]",
            "keys.rsa-1.distribute[0].protection",
            "keys.ec-1.more",
            "keys.ec-1.distribute[0].purpose[0]",
            "keys.ec-1.distribute[0].purpose[1]",
            "keys.ec-1.distribute[0].protection",
            "keys.ec-1.distribute[0].x",
        ].sort(),
    );
});

test("a secret that stands where its location should is not repeated", () => {
    const secret = "hunter2-and-more";
    const identity = { tenantId: "t", clientId: "c", clientSecretFrom: secret };
    const problems = problemsOf({
        ...good,
        seal: secret,
        vaults: { ...good.vaults, third: { sku: "premium", identity } },
    });
    expect(problems.map(({ path }) => path)).toEqual([
        "seal",
        "vaults.third.identity.clientSecretFrom",
    ]);
    expect(JSON.stringify(problems) + describeProblems(problems)).not.toContain(secret);
});

test("the text has a line for each problem, and says that nothing was changed", () => {
    const keys = `{"rsa-1":{"type":"rsa-1024","distribute":1e999}}`;
    const problems = problemsOf({ ...good, keys });
    expect(describeProblems(problems).split("\n")).toEqual([
        "The stack's config has 2 problems. Nothing was changed.",
        `  keymgmt:keys.rsa-1.type: "rsa-1024": ${types}`,
        "  keymgmt:keys.rsa-1.distribute: Infinity: allowed: a list of distributions",
    ]);
});

test("control and formatting characters of a config don't reach the terminal", () => {
    const text = describeProblems(
        problemsOf({
            ...withKey({ type: "\u0007\u009b31m\u202e" }, "a\u001b[31m\u009b\nb"),
            "bad\u0007": "x",
        }),
    );
    expect(text).toContain("keys.a\\u{1b}[31m");
    // eslint-disable-next-line no-control-regex
    expect(text.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    expect(text.split("\n")).toHaveLength(4);
});

describe("hostile JSON", () => {
    test.each([
        [`{"__proto__":{"type":"rsa-2048"}}`, "keys.__proto__"],
        [`{"k":{"type":"rsa-2048","__proto__":{"x":1}}}`, "keys.k.__proto__"],
        [
            `{"k":{"type":"rsa-2048","rotation":{"__proto__":{"trigger":"2"}}}}`,
            "keys.k.rotation.__proto__",
        ],
        [
            `{"k":{"type":"rsa-2048","distribute":[{"vault":"plain","purpose":["sign"],"protection":"software","__proto__":{}}]}}`,
            "keys.k.distribute[0].__proto__",
        ],
    ])("__proto__ doesn't vanish: %s", (keys, path) => {
        expect(problemsOf({ ...good, keys }).map((problem) => problem.path)).toEqual([path]);
        expect(({} as { type?: unknown }).type).toBeUndefined();
    });

    test("__proto__ as a vault is refused, and so is a distribution to it", () => {
        const vaults = `{"__proto__":{"sku":"premium"}}`;
        const paths = problemsOf({ ...good, vaults, keys: {} }).map(({ path }) => path);
        expect(paths).toEqual(["vaults.__proto__"]);
        expect(
            problemsOf(withDistribution({ ...distribution, vault: "__proto__" })).map(
                ({ path }) => path,
            ),
        ).toEqual([at("vault")]);
    });

    test("deep nesting", () => {
        const deep = "[".repeat(100_000) + "]".repeat(100_000);
        for (const keys of [deep, `{"k":${deep}}`, `{"k":{"type":${deep}}}`]) {
            const problems = problemsOf({ ...good, keys });
            expect(problems).toHaveLength(1);
            expect(describeProblems(problems).length).toBeLessThan(500);
        }
    });

    const names = fc.constantFrom("__proto__", "constructor", "toString", "", "a\u0000b");
    const values: fc.Arbitrary<unknown> = fc.oneof(
        fc.constantFrom(null, true, [], {}, "", "sign", 1e308, -0, [[[[]]]], [null], "\u001b[2J"),
        fc.double(),
        fc.string({ unit: "binary" }),
        fc.dictionary(fc.oneof(names, fc.string()), fc.jsonValue({ maxDepth: 2 })),
        fc.jsonValue({ maxDepth: 4 }),
    );

    /** Sets, adds or removes something anywhere in a good config. */
    const mutation = fc.record({
        path: fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }),
        action: fc.constantFrom("set", "add", "remove"),
        name: names,
        value: values,
    });

    function mutate(config: Config, { path, action, name, ...given }: MutationOf<typeof mutation>) {
        // A later mutation changes it.
        const value = structuredClone(given.value);
        let parent = config;
        let member = "";
        for (const step of path) {
            const members = Object.keys(parent);
            const chosen = members[step % Math.max(members.length, 1)];
            if (chosen === undefined) {
                break;
            }
            member = chosen;
            const child = parent[chosen];
            if (typeof child !== "object" || child === null) {
                break;
            }
            parent = child as Config;
            member = "";
        }
        if (action === "add" || member === "") {
            // Not an assignment, which would set the prototype by the name __proto__.
            Object.defineProperty(parent, name, {
                value,
                enumerable: true,
                configurable: true,
                writable: true,
            });
        } else if (action === "set") {
            parent[member] = value;
        } else {
            delete parent[member];
        }
    }

    test("whatever is changed in a good config, the outcome is a config or problems with paths", () => {
        fc.assert(
            fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
                const config = structuredClone(good) as Config;
                for (const each of mutations) {
                    mutate(config, each);
                }
                const texts = textsOf(config);
                const result = parseStackConfig(texts);
                if ("config" in result) {
                    // Nothing was lost, and nothing came in that wasn't there.
                    const { vaults, keys } = result.config;
                    expect(Object.keys(vaults)).toEqual(
                        Object.keys(JSON.parse(texts.vaults!) as object),
                    );
                    expect(Object.keys(keys)).toEqual(
                        Object.keys(JSON.parse(texts.keys!) as object),
                    );
                    expect(parseStackConfig(textsOf({ ...result.config }))).toEqual(result);
                    return;
                }
                expect(result.problems.length).toBeGreaterThan(0);
                for (const { path, reason } of result.problems) {
                    expect(path).not.toBe("undefined");
                    expect(reason).toMatch(
                        /allowed: |a key's name|a vault's name|is the same vault as|has a key of this name|stands there twice|has no HSM|is the name of the key exchange key/,
                    );
                }
                expect(describeProblems(result.problems)).toMatch(/^The stack's config has /);
            }),
            { seed: 20261124, numRuns: 2000 },
        );
    });
});

type MutationOf<T> = T extends fc.Arbitrary<infer Value> ? Value : never;
