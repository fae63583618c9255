import { fastify, type FastifyInstance } from "fastify";
import {
    createLocalJWKSet,
    decodeJwt,
    decodeProtectedHeader,
    importJWK,
    jwtVerify,
    SignJWT,
    type JWK,
} from "jose";
import { entraRoutes } from "../../local/entra/app";
import { Tokens } from "../../local/entra/tokens";
import { cloudServices, memoryStore, newServicePrincipal, tenantId } from "./cloudFixture";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

const authorityHost = "https://127.0.0.1:20000";
const vaultScope = "https://vault.azure.net/.default";

let services: Awaited<ReturnType<typeof cloudServices>>;
let client: Awaited<ReturnType<typeof newServicePrincipal>>;
let app: FastifyInstance;

beforeEach(async () => {
    services = await cloudServices();
    client = await newServicePrincipal(services.directory, "client");
    app = fastify();
    const issuerKeys = () => Promise.reject(new Error("not asked here"));
    await app.register(
        entraRoutes({ ...services, authorityHost: () => authorityHost, issuerKeys }),
    );
});
afterEach(() => app.close());

async function token(form: Record<string, string | undefined>, tenant = tenantId) {
    const whole: Record<string, string | undefined> = {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        grant_type: "client_credentials",
        scope: vaultScope,
        ...form,
    };
    const sent = Object.entries(whole).filter((pair): pair is [string, string] => !!pair[1]);
    const response = await app.inject({
        method: "POST",
        url: `/${tenant}/oauth2/v2.0/token?client-request-id=request-1`,
        headers: { "content-type": "application/x-www-form-urlencoded" },
        payload: new URLSearchParams(sent).toString(),
    });
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
}

const accessToken = async (form: Record<string, string> = {}) =>
    String((await token(form)).body.access_token);

describe("OpenID configuration", () => {
    test("names the endpoints, with an issuer of the authority's origin", async () => {
        const response = await app.inject(`/${tenantId}/v2.0/.well-known/openid-configuration`);
        expect(response.statusCode).toBe(200);
        expect(response.json()).toMatchObject({
            issuer: `${authorityHost}/${tenantId}/v2.0`,
            token_endpoint: `${authorityHost}/${tenantId}/oauth2/v2.0/token`,
            authorization_endpoint: `${authorityHost}/${tenantId}/oauth2/v2.0/authorize`,
            jwks_uri: `${authorityHost}/${tenantId}/discovery/v2.0/keys`,
        });
    });

    test("of an unknown tenant is refused", async () => {
        const response = await app.inject("/contoso/v2.0/.well-known/openid-configuration");
        expect(response.statusCode).toBe(400);
        expect(response.json()).toMatchObject({
            error: "invalid_tenant",
            error_codes: [90002],
            error_description: expect.stringContaining(
                "AADSTS90002: Tenant 'contoso' not found.",
            ) as string,
        });
    });
});

describe("token endpoint", () => {
    test("gives a v1.0 token that the published keys verify", async () => {
        const { status, body } = await token({});
        expect(status).toBe(200);
        expect(body).toMatchObject({
            token_type: "Bearer",
            expires_in: 3599,
            ext_expires_in: 3599,
        });
        const keys = await app.inject(`/${tenantId}/discovery/v2.0/keys`);
        const verified = await jwtVerify(
            String(body.access_token),
            createLocalJWKSet(keys.json()),
            { currentDate: new Date(services.clock.now()) },
        );
        expect(verified.payload).toMatchObject({
            aud: "https://vault.azure.net",
            iss: `https://sts.windows.net/${tenantId}/`,
            appid: client.clientId,
            oid: client.principal.objectId,
            tid: tenantId,
            ver: "1.0",
        });
        expect(keys.body).not.toMatch(/"(d|p|q|dp|dq|qi)"/);
    });

    test.each([
        ["https://management.azure.com/.default", "https://management.azure.com"],
        ["https://management.core.windows.net//.default", "https://management.core.windows.net/"],
        ["https://graph.microsoft.com/.default", "https://graph.microsoft.com"],
    ])("scope %s is for the audience %s", async (scope, audience) => {
        expect(decodeJwt(await accessToken({ scope })).aud).toBe(audience);
    });

    test.each<[string, Record<string, string | undefined>, number, string, number]>([
        ["wrong secret", { client_secret: "wrong-secret" }, 401, "invalid_client", 7000215],
        ["no credential", { client_secret: undefined }, 401, "invalid_client", 7000216],
        ["unknown client", { client_id: "nobody" }, 400, "unauthorized_client", 700016],
        ["another grant", { grant_type: "password" }, 400, "unsupported_grant_type", 70003],
        ["no grant", { grant_type: undefined }, 400, "invalid_request", 900144],
        ["no scope", { scope: undefined }, 400, "invalid_request", 900144],
        [
            "one permission",
            { scope: "https://vault.azure.net/read" },
            400,
            "invalid_scope",
            1002012,
        ],
        ["unknown resource", { scope: "https://x.test/.default" }, 400, "invalid_resource", 500011],
    ])("%s is refused", async (_case, form, status, error, code) => {
        const refused = await token(form);
        expect(refused.status).toBe(status);
        expect(refused.body).toMatchObject({
            error,
            error_codes: [code],
            correlation_id: "request-1",
            error_description: expect.stringMatching(
                new RegExp(
                    `^AADSTS${code}: [^]*\\r\\nTrace ID: [^]*\\r\\nTimestamp: 2026-11-24 00:00:00Z$`,
                ),
            ) as string,
        });
        expect(JSON.stringify(refused.body)).not.toContain("wrong-secret");
    });

    test("of another tenant is refused", async () => {
        expect(await token({}, "contoso")).toMatchObject({
            status: 400,
            body: { error: "invalid_request", error_codes: [90002] },
        });
    });

    test("a secret ends with its end date", async () => {
        services.clock.set("2028-11-23T23:59:59Z");
        expect((await token({})).status).toBe(200);
        services.clock.set("2028-11-24T00:00:00Z");
        expect(await token({})).toMatchObject({ status: 401, body: { error_codes: [7000222] } });
    });

    test("a removed secret, a removed service principal, a removed application", async () => {
        const { directory } = services;
        const second = await directory.addPassword(client.application.objectId, {});
        await directory.removePassword(client.password.keyId);
        expect((await token({})).body).toMatchObject({ error_codes: [7000215] });
        expect((await token({ client_secret: second.value })).status).toBe(200);

        await directory.deleteServicePrincipal(client.principal.objectId);
        expect((await token({ client_secret: second.value })).body).toMatchObject({
            error_codes: [7000229],
        });
        await directory.deleteApplication(client.application.objectId);
        expect((await token({})).body).toMatchObject({ error_codes: [700016] });
    });

    test("no secret is kept in the clear", () => {
        const kept = [...services.store.collection("entra.passwords").values()];
        expect(kept.length).toBeGreaterThan(0);
        expect(JSON.stringify(kept)).not.toContain(client.clientSecret);
    });
});

describe("what a vault accepts", () => {
    test("a token for Key Vault says who calls", async () => {
        const caller = await services.authenticate(await accessToken());
        expect(caller).toEqual({
            tenantId,
            appId: client.clientId,
            objectId: client.principal.objectId,
            operator: false,
        });
        const { clientId, clientSecret } = services.operator;
        const operator = await accessToken({ client_id: clientId, client_secret: clientSecret });
        expect(await services.authenticate(operator)).toMatchObject({ operator: true });
    });

    const refusal = (bearerToken: string) =>
        expect(services.authenticate(bearerToken)).rejects.toMatchObject({
            status: 401,
            code: "Unauthorized",
        });

    test("another audience", async () => {
        const other = await accessToken({ scope: "https://management.azure.com/.default" });
        await refusal(other);
        await expect(services.authenticate(other)).rejects.toThrow(
            "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://management.azure.com.",
        );
    });

    test("another tenant", async () => {
        const foreign = "99999999-9999-4999-8999-999999999999";
        const { access_token } = await services.tokens.issue(
            foreign,
            "https://vault.azure.net",
            client.principal,
        );
        await refusal(access_token);
        await expect(services.authenticate(access_token)).rejects.toThrow(
            `AKV10032: Invalid issuer. Expected one of https://sts.windows.net/${tenantId}/, found https://sts.windows.net/${foreign}/.`,
        );
    });

    test("another tenant's application, whatever the issuer says", async () => {
        const keys = services.store.collection("entra.signingKey").get("current");
        const foreign = "99999999-9999-4999-8999-999999999999";
        const forged = await new SignJWT({
            ...decodeJwt(await accessToken()),
            tid: foreign,
        })
            .setProtectedHeader({ ...decodeProtectedHeader(await accessToken()), alg: "RS256" })
            .sign(await importJWK(keys as JWK, "RS256"));
        await refusal(forged);
        await expect(services.authenticate(forged)).rejects.toThrow("AKV10032");
    });

    test("a token that isn't valid yet", async () => {
        const early = await accessToken();
        services.clock.set("2026-11-23T23:55:00Z");
        await services.authenticate(early);
        services.clock.set("2026-11-23T23:54:59Z");
        await refusal(early);
        await expect(services.authenticate(early)).rejects.toThrow("not valid yet");
    });

    test("a token that is over", async () => {
        const old = await accessToken();
        services.clock.set("2026-11-24T01:04:59Z");
        await services.authenticate(old);
        services.clock.set("2026-11-24T01:05:01Z");
        await refusal(old);
        await expect(services.authenticate(old)).rejects.toThrow("TokenExpired");
    });

    test("claims that were changed, or signed by someone else", async () => {
        const [header, , signature] = (await accessToken()).split(".");
        const claims = decodeJwt(await accessToken());
        const forged = Buffer.from(JSON.stringify({ ...claims, oid: "x" })).toString("base64url");
        await refusal(`${header}.${forged}.${signature}`);
        const others = await Tokens.open(memoryStore(), services.clock);
        const { access_token } = await others.issue(
            tenantId,
            "https://vault.azure.net",
            client.principal,
        );
        await refusal(access_token);
        await refusal("not.a.token");
        // RFC 8725, section 3.1: an unsigned token must never pass.
        const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
        await refusal(`${none}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.`);
    });

    test("a service principal that was deleted", async () => {
        const live = await accessToken();
        await services.directory.deleteServicePrincipal(client.principal.objectId);
        await refusal(live);
    });
});
