import { createECDH, randomUUID } from "node:crypto";
import { ecKeyPair, rsaKeyPair } from "../keyPair";
import { tenantId } from "./keyvaultFixture";
import { startServer, type Answer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

let server: Server;
beforeAll(async () => {
    server = await startServer();
});
afterAll(() => server.stop());

let count = 0;
/** A new key, by default one that is made quickly. */
async function create(body: object = { kty: "EC" }): Promise<{ name: string; answer: Answer }> {
    const name = `key-${count++}`;
    return { name, answer: await server.send("POST", `/keys/${name}/create`, body) };
}

const problem = ({ status, body }: Answer) => [
    status,
    body.error.code,
    ...(body.error.innererror ? [body.error.innererror.code] : []),
];

const notFoundText = (id: string) =>
    `A key with (name/id) ${id} was not found in this key vault. If you recently deleted this key you may be able to ` +
    "recover it using the correct recovery command. For help resolving this issue, please see " +
    "https://go.microsoft.com/fwlink/?linkid=2125182";

describe("authentication", () => {
    test("without a token the challenge comes first, whatever else is wrong", async () => {
        for (const [method, path, body] of [
            ["POST", "/keys/n/create", undefined],
            ["PUT", "/keys/n", "not JSON"],
            ["GET", "/nothing/here", undefined],
        ] as const) {
            const answer = await server.send(method, path, body, {
                api: null,
                headers: { authorization: "Basic abc" },
            });
            expect(answer.status).toBe(401);
            expect(answer.headers["www-authenticate"]).toBe(
                `Bearer authorization="https://127.0.0.1:1/${tenantId}", resource="https://vault.azure.net"`,
            );
            expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
            expect(answer.body).toEqual({
                error: {
                    code: "Unauthorized",
                    message: "AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token.",
                },
            });
        }
    });

    test("a refused token gets its reason and the challenge again", async () => {
        const answer = await server.send("GET", "/keys", undefined, { token: "unknown" });
        expect(problem(answer)).toEqual([401, "Unauthorized"]);
        expect(answer.body.error.message).toBe(
            "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://example.org.",
        );
        expect(answer.headers["www-authenticate"]).toContain("Bearer authorization=");
    });
});

describe("api-version", () => {
    test("the known ones answer, with what each of them knows", async () => {
        const { name } = await create({ kty: "RSA" });
        const shown = async (api: string) =>
            Object.keys(
                (await server.send("GET", `/keys/${name}`, undefined, { api })).body.attributes,
            );
        const always = [
            "enabled",
            "created",
            "updated",
            "recoveryLevel",
            "recoverableDays",
            "exportable",
        ];
        expect(await shown("7.4")).toEqual(always);
        expect(await shown("7.5")).toEqual([...always, "hsmPlatform"]);
        const latest = ["enabled", "key_size", ...always.slice(1), "hsmPlatform"];
        expect(await shown("7.6")).toEqual(latest);
        expect(await shown("2025-07-01")).toEqual(latest);
    });

    test("none or another is refused", async () => {
        const other = await server.send("GET", "/keys", undefined, { api: "7.3" });
        expect(problem(other)).toEqual([400, "BadParameter"]);
        expect(other.body.error.message).toBe(
            "The specified version (7.3) is not recognized. Consider using the latest supported version (2025-07-01).",
        );
        const none = await server.send("GET", "/keys", undefined, { api: null });
        expect(problem(none)).toEqual([400, "BadParameter"]);
    });

    test("its name may be percent-encoded", async () => {
        const answer = await server.send("GET", "/keys?api%2Dversion=7.6", undefined, {
            api: null,
        });
        expect(answer.status).toBe(200);
    });
});

describe("access policies", () => {
    const requests: [permission: string, method: string, path: string, body: object | undefined][] =
        [
            ["create", "POST", "/keys/p/create", { kty: "EC" }],
            ["import", "PUT", "/keys/p", {}],
            ["get", "GET", "/keys/p", undefined],
            ["get", "GET", "/deletedkeys/p", undefined],
            ["list", "GET", "/keys", undefined],
            ["list", "GET", "/keys/p/versions", undefined],
            ["list", "GET", "/deletedkeys", undefined],
            ["update", "PATCH", "/keys/p", {}],
            ["delete", "DELETE", "/keys/p", undefined],
            ["recover", "POST", "/deletedkeys/p/recover", undefined],
            ["purge", "DELETE", "/deletedkeys/p", undefined],
            ["backup", "POST", "/keys/p/backup", undefined],
            ["restore", "POST", "/keys/restore", undefined],
            ["encrypt", "POST", "/keys/p/encrypt", {}],
            ["decrypt", "POST", "/keys/p//decrypt", {}],
            ["wrapKey", "POST", "/keys/p/wrapKey", {}],
            ["unwrapKey", "POST", "/keys/p/unwrapkey", {}],
            ["sign", "POST", "/keys/p/sign", {}],
            ["verify", "POST", "/keys/p/verify", {}],
            ["rotate", "POST", "/keys/p/rotate", undefined],
            ["getrotationpolicy", "GET", "/keys/p/rotationpolicy", undefined],
            ["setrotationpolicy", "PUT", "/keys/p/rotationpolicy", {}],
            ["release", "POST", "/keys/p/release", {}],
        ];
    const all = [...new Set(requests.map(([permission]) => permission))];

    test.each(requests)(
        "%s is needed for %s %s, and nothing else",
        async (permission, method, path, body) => {
            const without = server.token(all.filter((other) => other !== permission));
            const refused = await server.send(method, path, body, { token: without });
            expect(problem(refused)).toEqual([403, "Forbidden", "ForbiddenByPolicy"]);
            const admitted = await server.send(method, path, body, {
                token: server.token([permission]),
            });
            expect(JSON.stringify(admitted.body ?? {})).not.toContain("ForbiddenByPolicy");
        },
    );

    test("the refusal names application, permission and vault", async () => {
        const token = server.token(["list"]);
        const refused = await server.send("GET", "/keys/any", undefined, { token });
        const { objectId } = server.vault.accessPolicies.at(-1) ?? {};
        expect(refused.body.error.message).toMatch(
            new RegExp(
                `^The user, group or application 'appid=[-0-9a-f]{36};oid=${objectId};numgroups=0;` +
                    `iss=https://sts\\.windows\\.net/${tenantId}/' does not have keys get permission on key vault ` +
                    `'Learn-KeyVault;location=westeurope'\\. For help resolving this issue, please see ` +
                    `https://go\\.microsoft\\.com/fwlink/\\?linkid=2125287$`,
            ),
        );
    });

    test("a policy of another tenant gives nothing, and a change counts at once", async () => {
        const token = server.token(["list"]);
        const list = () => server.send("GET", "/keys", undefined, { token });
        expect((await list()).status).toBe(200);
        server.vault.accessPolicies = server.vault.accessPolicies.map((policy) => ({
            ...policy,
            tenantId: randomUUID(),
        }));
        expect((await list()).status).toBe(403);
    });
});

describe("keys that are made here", () => {
    test.each([
        [{ kty: "RSA" }, { kty: "RSA" }, "0", 2048],
        [{ kty: "RSA-HSM", key_size: 3072, key_ops: ["sign"] }, { kty: "RSA-HSM" }, "2", 3072],
        [{ kty: "EC", attributes: null }, { kty: "EC", crv: "P-256" }, "0", undefined],
        [
            { kty: "EC-HSM", crv: "P-256K", key_ops: [] },
            { kty: "EC-HSM", crv: "P-256K" },
            "2",
            undefined,
        ],
    ])("%j", async (body, key, hsmPlatform, keySize) => {
        const { answer } = await create(body);
        expect(answer.status).toBe(200);
        expect(answer.body.key).toMatchObject(key);
        expect(answer.body.attributes).toMatchObject({ hsmPlatform });
        expect(answer.body.attributes.key_size).toBe(keySize);
        expect(answer.body.tags).toBeUndefined();
        const members = Object.keys(answer.body.key);
        expect(members).toEqual([
            "kid",
            "kty",
            "key_ops",
            ...(keySize ? ["n", "e"] : ["crv", "x", "y"]),
        ]);
    });

    test("dates of 64 bits and in the past are kept, and so is the order of attributes", async () => {
        const { answer } = await create({ kty: "RSA", attributes: { nbf: 32503680000, exp: 1 } });
        expect(Object.entries(answer.body.attributes as object).slice(0, 4)).toEqual([
            ["enabled", true],
            ["key_size", 2048],
            ["nbf", 32503680000],
            ["exp", 1],
        ]);
    });

    test.each([
        [{}, "Property  has invalid value\r\nProperty  has invalid value\r\n"],
        [
            { kty: "EC", key_ops: ["wrapKey", "sign", "unwrapKey"] },
            'Unsupported key operation(s): "wrapKey", "unwrapKey". Supported values are "sign", "verify".',
        ],
        [{ kty: "RSA", key_ops: ["import"] }, expect.stringContaining('"import"')],
        [{ kty: "RSA-HSM", key_ops: ["import", "sign"] }, expect.stringContaining('"import"')],
        [{ kty: "RSA", key_size: 1024 }, expect.stringContaining("key_size")],
        [{ kty: "RSA", public_exponent: 2 ** 33 + 1 }, expect.stringContaining("public_exponent")],
        [{ kty: "EC", crv: "P-255" }, expect.stringContaining("crv")],
        [{ kty: "oct" }, expect.stringContaining("kty")],
        [
            { kty: "EC", attributes: { enabled: "yes" } },
            expect.stringContaining("attributes.enabled"),
        ],
        [
            { kty: "EC", tags: Object.fromEntries([...Array(16).keys()].map((i) => [i, ""])) },
            expect.stringContaining("15 tags"),
        ],
        [{ kty: "EC", tags: { a: "x".repeat(257) } }, expect.stringContaining("256 characters")],
    ])("%j is refused", async (body, message) => {
        const { name, answer } = await create(body);
        expect(problem(answer)).toEqual([400, "BadParameter"]);
        expect(answer.body.error.message).toEqual(message);
        expect((await server.send("GET", `/keys/${name}`)).status).toBe(404);
    });

    test("a body that isn't JSON, a name that isn't one, an empty name", async () => {
        expect(problem(await server.send("POST", "/keys/n/create", "{"))).toEqual([
            400,
            "BadParameter",
        ]);
        for (const name of ["a_b", "a.b", "x".repeat(128), "a%20b"]) {
            const answer = await server.send("PUT", `/keys/${name}`, {});
            expect(problem(answer)).toEqual([400, "BadParameter"]);
            expect(answer.body.error.message).toBe(
                `The request URI contains an invalid name: ${decodeURIComponent(name)}`,
            );
        }
        const longest = "x".repeat(127);
        expect((await server.send("POST", `/keys/${longest}/create`, { kty: "EC" })).status).toBe(
            200,
        );
        const empty = await server.send("POST", "/keys//create", { kty: "EC" });
        expect(empty.body.error).toEqual({
            code: "BadParameter",
            message: "Operation not specified",
        });
    });

    test("what only a Managed HSM has isn't there", async () => {
        const { name, answer } = await create();
        const version = answer.body.key.kid.split("/").at(-1);
        for (const [method, path] of [
            ["POST", "/rng"],
            ["POST", "/fullbackup"],
            ["GET", "/settings"],
        ] as const)
            expect(problem(await server.send(method, path))).toEqual([404, "NotFound"]);
        const attestation = await server.send("GET", `/keys/${name}/${version}/attestation`);
        expect(problem(attestation)).toEqual([400, "BadParameter"]);
        for (const kty of ["oct", "oct-HSM"]) {
            const refused = await server.send("POST", "/keys/n/create", { kty });
            expect(problem(refused)).toEqual([400, "BadParameter"]);
        }
    });

    test("no key can be released", async () => {
        const { name } = await create();
        const released = await server.send("POST", `/keys/${name}/release`, { target: "x" });
        expect(problem(released)).toEqual([403, "Forbidden", "KeyOperationForbidden"]);
        expect(problem(await server.send("POST", "/keys/nobody/release", {}))).toEqual([
            404,
            "KeyNotFound",
        ]);
        const exportable = { attributes: { exportable: true } };
        const made = await server.send("POST", "/keys/n/create", { kty: "EC", ...exportable });
        expect(made.body.error.message).toContain("AKV.SKR.1004");
        const release_policy = { data: "e30" };
        const withPolicy = { kty: "EC-HSM", ...exportable, release_policy };
        const refused = await server.send("POST", "/keys/n/create", withPolicy);
        expect(refused.body.error.message).toContain("AKV.SKR.1001");
        const changed = await server.send("PATCH", `/keys/${name}`, exportable);
        expect(changed.body.error.message).toContain("AKV.SKR.1014");
    });
});

describe("import", () => {
    const { privateKey, publicKey } = rsaKeyPair(2048);
    const jwk = privateKey.export({ format: "jwk" });
    const put = (name: string, key: object, more: object = {}) =>
        server.send("PUT", `/keys/${name}`, { key, ...more });

    test("Hsm makes an HSM key of it, and no private member comes back anywhere", async () => {
        const answers = [
            await put("in-hsm", jwk, { Hsm: true }),
            await server.send("GET", "/keys/in-hsm"),
            await server.send("PATCH", "/keys/in-hsm", { tags: { a: "b" } }),
            await server.send("GET", "/keys/in-hsm/versions"),
            await server.send("DELETE", "/keys/in-hsm"),
            await server.send("GET", "/deletedkeys/in-hsm"),
            await server.send("POST", "/deletedkeys/in-hsm/recover"),
        ];
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
        expect(answers[0]?.body.key).toMatchObject({ kty: "RSA-HSM", n: jwk.n, e: jwk.e });
        const everything = JSON.stringify([answers, server.log]);
        for (const member of ["d", "p", "q", "dp", "dq", "qi"] as const)
            expect(everything).not.toContain(jwk[member]);
    });

    test("members that don't belong together are refused", async () => {
        const other = rsaKeyPair(2048).privateKey.export({
            format: "jwk",
        });
        for (const member of ["n", "d", "p", "dp", "qi"] as const) {
            const answer = await put("broken", { ...jwk, [member]: other[member] });
            expect(answer.body.error).toEqual({
                code: "BadParameter",
                message: "RSA key is not valid - cannot instantiate crypto service",
            });
        }
        const withoutPrivate = { ...jwk, d: undefined };
        expect(problem(await put("broken", withoutPrivate))).toEqual([400, "BadParameter"]);
        expect(problem(await put("broken", publicKey.export({ format: "jwk" })))).toEqual([
            400,
            "BadParameter",
        ]);
        const ecdh = createECDH("prime256v1");
        ecdh.generateKeys();
        const ec = ecKeyPair("P-256").privateKey.export({
            format: "jwk",
        });
        const mixed = { ...ec, d: ecdh.getPrivateKey().toString("base64url") };
        expect(problem(await put("broken", mixed))).toEqual([400, "BadParameter"]);
        expect((await server.send("GET", "/keys/broken")).status).toBe(404);
    });

    test("1024 bits are taken for software, not for an HSM", async () => {
        const small = rsaKeyPair(1024).privateKey.export({
            format: "jwk",
        });
        expect((await put("small", small)).status).toBe(200);
        expect((await put("small", small, { Hsm: true })).status).toBe(400);
    });

    test("a deleted name is refused", async () => {
        const { name } = await create();
        await server.send("DELETE", `/keys/${name}`);
        const answer = await put(name.toUpperCase(), jwk);
        expect(problem(answer)).toEqual([409, "Conflict", "ObjectIsDeletedButRecoverable"]);
    });
});

describe("update", () => {
    test("changes what is sent and keeps the rest, of this version only", async () => {
        const { name, answer } = await create({
            kty: "RSA",
            tags: { a: "1" },
            attributes: { nbf: 5 },
        });
        const id = answer.body.key.kid.split("/").at(-1);
        await server.send("POST", `/keys/${name}/create`, { kty: "RSA" });
        const patched = await server.send("PATCH", `/keys/${name}/${id}`, {
            key_ops: ["verify"],
            attributes: { exp: 4000000000 },
        });
        expect(patched.body.key).toEqual({ ...answer.body.key, key_ops: ["verify"] });
        expect(patched.body.attributes).toEqual({ ...answer.body.attributes, exp: 4000000000 });
        expect(patched.body.tags).toEqual({ a: "1" });
        const current = await server.send("GET", `/keys/${name}/`);
        expect(current.body.key.key_ops).toHaveLength(6);
        expect(current.body.attributes.exp).toBeUndefined();
        const retagged = await server.send("PATCH", `/keys/${name}/${id}`, { tags: { b: "2" } });
        expect(retagged.body.tags).toEqual({ b: "2" });
        expect(retagged.body.attributes.exp).toBe(4000000000);
    });

    test("a KEK stays a KEK, and no other key becomes one", async () => {
        const { name: kek } = await create({ kty: "RSA-HSM", key_ops: ["import"] });
        const { name: other } = await create({ kty: "RSA-HSM" });
        expect(problem(await server.send("PATCH", `/keys/${kek}`, { key_ops: ["sign"] }))).toEqual([
            400,
            "BadParameter",
        ]);
        expect(
            problem(await server.send("PATCH", `/keys/${other}`, { key_ops: ["import"] })),
        ).toEqual([400, "BadParameter"]);
        const { body } = await server.send("PATCH", `/keys/${kek}`, {
            attributes: { exp: 4000000000 },
        });
        expect(body.attributes.exp).toBe(body.attributes.created + 48 * 3600);
    });
});

describe("what a key permits", () => {
    const digest = Buffer.alloc(32, 1).toString("base64url");
    const operations: Record<string, object> = {
        encrypt: { alg: "RSA-OAEP", value: "AQ" },
        decrypt: { alg: "RSA-OAEP", value: "AQ" },
        wrapKey: { alg: "RSA-OAEP", value: "AQ" },
        unwrapKey: { alg: "RSA-OAEP", value: "AQ" },
        sign: { alg: "RS256", value: digest },
        verify: { alg: "RS256", digest, value: "AQ" },
    };
    const protecting = ["encrypt", "wrapKey", "sign"];
    let name: string;
    beforeAll(async () => {
        ({ name } = await create({ kty: "RSA" }));
    });
    const use = (operation: string) =>
        server.send("POST", `/keys/${name}/${operation}`, operations[operation]);

    test.each(Object.keys(operations))("%s", async (operation) => {
        const set = (change: object) => server.send("PATCH", `/keys/${name}`, change);
        const others = Object.keys(operations).filter((other) => other !== operation);
        const now = Math.floor(server.clock.now() / 1000);
        try {
            await set({ key_ops: others });
            const forbidden = await use(operation);
            expect(problem(forbidden)).toEqual([403, "Forbidden", "KeyOperationForbidden"]);
            expect(forbidden.body.error.message).toBe(
                `Operation ${operation} is not permitted on this key.`,
            );

            await set({ key_ops: [operation], attributes: { enabled: false } });
            const disabled = await use(operation);
            expect(problem(disabled)).toEqual([403, "Forbidden", "KeyDisabled"]);
            expect(disabled.body.error.message).toBe(
                `Operation ${operation} is not allowed on a disabled key.`,
            );
            expect((await server.send("GET", `/keys/${name}`)).status).toBe(200);

            const admitted = (answer: Answer) => answer.status !== 403;
            await set({ attributes: { enabled: true, nbf: now + 1, exp: now + 100 } });
            expect(admitted(await use(operation))).toBe(!protecting.includes(operation));
            await set({ attributes: { nbf: now } });
            expect(admitted(await use(operation))).toBe(true);
            await set({ attributes: { exp: now } });
            const expired = await use(operation);
            expect(admitted(expired)).toBe(!protecting.includes(operation));
            if (!admitted(expired))
                expect(problem(expired)).toEqual([403, "Forbidden", "KeyExpired"]);
        } finally {
            await set({ attributes: { enabled: true, nbf: 0, exp: 4000000000 } });
        }
    });

    test("bad input is told apart", async () => {
        await server.send("PATCH", `/keys/${name}`, { key_ops: Object.keys(operations) });
        const message = async (operation: string, body: unknown) => {
            const answer = await server.send("POST", `/keys/${name}/${operation}`, body);
            expect(problem(answer)).toEqual([400, "BadParameter"]);
            return answer.body.error.message;
        };
        expect(await message("sign", { alg: "RS384", value: digest })).toBe(
            "Invalid length of 'value': 32 bytes. RS384 requires 48 bytes, encoded with base64url.",
        );
        expect(await message("decrypt", { alg: "RSA-OAEP", value: "a+/=" })).toBe(
            "Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n",
        );
        expect(await message("decrypt", { alg: "RSA-OAEP" })).toContain("'value' is required");
        expect(await message("decrypt", { alg: "RSA-OAEP", value: "AQ" })).toContain("incorrect");
        expect(
            await message("encrypt", {
                alg: "RSA-OAEP",
                value: Buffer.alloc(300).toString("base64url"),
            }),
        ).toContain("incorrect");
        expect(await message("encrypt", { alg: "A256GCM", value: "AQ" })).toContain("A256GCM");
        expect(await message("sign", { alg: "ES256", value: digest })).toContain("ES256");
        expect(await message("sign", undefined)).toContain("JSON object");
    });
});

describe("what isn't there", () => {
    test("live keys and versions", async () => {
        const { name, answer } = await create();
        const id = "0".repeat(32);
        for (const [method, path, missing] of [
            ["GET", "/keys/nobody", "nobody"],
            ["PATCH", "/keys/nobody", "nobody"],
            ["DELETE", "/keys/nobody", "nobody"],
            ["POST", "/keys/nobody/sign", "nobody"],
            ["POST", "/deletedkeys/nobody/recover", "nobody"],
            ["DELETE", "/deletedkeys/nobody", "nobody"],
            ["POST", `/deletedkeys/${name}/recover`, name],
            ["GET", `/keys/${name}/${id}`, `${name}/${id}`],
        ] as const) {
            const refused = await server.send(method, path, method === "PATCH" ? {} : undefined);
            expect(problem(refused)).toEqual([404, "KeyNotFound"]);
            expect(refused.body.error.message).toBe(notFoundText(missing));
        }
        expect(answer.status).toBe(200);
    });

    test("deleted keys", async () => {
        const { name } = await create();
        const answer = await server.send("GET", `/deletedkeys/${name}`);
        expect(answer.body.error).toEqual({
            code: "KeyNotFound",
            message: `Deleted Key not found: ${name}`,
        });
    });

    test("a vault that was deleted", async () => {
        const { vault } = server.state;
        server.state.vault = undefined;
        try {
            expect(problem(await server.send("GET", "/keys"))).toEqual([404, "VaultNotFound"]);
        } finally {
            server.state.vault = vault;
        }
    });
});

test("lists take 1 to 25 entries and tokens of their own", async () => {
    for (const query of ["maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=x"])
        expect(problem(await server.send("GET", `/keys?${query}`))).toEqual([400, "BadParameter"]);
    for (let i = 0; i < 3; i++) await create();
    const { body } = await server.send("GET", "/keys?maxresults=1");
    expect(body.value).toHaveLength(1);
    expect(body.nextLink).toMatch(
        new RegExp(
            `^${server.vault.uri}keys\\?api-version=2025-07-01&\\$skiptoken=[\\w-]+&maxresults=1$`,
        ),
    );
});

describe("deleted keys", () => {
    test("the answer to DELETE, then GET: the same", async () => {
        const { name, answer } = await create({ kty: "EC", tags: { a: "b" } });
        const deleted = await server.send("DELETE", `/keys/${name}`);
        expect(Object.keys(deleted.body as object)).toEqual([
            "recoveryId",
            "deletedDate",
            "scheduledPurgeDate",
            "key",
            "attributes",
            "tags",
        ]);
        expect(deleted.body).toMatchObject(answer.body);
        expect((await server.send("GET", `/deletedkeys/${name}`)).body).toEqual(deleted.body);
    });

    test("are gone when their time has come, and the name is free", async () => {
        const { name } = await create();
        await server.send("DELETE", `/keys/${name}`);
        const start = server.clock.time;
        try {
            server.clock.time += 90 * 86400_000;
            expect((await server.send("GET", `/deletedkeys/${name}`)).status).toBe(404);
            expect((await server.send("POST", `/keys/${name}/create`, { kty: "EC" })).status).toBe(
                200,
            );
            expect((await server.send("GET", `/keys/${name}/versions`)).body.value).toHaveLength(1);
        } finally {
            server.clock.time = start;
        }
    });

    test.each([
        [90, false, "Recoverable+Purgeable"],
        [7, false, "CustomizedRecoverable+Purgeable"],
        [90, true, "Recoverable"],
        [30, true, "CustomizedRecoverable"],
    ])(
        "%i days, protected: %s",
        async (softDeleteRetentionInDays, enablePurgeProtection, level) => {
            const before = server.state.vault;
            server.state.vault = {
                ...server.vault,
                softDeleteRetentionInDays,
                enablePurgeProtection,
            };
            try {
                const { name, answer } = await create();
                expect(answer.body.attributes).toMatchObject({
                    recoveryLevel: level,
                    recoverableDays: softDeleteRetentionInDays,
                });
                await server.send("DELETE", `/keys/${name}`);
                const purged = await server.send("DELETE", `/deletedkeys/${name}`);
                expect(purged.status).toBe(enablePurgeProtection ? 403 : 204);
                if (enablePurgeProtection)
                    expect(purged.body.error.message).toContain('Operation "purge" is not allowed');
            } finally {
                server.state.vault = before;
            }
        },
    );
});

test("a standard vault takes no HSM keys", async () => {
    const before = server.state.vault;
    server.state.vault = { ...server.vault, sku: "standard" };
    try {
        const { answer } = await create({ kty: "RSA-HSM" });
        expect(problem(answer)).toEqual([400, "BadParameter"]);
        expect(answer.body.error.message).toBe(
            "Hardware key operation not allowed on standard vault",
        );
        const ec = ecKeyPair("P-256").privateKey.export({
            format: "jwk",
        });
        expect(problem(await server.send("PUT", "/keys/hsm", { Hsm: true, key: ec }))).toEqual([
            400,
            "BadParameter",
        ]);
        expect((await server.send("PUT", "/keys/soft", { Hsm: false, key: ec })).status).toBe(200);
    } finally {
        server.state.vault = before;
    }
});

test("the request log has one entry for each request", async () => {
    const { name } = await create();
    const token = server.token(["get"]);
    server.log.length = 0;
    await server.send("POST", `/keys/${name}//sign`, { alg: "ES256", value: "secret" }, { token });
    await server.send("GET", `/keys/${name}`, undefined, { token: "unknown" });
    await server.send("GET", `/keys/${name}`, undefined, { token });
    expect(server.log).toEqual([
        expect.objectContaining({
            operation: "sign",
            status: 403,
            code: "ForbiddenByPolicy",
            path: `/keys/${name}//sign`,
        }),
        expect.objectContaining({
            operation: "get",
            status: 401,
            code: "Unauthorized",
            clientId: undefined,
        }),
        {
            time: new Date(server.clock.now()).toISOString(),
            plane: "keyvault",
            vault: "Learn-KeyVault",
            method: "GET",
            path: `/keys/${name}`,
            operation: "get",
            key: name,
            status: 200,
            code: undefined,
            clientId: expect.stringMatching(/^[-0-9a-f]{36}$/) as unknown,
        },
    ]);
    expect(JSON.stringify(server.log)).not.toContain("secret");
});
