import fc from "fast-check";
import {
    describeProblems,
    parseStackConfig,
    type DistributionConfig,
    type KeyConfig,
    type Problem,
    type StackConfig,
} from "../../config/stackConfig";

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
/** Says all there is to say. */
const full = {
    environment: "local",
    location: "westeurope",
    seal: "env:SEAL",
    asOf: "2027-01-31",
    verify: "deep",
    vaults: {
        west: {
            sku: "premium",
            location: "westus2",
            purgeProtection: true,
            retentionDays: 7,
            subscriptionId: "11111111-1111-1111-1111-111111111111",
            tenantId: "22222222-2222-2222-2222-222222222222",
            environment: "local",
            identity: {
                tenantId: "22222222-2222-2222-2222-222222222222",
                clientId: "c",
                objectId: "o",
                clientSecretFrom: "env:SECRET",
            },
            access: [{ objectId: "o", keyPermissions: ["get", "decrypt"] }],
        },
        east: { sku: "standard", purgeProtection: false, allowPurge: true, retentionDays: 90 },
    },
    keys: {
        "rsa-1": {
            type: "rsa-3072",
            rotation: {
                trigger: 2,
                interval: "P90D",
                retire: { after: "P90D", action: "expire" },
                keepEnabled: 1,
                notifyBefore: "P30D",
            },
            minEnabledVersion: 0,
            disabledVersions: [1, 3],
            deletionAllowed: false,
            distribute: [
                {
                    vault: "west",
                    purpose: ["encrypt"],
                    protection: "hsm",
                    tags: { team: "payments", empty: "" },
                    notBefore: "2027-02-01T08:00:00+02:00",
                    expiresAfter: "P1Y6M",
                    onDelete: "detach",
                },
                {
                    vault: "east",
                    name: "other",
                    purpose: ["decrypt"],
                    protection: "software",
                    tags: {},
                    onDelete: "purge",
                },
            ],
        },
        "ec-1": { type: "ecdsa-secp256k1" },
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
    "allowed: rsa-2048, rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, ecdsa-p521, ecdsa-secp256k1",
];
const keyProperties =
    "allowed: type, rotation, minEnabledVersion, disabledVersions, import, deletionAllowed, distribute";
const withRotation = (rotation: unknown, of: object = distribution) =>
    withKey({ type: "rsa-2048", rotation, distribute: [of] });
const withVault = (vault: object, of: object = distribution) => ({
    ...withDistribution(of),
    vaults: { "learn-keyvault": { sku: "premium", ...vault } },
});
const durations = "allowed: an ISO 8601 duration from P1D to P50Y, such as P90D, P6M or P1Y";
const moments =
    "isn't an ISO 8601 date from 2000 to 2099; allowed: as in 2027-01-31 or 2027-01-31T08:00:00Z";
const noExpiry =
    "gives notice of expiry only, and no version of this key ever expires; allowed: with retire.action expire, or a distribution that has expiresAfter";
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

test("a config that says all there is to say is read to exactly this", () => {
    const { "rsa-1": rsa } = full.keys;
    const expected: StackConfig = {
        ...(full as unknown as StackConfig),
        asOf: "2027-01-31T00:00:00.000Z",
        keys: {
            "rsa-1": {
                ...(rsa as unknown as KeyConfig),
                rotation: {
                    trigger: "2",
                    interval: "P90D",
                    retire: { after: "P90D", action: "expire" },
                    keepEnabled: 1,
                    notifyBefore: "P30D",
                },
                distribute: [
                    {
                        ...(rsa.distribute[0] as DistributionConfig),
                        notBefore: "2027-02-01T06:00:00.000Z",
                    },
                    rsa.distribute[1] as DistributionConfig,
                ],
            },
            "ec-1": { type: "ecdsa-secp256k1", distribute: [] },
        },
    };
    const result = parseStackConfig(textsOf(full));
    expect(result).toStrictEqual({ config: expected });
    expect(parseStackConfig(textsOf({ ...expected }))).toStrictEqual(result);
});

test.each([
    ["2027-01-31 00:00:00 +0000 UTC", "2027-01-31T00:00:00.000Z"],
    ["2027-02-01 08:00:00.5 +0200 EET", "2027-02-01T06:00:00.500Z"],
    ["2027-02-01 08:00:00 +0200 +0200", "2027-02-01T06:00:00.000Z"],
])("a date without quotes, which Pulumi hands over as %s, is %s", (written, date) => {
    const config = { ...withDistribution({ ...distribution, notBefore: written }), asOf: written };
    expect(parseStackConfig(textsOf(config))).toMatchObject({
        config: { asOf: date, keys: { "rsa-1": { distribute: [{ notBefore: date }] } } },
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
            reason: "unknown property; allowed: trigger, interval, retire, keepEnabled, notifyBefore",
        },
    ],
    [
        "an unknown property of a distribution",
        withDistribution({ ...distribution, purposes: ["sign"] }),
        {
            path: at("purposes"),
            value: undefined,
            reason: "unknown property; allowed: vault, name, purpose, protection, tags, notBefore, expiresAfter, onDelete",
        },
    ],
    [
        "an unknown section",
        { ...good, key: {} },
        {
            path: "key",
            value: undefined,
            reason: "unknown property; allowed: environment, location, seal, asOf, verify, vaults, keys",
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
            reason: "allowed: an object with type, rotation, minEnabledVersion, disabledVersions, import, deletionAllowed, distribute",
        },
    ],
    [
        "a text in the place of a flag",
        withKey({ type: "rsa-2048", deletionAllowed: "true" }),
        { path: "keys.rsa-1.deletionAllowed", value: "true", reason: "allowed: true, false" },
    ],
    [
        "a date that is none",
        { ...good, asOf: "31.01.2027" },
        { path: "asOf", value: "31.01.2027", reason: moments },
    ],
    [
        "a time alone, which would be another moment each day",
        { ...good, asOf: "08:00" },
        { path: "asOf", value: "08:00", reason: moments },
    ],
    [
        "another way to verify",
        { ...good, verify: "shallow" },
        { path: "verify", value: "shallow", reason: "allowed: deep" },
    ],
    [
        "a vault's location that can't be one",
        withVault({ location: "west/europe" }),
        {
            path: "vaults.learn-keyvault.location",
            value: "west/europe",
            reason: "allowed: the name of an Azure region, such as westeurope",
        },
    ],
    [
        "a purge protection that is a text",
        withVault({ purgeProtection: "yes" }),
        {
            path: "vaults.learn-keyvault.purgeProtection",
            value: "yes",
            reason: "allowed: true, false",
        },
    ],
    ...[6, 91, 7.5, "7", null].map((retentionDays): [string, Config, Problem] => [
        `a retention of ${retentionDays} days`,
        withVault({ retentionDays }),
        {
            path: "vaults.learn-keyvault.retentionDays",
            value: retentionDays,
            reason: "allowed: a whole number, from 7 to 90",
        },
    ]),
    [
        "an unknown property in a list",
        withVault({ access: [{ objectId: "o", keyPermissions: ["get"], tenant: "t" }] }),
        {
            path: "vaults.learn-keyvault.access[0].tenant",
            value: undefined,
            reason: "unknown property; allowed: objectId, keyPermissions",
        },
    ],
    [
        "an interval that isn't a duration",
        withRotation({ interval: "90d" }),
        {
            path: "keys.rsa-1.rotation.interval",
            value: "90d",
            reason: `isn't an ISO 8601 duration; ${durations}`,
        },
    ],
    [
        "an interval that is a number",
        withRotation({ interval: 90 }),
        {
            path: "keys.rsa-1.rotation.interval",
            value: 90,
            reason: "allowed: an ISO 8601 duration, such as P90D",
        },
    ],
    [
        "a notice of hours",
        withRotation({ notifyBefore: "PT12H" }, { ...distribution, expiresAfter: "P1Y" }),
        {
            path: "keys.rsa-1.rotation.notifyBefore",
            value: "PT12H",
            reason: `is under a day; ${durations}`,
        },
    ],
    [
        "an overlap that is longer than the interval",
        withRotation({ interval: "P90D", retire: { after: "P91D", action: "disable" } }),
        {
            path: "keys.rsa-1.rotation.retire.after",
            value: "P91D",
            reason: "is longer than the interval, P90D: each version would be succeeded twice before it retires; make it P90D at most",
        },
    ],
    [
        "an overlap that is too long, compared with no interval that is wrong",
        withRotation({ interval: "often", retire: { after: "P91D", action: "disable" } }),
        {
            path: "keys.rsa-1.rotation.interval",
            value: "often",
            reason: `isn't an ISO 8601 duration; ${durations}`,
        },
    ],
    [
        "a retirement without an overlap",
        withRotation({ interval: "P90D", retire: { action: "expire" } }),
        {
            path: "keys.rsa-1.rotation.retire.after",
            value: undefined,
            reason: "missing; allowed: an ISO 8601 duration, such as P90D",
        },
    ],
    [
        "an unknown retirement, which isn't taken for one without expiry",
        withRotation({ retire: { after: "P1D", action: "expires" }, notifyBefore: "P30D" }),
        {
            path: "keys.rsa-1.rotation.retire.action",
            value: "expires",
            reason: "allowed: keep, expire, disable",
        },
    ],
    [
        "an unknown property of a retirement",
        withRotation({ retire: { after: "P1D", action: "keep", overlap: "P1D" } }),
        {
            path: "keys.rsa-1.rotation.retire.overlap",
            value: undefined,
            reason: "unknown property; allowed: after, action",
        },
    ],
    [
        "no enabled versions",
        withRotation({ keepEnabled: 0 }),
        {
            path: "keys.rsa-1.rotation.keepEnabled",
            value: 0,
            reason: "allowed: a whole number, 1 or more",
        },
    ],
    [
        "a notice of an expiry that never comes",
        withRotation({ notifyBefore: "P30D" }),
        { path: "keys.rsa-1.rotation.notifyBefore", value: "P30D", reason: noExpiry },
    ],
    ...["keep", "disable"].map((action): [string, Config, Problem] => [
        `a notice where versions retire, but by ${action}`,
        withRotation({ retire: { after: "P1D", action }, notifyBefore: "P30D" }),
        { path: "keys.rsa-1.rotation.notifyBefore", value: "P30D", reason: noExpiry },
    ]),
    [
        "a negative minimum of enabled versions",
        withKey({ type: "rsa-2048", minEnabledVersion: -1 }),
        {
            path: "keys.rsa-1.minEnabledVersion",
            value: -1,
            reason: "allowed: a whole number, 0 or more",
        },
    ],
    [
        "a version 0",
        withKey({ type: "rsa-2048", disabledVersions: [1, 0] }),
        {
            path: "keys.rsa-1.disabledVersions[1]",
            value: 0,
            reason: "allowed: a whole number, 1 or more",
        },
    ],
    [
        "a version in the place of a list of versions",
        withKey({ type: "rsa-2048", disabledVersions: 1 }),
        {
            path: "keys.rsa-1.disabledVersions",
            value: 1,
            reason: "allowed: a list of version numbers",
        },
    ],
    [
        "a tag that isn't a text",
        withDistribution({ ...distribution, tags: { cost: 42 } }),
        { path: at("tags.cost"), value: 42, reason: "allowed: a text" },
    ],
    [
        "a list in the place of tags",
        withDistribution({ ...distribution, tags: ["a"] }),
        { path: at("tags"), value: ["a"], reason: "allowed: an object of texts" },
    ],
    [
        "a tag of our own",
        withDistribution({ ...distribution, tags: { "Keymgmt-Key": "x" } }),
        {
            path: at("tags"),
            value: { "Keymgmt-Key": "x" },
            reason: "Keymgmt-Key is a tag that keymgmt sets itself",
        },
    ],
    [
        "a date from which on a copy can be used that is none",
        withDistribution({ ...distribution, notBefore: "tomorrow" }),
        { path: at("notBefore"), value: "tomorrow", reason: moments },
    ],
    [
        "an age that isn't a duration",
        withDistribution({ ...distribution, expiresAfter: "a year" }),
        {
            path: at("expiresAfter"),
            value: "a year",
            reason: `isn't an ISO 8601 duration; ${durations}`,
        },
    ],
    [
        "an unknown end of a distribution",
        withDistribution({ ...distribution, onDelete: "keep" }),
        { path: at("onDelete"), value: "keep", reason: "allowed: delete, detach, purge" },
    ],
    [
        "a purge where nothing can be purged",
        withVault({ purgeProtection: true }, { ...distribution, onDelete: "purge" }),
        {
            path: at("onDelete"),
            value: "purge",
            reason: "vault learn-keyvault has purge protection, so nothing in it can be purged; allowed: delete, detach",
        },
    ],
    [
        "a purge that the vault's permissions wouldn't outlast",
        withVault({}, { ...distribution, onDelete: "purge" }),
        {
            path: at("onDelete"),
            value: "purge",
            reason: "it takes allowPurge: true of vault learn-keyvault, until this distribution has gone; without it allowed: delete, detach",
        },
    ],
])("%s is told with its path, its value and what is allowed", (_what, config, problem) => {
    expect(problemsOf(config)).toEqual([problem]);
});

test.each([
    ["versions that expire when they retire", { action: "expire" }, {}],
    ["copies that expire by their age", { action: "keep" }, { expiresAfter: "P1Y" }],
])("a notice of expiry is taken for %s", (_what, retire, of) => {
    const rotation = {
        interval: "P1M",
        retire: { after: "P30D", ...retire },
        notifyBefore: "P30D",
    };
    expect(problemsOf(withRotation(rotation, { ...distribution, ...of }))).toEqual([]);
});

test("what ends a distribution may be anything but a purge in a vault with purge protection", () => {
    for (const onDelete of ["delete", "detach"]) {
        const config = withVault({ purgeProtection: true }, { ...distribution, onDelete });
        expect(problemsOf(config)).toEqual([]);
    }
    for (const vault of [{}, { purgeProtection: false }]) {
        const config = withVault(
            { ...vault, allowPurge: true },
            { ...distribution, onDelete: "purge" },
        );
        expect(problemsOf(config)).toEqual([]);
    }
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
                rotation: {
                    interval: "P1D",
                    retire: { after: "P1M", action: "drop" },
                    keepEnabled: 1.5,
                },
                minEnabledVersion: "1",
                disabledVersions: ["1"],
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
            "keys.ec-1.rotation.retire.after",
            "keys.ec-1.rotation.retire.action",
            "keys.ec-1.rotation.keepEnabled",
            "keys.ec-1.minEnabledVersion",
            "keys.ec-1.disabledVersions[0]",
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
        [
            `{"k":{"type":"rsa-2048","rotation":{"retire":{"after":"P1D","action":"keep","__proto__":{}}}}}`,
            "keys.k.rotation.retire.__proto__",
        ],
        [
            `{"k":{"type":"rsa-2048","distribute":[{"vault":"plain","purpose":["sign"],"protection":"software","tags":{"__proto__":"x"}}]}}`,
            "keys.k.distribute[0].tags.__proto__",
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

    const base = fc.constantFrom<Config>(good, full);

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
            fc.property(
                base,
                fc.array(mutation, { minLength: 1, maxLength: 4 }),
                (from, mutations) => {
                    const config = structuredClone(from);
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
                            /allowed: |a key's name|a vault's name|is the same vault as|has a key of this name|stands there twice|has no HSM|is the name of the key exchange key|is longer than the interval|a tag that keymgmt sets|names and values of tags/,
                        );
                    }
                    expect(describeProblems(result.problems)).toMatch(/^The stack's config has /);
                },
            ),
            { seed: 20261124, numRuns: 2000 },
        );
    });
});

type MutationOf<T> = T extends fc.Arbitrary<infer Value> ? Value : never;

describe("vaults elsewhere", () => {
    const [subscriptionId, other, tenantId] = ["1", "2", "3"].map((digit) =>
        "00000000-0000-0000-0000-000000000000".replaceAll("0", digit),
    ) as [string, string, string];
    const identity = { tenantId, clientId: "c", clientSecretFrom: "env:SECRET" };
    const gov = {
        sku: "premium",
        environment: "AzureUSGovernment",
        location: "usgovvirginia",
        subscriptionId,
        tenantId,
        identity,
    };
    const stack = (vaults: object, environment = "AzurePublicCloud") => ({
        environment,
        location: "westeurope",
        vaults,
        keys: {},
    });
    const pathsOf = (config: Config) => problemsOf(config).map(({ path }) => path);

    test("in other subscriptions, tenants and clouds, each with its own identity", () => {
        const vaults = {
            home: { sku: "premium" },
            sibling: { sku: "premium", subscriptionId: other },
            gov,
            second: { ...gov, sku: "standard" },
        };
        expect(problemsOf(stack(vaults))).toEqual([]);
    });

    test.each<[string, object, string[]]>([
        ["no GUID", { subscriptionId: "mine" }, ["subscriptionId"]],
        ["a tenant alone", { tenantId }, ["subscriptionId", "identity"]],
        ["a tenant without identity", { subscriptionId, tenantId }, ["identity"]],
        [
            "an identity of another tenant",
            { subscriptionId, tenantId, identity: { ...identity, tenantId: other } },
            ["identity.tenantId"],
        ],
        ["a cloud alone", { environment: "AzureChinaCloud" }, ["tenantId", "location"]],
        ["a local vault in a real stack", { ...gov, environment: "local" }, ["environment"]],
    ])("%s is refused", (_what, vault, problems) => {
        expect(pathsOf(stack({ one: { sku: "premium", ...vault } }))).toEqual(
            problems.map((path) => `vaults.one.${path}`),
        );
    });

    test("a real vault in a local stack is refused", () => {
        expect(pathsOf(stack({ gov }, "local"))).toEqual(["vaults.gov.environment"]);
    });

    test("one subscription is of one tenant and cloud", () => {
        const vaults = { one: { sku: "premium", subscriptionId }, two: gov };
        expect(problemsOf(stack(vaults))).toMatchObject([
            { path: "vaults.two.tenantId", reason: expect.stringMatching(/vault one/) as string },
            { path: "vaults.two.environment" },
        ]);
    });
});

test("a private key in the place of its token or its location isn't repeated", () => {
    const pem = ["-----BEGIN", "PRIVATE KEY-----\nMIIEvQIBADANBgkq"].join(" ");
    for (const source of [
        { version: 1, sealed: pem },
        { version: 1, from: "env:A", sealed: pem },
        { version: 1, from: pem },
        pem,
    ]) {
        const problems = problemsOf(withKey({ type: "rsa-2048", import: [source] }));
        expect(problems.length).toBeGreaterThan(0);
        expect(problems[0]!.path).toMatch(/^keys\.rsa-1\.import\[0\]/);
        expect(JSON.stringify(problems)).not.toMatch(/BEGIN|MIIE/);
    }
});
