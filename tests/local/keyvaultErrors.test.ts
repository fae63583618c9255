import type { FastifyRequest } from "fastify";
import { limitRequests } from "../../local/limitRequests";
import { errors } from "../../local/keyvault/errors";
import { rsaKeyPair } from "../keyPair";
import { cloudServices } from "./cloudFixture";
import { tenantId } from "./keyvaultFixture";
import { startServer, type Server } from "./keyvaultServer";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

/** Every error of which status, codes and text are known from the real service, word for word. */

let server: Server;
beforeAll(async () => {
    server = await startServer(
        {},
        {
            prepare: (app) =>
                limitRequests(app, {
                    enabled: () => server.settings.limits,
                    clock: { now: () => server.clock.now() },
                    operationOf: ({ routeOptions }: FastifyRequest) =>
                        (routeOptions.config as { operation?: { name: string } }).operation?.name,
                    keyOf: () => ({ kty: "EC" }),
                    throttled: errors.throttled,
                }),
        },
    );
});
afterAll(() => server.stop());

type Row = [status: number, code: string, innerCode: string | undefined, message: string | RegExp];

async function expectError(
    row: Row,
    method: string,
    path: string,
    body?: unknown,
    options: Parameters<Server["send"]>[3] & { to?: Server } = {},
) {
    const answer = await (options.to ?? server).send(method, path, body, options);
    const [status, code, innerCode, message] = row;
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(answer.headers).not.toHaveProperty("retry-after");
    expect(answer.headers).not.toHaveProperty("etag");
    expect({ status: answer.status, body: answer.body }).toEqual({
        status,
        body: {
            error: {
                code,
                message:
                    typeof message === "string"
                        ? message
                        : (expect.stringMatching(message) as unknown),
                ...(innerCode && { innererror: { code: innerCode } }),
            },
        },
    });
    return answer;
}

let count = 0;
async function create(body: object = { kty: "EC" }): Promise<string> {
    const name = `key-${count++}`;
    const answer = await server.send("POST", `/keys/${name}/create`, body);
    expect(answer.status).toBe(200);
    return name;
}
async function createDeleted(): Promise<string> {
    const name = await create();
    await server.send("DELETE", `/keys/${name}`);
    return name;
}
async function withDelay(run: () => Promise<void>) {
    server.settings.visibilityDelay = 5;
    try {
        await run();
    } finally {
        server.settings.visibilityDelay = 0;
    }
}
async function withVault(change: Partial<Server["vault"]>, run: () => Promise<void>) {
    server.state.vault = { ...server.vault, ...change };
    try {
        await run();
    } finally {
        server.state.vault = server.vault;
    }
}
const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
const exactly = (text: string) => new RegExp(`^${text}$`);
const digest = Buffer.alloc(32, 1).toString("base64url");
const bad = (message: string): Row => [400, "BadParameter", undefined, message];

describe("404", () => {
    const notFound = (id: string): Row => [
        404,
        "KeyNotFound",
        undefined,
        `A key with (name/id) ${id} was not found in this key vault. If you recently deleted this key you may be able to ` +
            "recover it using the correct recovery command. For help resolving this issue, please see " +
            "https://go.microsoft.com/fwlink/?linkid=2125182",
    ];

    test.each([
        ["GET", "/keys/nobody", undefined],
        ["GET", "/keys/nobody/", undefined],
        ["PATCH", "/keys/nobody", {}],
        ["DELETE", "/keys/nobody", undefined],
        ["POST", "/keys/nobody/backup", undefined],
        ["POST", "/keys/nobody/rotate", undefined],
        ["GET", "/keys/nobody/rotationpolicy", undefined],
        ["PUT", "/keys/nobody/rotationpolicy", {}],
        ["POST", "/keys/nobody//decrypt", { alg: "RSA-OAEP", value: "AQ" }],
        ["POST", "/keys/nobody/release", { target: "x" }],
        ["POST", "/deletedkeys/nobody/recover", undefined],
        ["DELETE", "/deletedkeys/nobody", undefined],
    ])("%s %s", (method, path, body) => expectError(notFound("nobody"), method, path, body));

    test("a version that isn't there (its form is assumed)", async () => {
        const name = await create();
        const id = `${name}/${"0".repeat(32)}`;
        await expectError(notFound(id), "GET", `/keys/${id}`);
    });

    test("a second deletion, and anything with a deleted key", async () => {
        const name = await createDeleted();
        for (const [method, path] of [
            ["DELETE", `/keys/${name}`],
            ["GET", `/keys/${name}`],
            ["POST", `/keys/${name}/rotate`],
            ["POST", `/keys/${name}/backup`],
        ] as const)
            await expectError(notFound(name), method, path);
    });

    test("a deleted key that isn't there", async () => {
        const live = await create();
        for (const name of ["nobody", live])
            await expectError(
                [404, "KeyNotFound", undefined, `Deleted Key not found: ${name}`],
                "GET",
                `/deletedkeys/${name}`,
            );
    });
});

describe("409", () => {
    const jwk = rsaKeyPair(2048).privateKey.export({ format: "jwk" });

    test("a deleted name", async () => {
        const name = await createDeleted();
        const row: Row = [
            409,
            "Conflict",
            "ObjectIsDeletedButRecoverable",
            `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key ` +
                "can only be recovered or purged.",
        ];
        await expectError(row, "POST", `/keys/${name}/create`, { kty: "EC" });
        await expectError(row, "PUT", `/keys/${name}`, { key: jwk });
    });

    test("a name that is being deleted", () =>
        withDelay(async () => {
            const name = await createDeleted();
            const row: Row = [
                409,
                "Conflict",
                "ObjectIsBeingDeleted",
                `Key ${name} is currently being deleted and cannot be re-created; retry later.`,
            ];
            await expectError(row, "POST", `/keys/${name}/create`, { kty: "EC" });
            await expectError(row, "PUT", `/keys/${name}`, { key: jwk });
        }));

    test("a name that is being recovered (published for secrets)", async () => {
        const name = await createDeleted();
        await withDelay(async () => {
            await server.send("POST", `/deletedkeys/${name}/recover`);
            await expectError(
                [
                    409,
                    "Conflict",
                    "ObjectIsBeingRecovered",
                    `Key ${name} is currently being recovered and cannot be re-created; retry later.`,
                ],
                "POST",
                `/keys/${name}/create`,
                { kty: "EC" },
            );
        });
    });

    test("recovered twice at once", async () => {
        const name = await createDeleted();
        await withDelay(async () => {
            const { body } = await server.send("POST", `/deletedkeys/${name}/recover`);
            await expectError(
                [
                    409,
                    "Conflict",
                    undefined,
                    `There was a conflict while recovering the soft-deleted key '${body.key.kid}'. This can happen when multiple ` +
                        "operations are performed in parallel against the soft-deleted key. To avoid this error, perform operations " +
                        "against the soft-deleted key in a sequential manner.",
                ],
                "POST",
                `/deletedkeys/${name}/recover`,
            );
        });
    });

    test("restored over a live key, over a deleted one, and right after a purge", async () => {
        const name = await create();
        const { value } = (await server.send("POST", `/keys/${name}/backup`)).body;
        const { kid } = (await server.send("GET", `/keys/${name}`)).body.key;
        const expectConflict = () =>
            expectError(
                [
                    409,
                    "Conflict",
                    undefined,
                    `There was a conflict restoring the key '${kid}'. This can happen if either: a second key with the same name ` +
                        "was created after the first key was deleted; thus trying to restore a key whose name is already in use. " +
                        "To fix this, rename the second key to something else so that the restore works. The second probable cause " +
                        "of this exception is when multiple operations are performed in parallel against the key. To avoid this " +
                        "error, perform operations against a key in a sequential manner.",
                ],
                "POST",
                "/keys/restore",
                { value },
            );
        await expectConflict();
        await server.send("DELETE", `/keys/${name}`);
        await expectConflict();
        await withDelay(async () => {
            await server.send("DELETE", `/deletedkeys/${name}`);
            await expectConflict();
        });
        server.clock.time += 5000;
        expect((await server.send("POST", "/keys/restore", { value })).status).toBe(200);
    });
});

describe("400", () => {
    test("no kty", () =>
        expectError(
            bad("Property  has invalid value\r\nProperty  has invalid value\r\n"),
            "POST",
            "/keys/n/create",
            {},
        ));

    test("no name", () =>
        expectError(bad("Operation not specified"), "POST", "/keys//create", { kty: "EC" }));

    test("RSA's operations with EC", () =>
        expectError(
            bad(
                'Unsupported key operation(s): "wrapKey", "unwrapKey". Supported values are "sign", "verify".',
            ),
            "POST",
            "/keys/n/create",
            { kty: "EC", key_ops: ["wrapKey", "unwrapKey"] },
        ));

    test("a broken JSON Web Key", () =>
        expectError(
            bad("RSA key is not valid - cannot instantiate crypto service"),
            "PUT",
            "/keys/n",
            { key: { kty: "RSA", n: "AQ", e: "AQAB", d: "AQ", p: "AQ", q: "AQ" } },
        ));

    test("a release policy of a key that isn't exportable", () =>
        expectError(
            bad("AKV.SKR.1005: Non-exportable keys must not have release policy."),
            "POST",
            "/keys/n/create",
            { kty: "RSA-HSM", attributes: {}, release_policy: { data: "e30" } },
        ));

    test("an exportable key without a release policy", () =>
        expectError(
            bad("AKV.SKR.1004: Exportable keys must have release policy."),
            "POST",
            "/keys/n/create",
            { kty: "RSA-HSM", attributes: { exportable: true } },
        ));

    test("what isn't base64url", async () => {
        const name = await create({ kty: "RSA" });
        const row = bad(
            "Content of 'value' is not base64url.\r\nProperty 'value' is required.\r\n",
        );
        const body = { alg: "RSA-OAEP", value: "a+/=" };
        await expectError(row, "POST", `/keys/${name}/decrypt`, body);
        await expectError(row, "POST", "/keys/restore", body);
    });

    test("no backup", () =>
        expectError(
            [
                400,
                "Malformed backup blob",
                undefined,
                "Backup blob contains invalid or corrupt version.",
            ],
            "POST",
            "/keys/restore",
            { value: Buffer.alloc(100).toString("base64url") },
        ));

    test("a backup that ends within its version", () =>
        expectError(
            [400, "Malformed backup blob", undefined, "Backup blob is corrupt."],
            "POST",
            "/keys/restore",
            { value: Buffer.from("no backup").toString("base64url") },
        ));
});

describe("403", () => {
    const operations = {
        encrypt: { alg: "RSA-OAEP", value: "AQ" },
        decrypt: { alg: "RSA-OAEP", value: "AQ" },
        wrapKey: { alg: "RSA-OAEP", value: "AQ" },
        unwrapKey: { alg: "RSA-OAEP", value: "AQ" },
        sign: { alg: "RS256", value: digest },
        verify: { alg: "RS256", digest, value: "AQ" },
    };

    let name: string;
    beforeAll(async () => {
        name = await create({ kty: "RSA" });
    });

    test.each(Object.entries(operations))("%s isn't permitted", async (operation, body) => {
        const others = Object.keys(operations).filter((other) => other !== operation);
        const attributes = { enabled: true };
        await server.send("PATCH", `/keys/${name}`, { key_ops: others, attributes });
        await expectError(
            [
                403,
                "Forbidden",
                "KeyOperationForbidden",
                `Operation ${operation} is not permitted on this key.`,
            ],
            "POST",
            `/keys/${name}/${operation}`,
            body,
        );
    });

    test.each(Object.entries(operations))("%s with a disabled key", async (operation, body) => {
        await server.send("PATCH", `/keys/${name}`, { attributes: { enabled: false } });
        await expectError(
            [
                403,
                "Forbidden",
                "KeyDisabled",
                `Operation ${operation} is not allowed on a disabled key.`,
            ],
            "POST",
            `/keys/${name}/${operation}`,
            body,
        );
    });

    const caller = "appid=[-0-9a-f]{36};oid=[-0-9a-f]{36}";

    test("no access policy", () =>
        expectError(
            [
                403,
                "Forbidden",
                "ForbiddenByPolicy",
                exactly(
                    `The user, group or application '${caller};numgroups=0;iss=https://sts\\.windows\\.net/${tenantId}/' does ` +
                        `not have keys get permission on key vault 'Learn-KeyVault;location=westeurope'\\. For help resolving this ` +
                        `issue, please see https://go\\.microsoft\\.com/fwlink/\\?linkid=2125287`,
                ),
            ],
            "GET",
            "/keys/any",
            undefined,
            { token: server.token(["list"]) },
        ));

    test("no role assignment", () =>
        withVault({ enableRbacAuthorization: true }, async () => {
            await expectError(
                [
                    403,
                    "Forbidden",
                    "ForbiddenByRbac",
                    exactly(
                        "Caller is not authorized to perform action on resource\\.\r\n" +
                            "If role assignments, deny assignments or role definitions were changed recently, please observe " +
                            "propagation time\\.\r\n" +
                            `Caller: ${caller}.*;iss=https://sts\\.windows\\.net/${tenantId}/\r\n` +
                            "Action: 'Microsoft\\.KeyVault/vaults/keys/read'\r\n" +
                            `Resource: '${escaped(server.vault.resourceId.toLowerCase())}/keys/any'\r\n` +
                            "Assignment: \\(not found\\)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n" +
                            "Vault: Learn-KeyVault;location=westeurope\r\n",
                    ),
                ],
                "GET",
                "/keys/any",
                undefined,
                { token: server.token(["get"]) },
            );
        }));

    test("another address than the firewall permits", () =>
        withVault(
            {
                network: {
                    publicAccess: true,
                    allowedAddresses: ["192.0.2.0/24"],
                    bypass: "AzureServices",
                },
            },
            async () => {
                await expectError(
                    [
                        403,
                        "Forbidden",
                        "ForbiddenByFirewall",
                        /^Client address is not authorized and caller is not a trusted service\b/,
                    ],
                    "GET",
                    "/keys/any",
                );
            },
        ));

    test("a purge in a protected vault", async () => {
        const deleted = await createDeleted();
        await withVault({ enablePurgeProtection: true }, async () => {
            await expectError(
                [
                    403,
                    "Forbidden",
                    undefined,
                    /^Operation "purge" is not allowed because purge protection is enabled for this vault\. Key Vault service will automatically purge it after the retention period has passed\./,
                ],
                "DELETE",
                `/deletedkeys/${deleted}`,
            );
        });
    });
});

describe("401", () => {
    const challenge = `Bearer authorization="https://127.0.0.1:1/${tenantId}", resource="https://vault.azure.net"`;

    test("no token", async () => {
        const { headers } = await expectError(
            [
                401,
                "Unauthorized",
                undefined,
                "AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token.",
            ],
            "PUT",
            "/keys/n",
            undefined,
            { headers: { authorization: "" } },
        );
        expect(headers["www-authenticate"]).toBe(challenge);
    });

    test("a token for another audience, and of another tenant", async () => {
        const { authenticate, tokens, operator } = await cloudServices();
        const to = await startServer({}, { authenticate });
        const otherTenant = "99999999-9999-4999-8999-999999999999";
        const issue = async (tenant: string, audience: string) =>
            (await tokens.issue(tenant, audience, operator.principal)).access_token;
        try {
            const { headers } = await expectError(
                [
                    401,
                    "Unauthorized",
                    undefined,
                    "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://management.azure.com.",
                ],
                "GET",
                "/keys",
                undefined,
                { to, token: await issue(tenantId, "https://management.azure.com") },
            );
            expect(headers["www-authenticate"]).toBe(challenge);
            await expectError(
                [
                    401,
                    "Unauthorized",
                    undefined,
                    `AKV10032: Invalid issuer. Expected one of https://sts.windows.net/${tenantId}/, ` +
                        `found https://sts.windows.net/${otherTenant}/.`,
                ],
                "GET",
                "/keys",
                undefined,
                { to, token: await issue(otherTenant, "https://vault.azure.net") },
            );
        } finally {
            await to.stop();
        }
    });
});

test("429: over the limit", async () => {
    server.settings.limits = true;
    try {
        for (let made = 0; made < 20; made++) await create();
        await expectError(
            [
                429,
                "Throttled",
                undefined,
                "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
            ],
            "POST",
            "/keys/n/create",
            { kty: "EC" },
        );
    } finally {
        server.settings.limits = false;
    }
});
