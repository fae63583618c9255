import { createHash, X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClientAssertionCredential, ClientCertificateCredential } from "@azure/identity";
import { fastify, type FastifyInstance } from "fastify";
import { decodeJwt, exportJWK, SignJWT, type JWTPayload } from "jose";
import forge from "node-forge";
import { entraRoutes } from "../../local/entra/app";
import { GraphError } from "../../local/entra/directory";
import { issuerKeys } from "../../local/entra/issuerKeys";
import { certificates, type KeyAndCertificate } from "../../local/tls";
import { rsaKeyPair } from "../keyPair";
import { cloudServices, newServicePrincipal, tenantId } from "./cloudFixture";

// RSA keys are made at the start; on a busy machine that takes its time.
jest.setTimeout(60_000);

const vaultScope = "https://vault.azure.net/.default";
const subject = "repo:example/stack:environment:production";
const audience = "api://AzureADTokenExchange";
const day = 86_400_000;

/** The key and certificate of an application, signed by itself: valid for a day before and after now. */
function applicationCertificate() {
    const { privateKey } = rsaKeyPair(2048);
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const key = forge.pki.privateKeyFromPem(pem);
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
    certificate.serialNumber = "01";
    certificate.validity.notBefore = new Date(Date.now() - day);
    certificate.validity.notAfter = new Date(Date.now() + day);
    const name = [{ name: "commonName", value: "application" }];
    certificate.setSubject(name);
    certificate.setIssuer(name);
    certificate.sign(key, forge.md.sha256.create());
    const cert = forge.pki.certificateToPem(certificate);
    const der = new X509Certificate(cert).raw;
    const digest = (algorithm: string) => createHash(algorithm).update(der).digest();
    return { privateKey, pem, cert, der, sha1: digest("sha1"), sha256: digest("sha256") };
}

let folder: string;
let authority: KeyAndCertificate;
let https: KeyAndCertificate;
let own: ReturnType<typeof applicationCertificate>;
let other: ReturnType<typeof applicationCertificate>;
let services: Awaited<ReturnType<typeof cloudServices>>;
let client: Awaited<ReturnType<typeof newServicePrincipal>>;
let app: FastifyInstance;
let issuerApp: FastifyInstance;
let authorityHost: string;
let issuer: string;
/** How often the issuer's keys were asked for. */
let fetched: number;

beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "entra-"));
    ({ authority, server: https } = await certificates({
        key: join(folder, "ca.key"),
        cert: join(folder, "ca.pem"),
    }));
    own = applicationCertificate();
    other = applicationCertificate();
});
afterAll(() => rm(folder, { recursive: true }));

const listen = async (served: FastifyInstance) => {
    await served.listen({ host: "127.0.0.1", port: 0 });
    return `https://127.0.0.1:${(served.server.address() as AddressInfo).port}`;
};

beforeEach(async () => {
    services = await cloudServices();
    // The SDK's assertions bear the system's time.
    services.clock.set(new Date().toISOString());
    client = await newServicePrincipal(services.directory, "client");
    app = fastify({ https, forceCloseConnections: true });
    await app.register(
        entraRoutes({
            ...services,
            authorityHost: () => authorityHost,
            issuerKeys: issuerKeys(authority.cert),
        }),
    );
    authorityHost = await listen(app);

    issuerApp = fastify({ https, forceCloseConnections: true });
    fetched = 0;
    issuerApp.get("/.well-known/openid-configuration", () => ({
        issuer,
        jwks_uri: `${issuer}/keys`,
    }));
    issuerApp.get("/keys", async () => {
        fetched++;
        const { n, e } = await exportJWK(other.privateKey);
        return { keys: [{ kty: "RSA", n, e, kid: "issuer-1", use: "sig", alg: "RS256" }] };
    });
    issuer = await listen(issuerApp);
});
afterEach(async () => {
    await app.close();
    await issuerApp.close();
});

const sdkOptions = () => ({
    authorityHost,
    disableInstanceDiscovery: true,
    tlsOptions: { ca: authority.cert },
    retryOptions: { maxRetries: 0 },
});

async function token(assertion: string, form: Record<string, string> = {}) {
    const response = await app.inject({
        method: "POST",
        url: `/${tenantId}/oauth2/v2.0/token`,
        headers: { "content-type": "application/x-www-form-urlencoded" },
        payload: new URLSearchParams({
            client_id: client.clientId,
            client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            client_assertion: assertion,
            grant_type: "client_credentials",
            scope: vaultScope,
            ...form,
        }).toString(),
    });
    const body = response.json<Record<string, unknown>>();
    return { status: response.statusCode, body, text: String(body.error_description) };
}

const refused = (status: number, error: string, code: number, text: RegExp) => ({
    status,
    body: expect.objectContaining({ error, error_codes: [code] }) as object,
    text: expect.stringMatching(new RegExp(`^AADSTS${code}: ${text.source}`)) as string,
});

const seconds = () => Math.floor(services.clock.now() / 1000);

describe("a client certificate", () => {
    const addCertificate = (options: object = {}) =>
        services.directory.addCertificate(client.application.objectId, {
            value: own.cert,
            ...options,
        });

    function assertion(
        change: { claims?: JWTPayload; header?: object; key?: typeof own; alg?: string } = {},
    ) {
        const { claims, key = own, alg = "PS256" } = change;
        return new SignJWT({
            aud: `${authorityHost}/${tenantId}/oauth2/v2.0/token`,
            iss: client.clientId,
            sub: client.clientId,
            jti: "1",
            nbf: seconds(),
            exp: seconds() + 600,
            ...claims,
        })
            .setProtectedHeader({
                typ: "JWT",
                alg,
                ...(change.header ?? { "x5t#S256": own.sha256.toString("base64url") }),
            })
            .sign(key.privateKey);
    }

    test.each([false, true])(
        "of the application gives the SDK a token (chain sent: %s)",
        async (sendCertificateChain) => {
            await addCertificate();
            const credential = new ClientCertificateCredential(
                tenantId,
                client.clientId,
                { certificate: `${own.pem}\n${own.cert}` },
                { ...sdkOptions(), sendCertificateChain },
            );
            const { token: bearer } = await credential.getToken(vaultScope);
            expect(await services.authenticate(bearer)).toMatchObject({ appId: client.clientId });
            expect(decodeJwt(bearer)).toMatchObject({ appidacr: "2" });
        },
    );

    test("that isn't registered is refused, and the SDK says why", async () => {
        const credential = new ClientCertificateCredential(
            tenantId,
            client.clientId,
            { certificate: `${own.pem}\n${own.cert}` },
            sdkOptions(),
        );
        await expect(credential.getToken(vaultScope)).rejects.toThrow(/700027/);
    });

    test("is found by any of its thumbprints, and by itself", async () => {
        await addCertificate({ value: own.der.toString("base64"), encoding: "base64" });
        const headers = [
            { "x5t#S256": own.sha256.toString("base64url") },
            { x5t: own.sha1.toString("base64url") },
            { x5c: [own.der.toString("base64")] },
        ];
        for (const header of headers) {
            expect(await token(await assertion({ header, alg: "RS256" }))).toMatchObject({
                status: 200,
                body: { token_type: "Bearer" },
            });
        }
        expect(await token(await assertion({ header: {} }))).toEqual(
            refused(400, "invalid_request", 50027, /Invalid JWT token\. No certificate thumbprint/),
        );
    });

    test("of another application, or another key behind its thumbprint, is refused", async () => {
        await addCertificate();
        const header = { x5t: other.sha1.toString("base64url") };
        const thumbprint = other.sha1.toString("hex").toUpperCase();
        expect(await token(await assertion({ header, key: other }))).toEqual(
            refused(
                401,
                "invalid_client",
                700027,
                new RegExp(
                    "The certificate with identifier used to sign the client assertion is not registered on application\\. " +
                        `\\[Reason - The key was not found\\., Thumbprint of key used by client: '${thumbprint}', `,
                ),
            ),
        );
        const signature =
            /Client assertion contains an invalid signature\. \[Reason - The provided signature value did not match the expected signature value\., .*Found key 'Start=\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d, End=/;
        expect(await token(await assertion({ key: other }))).toEqual(
            refused(401, "invalid_client", 700027, signature),
        );
    });

    test("counts within its dates, up to a shorter end date", async () => {
        const at = new Date(services.clock.now() + 3_600_000).toISOString();
        await addCertificate({ endDate: at });
        expect((await token(await assertion())).status).toBe(200);
        services.clock.set(at);
        expect(await token(await assertion())).toEqual(
            refused(
                401,
                "invalid_client",
                700027,
                /Client assertion contains an invalid signature\. \[Reason - The key used is expired\., /,
            ),
        );
    });

    test.each<[string, () => JWTPayload, number, RegExp]>([
        [
            "that is over",
            () => ({ exp: seconds() - 301 }),
            700024,
            /Client assertion is not within its valid time range\. Current time: /,
        ],
        [
            "that isn't valid yet",
            () => ({ nbf: seconds() + 302, exp: seconds() + 900 }),
            700024,
            /Client assertion is not within its valid time range\. /,
        ],
        [
            "that never ends",
            () => ({ exp: undefined }),
            700024,
            /Client assertion is not within its valid time range\. /,
        ],
        [
            "for another audience",
            () => ({ aud: "https://login.example/token" }),
            700023,
            /Client assertion audience claim does not match/,
        ],
        [
            "about another client",
            () => ({ sub: tenantId }),
            700021,
            /Client assertion application identifier doesn't match 'client_id' parameter\./,
        ],
    ])("with an assertion %s is refused", async (_case, claims, code, text) => {
        await addCertificate();
        expect(await token(await assertion({ claims: claims() }))).toEqual(
            refused(401, "invalid_client", code, text),
        );
    });

    test("needs an assertion that is one, and its type", async () => {
        await addCertificate();
        expect(await token("not-a-token")).toEqual(
            refused(400, "invalid_request", 50027, /JWT token is invalid or malformed\./),
        );
        expect(await token(await assertion(), { client_assertion_type: "saml" })).toEqual(
            refused(400, "invalid_request", 900144, /.*'client_assertion_type'/),
        );
        // RFC 8725, section 3.1: an unsigned token must never pass.
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
        const header = part({ alg: "none", "x5t#S256": own.sha256.toString("base64url") });
        const claims = part(decodeJwt(await assertion()));
        expect(await token(`${header}.${claims}.`)).toMatchObject({ status: 401 });
    });

    test("is registered only if it is one, within its own dates, and is gone with its application", async () => {
        await expect(addCertificate({ value: "nonsense" })).rejects.toThrow(GraphError);
        const late = new Date(Date.now() + 3 * day).toISOString();
        await expect(addCertificate({ endDate: late })).rejects.toThrow(/within the certificate/);
        const { objectId } = client.application;
        const { keyId } = await addCertificate();
        await services.directory.deleteApplication(objectId);
        expect(services.directory.certificate(keyId)).toBeUndefined();
    });
});

describe("a federated identity credential", () => {
    const trust = (change: object = {}) =>
        services.directory.addFederatedCredential(client.application.objectId, {
            displayName: "pipeline",
            issuer,
            subject,
            audiences: [audience],
            ...change,
        });
    const assertion = (claims: JWTPayload = {}, key = other, kid = "issuer-1") =>
        new SignJWT({
            iss: issuer,
            sub: subject,
            aud: audience,
            nbf: seconds(),
            exp: seconds() + 300,
            ...claims,
        })
            .setProtectedHeader({ typ: "JWT", alg: "RS256", kid })
            .sign(key.privateKey);

    test("gives the SDK a token for what its issuer signed", async () => {
        await trust();
        const credential = new ClientAssertionCredential(
            tenantId,
            client.clientId,
            () => assertion(),
            sdkOptions(),
        );
        const { token: bearer } = await credential.getToken(vaultScope);
        expect(await services.authenticate(bearer)).toMatchObject({ appId: client.clientId });
        expect(fetched).toBe(1);
    });

    test("has to be there", async () => {
        expect(await token(await assertion())).toEqual(
            refused(
                400,
                "invalid_request",
                70021,
                new RegExp(
                    "No matching federated identity record found for presented assertion\\. " +
                        `Assertion Issuer: '${issuer}'\\. Assertion Subject: '${subject}'\\. Assertion Audience: '${audience}'\\.`,
                ),
            ),
        );
    });

    test.each<[string, () => JWTPayload, number, RegExp]>([
        ["issuer", () => ({ iss: `${issuer}/` }), 700211, /.*presented assertion issuer '.*\/'\. /],
        ["audience", () => ({ aud: "x" }), 700212, /.*presented assertion audience 'x'\. Check/],
        ["subject", () => ({ sub: "x" }), 700213, /.*presented assertion subject 'x'\. Check/],
        [
            "case of the subject",
            () => ({ sub: subject.toUpperCase() }),
            7002138,
            /.*matches with case-insensitive comparison, but not with case-sensitive/,
        ],
        [
            "time",
            () => ({ exp: seconds() - 301 }),
            700024,
            /Client assertion is not within its valid time range\./,
        ],
    ])("refuses another %s", async (_case, claims, code, text) => {
        await trust();
        expect(await token(await assertion(claims()))).toEqual(
            refused(401, "invalid_client", code, text),
        );
    });

    test("refuses what its issuer didn't sign, and asks nobody else for keys", async () => {
        await trust();
        const wrong = refused(
            400,
            "invalid_request",
            50013,
            /Assertion failed signature validation\./,
        );
        expect(await token(await assertion({}, own))).toEqual(wrong);
        expect(await token(await assertion({}, other, "issuer-2"))).toEqual(wrong);
        expect(fetched).toBe(2);
        await token(await assertion({ iss: "https://127.0.0.1:1" }));
        expect(fetched).toBe(2);
    });

    test("whose issuer doesn't answer, or isn't on loopback, or isn't who it says", async () => {
        const failed = refused(
            400,
            "invalid_request",
            90061,
            /Request to External OIDC endpoint failed\./,
        );
        const answerTo = async (other: string) => {
            await trust({ displayName: other, issuer: other });
            return token(await assertion({ iss: other }));
        };
        expect(await answerTo("https://127.0.0.1:1")).toEqual(failed);
        expect(await answerTo("http://127.0.0.1:1")).toEqual(failed);
        expect(await answerTo(`https://localhost:${new URL(issuer).port}`)).toEqual(failed);
        expect(await answerTo("https://login.example")).toMatchObject({
            status: 501,
            text: expect.stringContaining(
                "does not do issuers that aren't on loopback (https://login.example) yet.",
            ) as string,
        });
    });

    test("is one of a name, and gone with its application", async () => {
        const { credentialId } = await trust();
        await expect(trust()).rejects.toThrow("FederatedIdentityCredential with name pipeline");
        await services.directory.deleteApplication(client.application.objectId);
        expect(services.directory.federatedCredential(credentialId)).toBeUndefined();
    });
});
