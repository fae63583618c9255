import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import type { FastifyInstance } from "fastify";
import forge from "node-forge";
import { keyVaultApp } from "../../local/keyvault/app";
import { errors } from "../../local/keyvault/errors";
import { KeyRecords } from "../../local/keyvault/records";
import type { RequestLogEntry } from "../../local/requestLog";
import { defaultSettings } from "../../local/settings";
import { openStore } from "../../local/store";
import type { AccessPolicy, Caller, Vault } from "../../local/vault";
import { tenantId, vaultFixture } from "./keyvaultFixture";

/** A certificate for the loopback address, signed by itself. */
function selfSigned(): { key: string; cert: string } {
    const { privateKey } = generateKeyPairSync("rsa", {
        modulusLength: 2048,
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs1", format: "pem" },
    });
    const key = forge.pki.privateKeyFromPem(privateKey);
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
    certificate.serialNumber = "01";
    certificate.validity.notAfter = new Date(Date.now() + 86400_000);
    const name = [{ name: "commonName", value: "keyvault test" }];
    certificate.setSubject(name);
    certificate.setIssuer(name);
    certificate.setExtensions([
        { name: "basicConstraints", cA: true },
        { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
    ]);
    certificate.sign(key, forge.md.sha256.create());
    return { key: privateKey, cert: forge.pki.certificateToPem(certificate) };
}

/** What the service answers with. A test that reads a member expects it to be there. */
interface Body {
    key: Record<string, string> & { kid: string; key_ops: string[] };
    attributes: Record<string, string | number | boolean> & { created: number };
    tags?: Record<string, string>;
    kid: string;
    value: unknown;
    nextLink: string | null;
    error: { code: string; message: string; innererror?: { code: string } };
}

export interface Answer {
    status: number;
    headers: Record<string, string | string[] | undefined>;
    body: Body;
}

export type Server = Awaited<ReturnType<typeof startServer>>;

/** The data plane of one vault over HTTPS on a free port, with a store in a temporary folder. */
export async function startServer(
    change: Partial<Vault> = {},
    more: {
        backupKey?: Uint8Array;
        /** Instead of the tokens that `token` makes. */
        authenticate?: (token: string) => Promise<Caller>;
        /** Called before the server listens. */
        prepare?: (app: FastifyInstance) => void;
    } = {},
) {
    const folder = await mkdtemp(join(tmpdir(), "keyvault-test-"));
    const store = await openStore(folder);
    const tls = selfSigned();
    const log: RequestLogEntry[] = [];
    const clock = { time: Date.now(), now: () => clock.time };
    const settings = { ...defaultSettings };
    const callers = new Map<string, Caller>();
    const vault = vaultFixture(change);
    const state: { vault: Vault | undefined } = { vault };
    const app = keyVaultApp(
        {
            vault: () => state.vault,
            authorization: () => `https://127.0.0.1:1/${tenantId}`,
            authenticate:
                more.authenticate ??
                ((token) => {
                    const caller = callers.get(token);
                    return caller
                        ? Promise.resolve(caller)
                        : Promise.reject(errors.invalidAudience("https://example.org"));
                }),
            records: new KeyRecords(store, vault.name),
            clock,
            settings: () => settings,
            backupKey: more.backupKey ?? randomBytes(32),
            log: (entry) => log.push(entry),
        },
        tls,
    );
    more.prepare?.(app);
    await app.listen({ host: "127.0.0.1", port: 0 });
    vault.uri = `https://127.0.0.1:${(app.server.address() as AddressInfo).port}/`;

    /** The token of a new application: with these key permissions, or of the operator. */
    const token = (permissions?: string[]): string => {
        const value = randomUUID();
        const objectId = randomUUID();
        callers.set(value, { tenantId, appId: randomUUID(), objectId, operator: !permissions });
        const policy: AccessPolicy = { tenantId, objectId, permissions: { keys: permissions } };
        if (permissions) vault.accessPolicies = [...vault.accessPolicies, policy];
        return value;
    };
    const operator = token();

    const send = (
        method: string,
        path: string,
        body?: unknown,
        options: { token?: string; api?: string | null; headers?: Record<string, string> } = {},
    ): Promise<Answer> => {
        const { api = "2025-07-01" } = options;
        const url =
            api === null ? path : `${path}${path.includes("?") ? "&" : "?"}api-version=${api}`;
        return new Promise((resolve, reject) => {
            const request = httpsRequest(
                vault.uri.slice(0, -1) + url,
                {
                    method,
                    ca: tls.cert,
                    agent: false,
                    headers: {
                        authorization: `Bearer ${options.token ?? operator}`,
                        "content-type": "application/json",
                        ...options.headers,
                    },
                },
                (response) => {
                    const chunks: Buffer[] = [];
                    response.on("data", (chunk: Buffer) => chunks.push(chunk));
                    response.on("end", () => {
                        const text = Buffer.concat(chunks).toString();
                        resolve({
                            status: response.statusCode ?? 0,
                            headers: response.headers,
                            body: (text === "" ? undefined : JSON.parse(text)) as Body,
                        });
                    });
                },
            );
            request.on("error", reject);
            request.end(
                typeof body === "string"
                    ? body
                    : body === undefined
                      ? undefined
                      : JSON.stringify(body),
            );
        });
    };

    const sdkOptions = {
        disableChallengeResourceVerification: true,
        tlsOptions: { ca: tls.cert },
    };
    const credential = (value: string) => ({
        getToken: () =>
            Promise.resolve({ token: value, expiresOnTimestamp: Date.now() + 3600_000 }),
    });
    return {
        app,
        vault,
        state,
        store,
        clock,
        settings,
        log,
        token,
        send,
        client: (value = operator) => new KeyClient(vault.uri, credential(value), sdkOptions),
        cryptography: (id: string, value = operator) =>
            new CryptographyClient(id, credential(value), sdkOptions),
        stop: async () => {
            await app.close();
            await store.close();
            await rm(folder, { recursive: true });
        },
    };
}
