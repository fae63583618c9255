import { randomUUID } from "node:crypto";
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { RequestLogEntry } from "../requestLog";
import type { Caller, Vault } from "../vault";
import { assertReachable, authorize } from "./access";
import { apiVersions, latestApiVersion, type ApiVersion } from "./bundles";
import { errors, KeyVaultError } from "./errors";
import { Keys, type KeysOptions } from "./keys";
import { operations, type Operation } from "./operations";
import { assertName, isVersionId } from "./rules";

export interface KeyVaultOptions extends KeysOptions {
    /** The vault as the resource manager has it now (policies change while it runs); undefined once deleted. */
    vault: () => Vault | undefined;
    /** `https://127.0.0.1:<port>/<tenantId>`, for the challenge. */
    authorization: () => string;
    /** Checks a bearer token's signature, audience, issuer, tenant and time; throws KeyVaultError. */
    authenticate: (bearerToken: string) => Promise<Caller>;
    /** Gets one entry for each answered request. */
    log: (entry: RequestLogEntry) => void;
}

/** What is known of a request while it is answered. */
interface Exchange {
    vault?: Vault;
    caller?: Caller;
    errorCode?: string;
}

declare module "fastify" {
    interface FastifyRequest {
        exchange?: Exchange;
    }
}

/** The data plane of one vault. The caller of this function gives it its TLS server. */
export function keyVaultApp(
    options: KeyVaultOptions,
    https: { key: string; cert: string } | null,
): FastifyInstance {
    const { vault, authorization, authenticate, clock, log } = options;
    const app = fastify({
        https,
        forceCloseConnections: true,
        exposeHeadRoutes: false,
        routerOptions: {
            caseSensitive: false,
            ignoreTrailingSlash: true,
            ignoreDuplicateSlashes: true,
            // A name that is too long gets the service's error, not the router's.
            maxParamLength: 2000,
        },
        frameworkErrors: (_error, _request, reply) => {
            const error = errors.malformedRequest("its address can't be read");
            void (reply as FastifyReply).code(error.status).send(error.body());
        },
    }) as unknown as FastifyInstance;

    app.decorateRequest("exchange");

    // The SDKs' first request has neither a token nor a body, so this comes before the body is parsed.
    app.addHook("onRequest", async (request, reply) => {
        const exchange = exchangeOf(request);
        const current = vault();
        void reply.headers(headersOf(request, current));
        if (!current) throw errors.vaultNotFound();
        exchange.vault = current;
        const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
        if (!token) throw errors.missingToken();
        exchange.caller = await authenticate(token);
        assertReachable(current, exchange.caller, request.ip);
        apiVersionOf(request);
        const operation = operationOf(request);
        const { name } = request.params as { name?: string };
        if (operation?.permission) authorize(current, exchange.caller, operation.permission, name);
    });

    app.removeAllContentTypeParsers();
    app.addContentTypeParser<Buffer>("*", { parseAs: "buffer" }, (_request, body, done) => {
        if (body.length === 0) return done(null);
        try {
            done(null, JSON.parse(body.toString()));
        } catch {
            done(errors.malformedRequest("its body is not JSON"));
        }
    });

    for (const operation of operations)
        for (const url of operation.paths)
            app.route({
                method: operation.method,
                url,
                config: { operation },
                handler: async (request, reply) => {
                    const { name = "", version } = request.params as Record<
                        string,
                        string | undefined
                    >;
                    if (name) assertName(name);
                    const current = exchangeOf(request).vault;
                    if (!current) throw errors.vaultNotFound();
                    const keys = new Keys(current, options);
                    await keys.settle(name);
                    const answer = await operation.run({
                        vault: current,
                        keys,
                        api: apiVersionOf(request),
                        name,
                        version,
                        query: {
                            maxresults: queryOf(request, "maxresults"),
                            skipToken: queryOf(request, "$skiptoken"),
                        },
                        body: request.body,
                    });
                    if (!answer) return reply.code(204).send();
                    return answer;
                },
            });

    app.setNotFoundHandler((request) => {
        const path = pathOf(request);
        const [, operation] =
            /^\/+(?:deleted)?keys\/+[^/]+\/+(?:.*\/)?([^/]+)\/*$/i.exec(path) ?? [];
        throw operation && !isVersionId(operation)
            ? errors.operationNotAllowed(request.method, operation)
            : errors.noSuchResource(request.method, path);
    });

    app.setErrorHandler((thrown, request, reply) => {
        const error = asKeyVaultError(thrown);
        exchangeOf(request).errorCode = error.innerCode ?? error.code;
        if (error.status === 401)
            void reply.header(
                "www-authenticate",
                `Bearer authorization="${authorization()}", resource="https://vault.azure.net"`,
            );
        return reply.code(error.status).send(error.body());
    });

    // Before the answer leaves: whoever has it finds its entry.
    app.addHook("onSend", (request, reply, _payload, done) => {
        const { caller, errorCode, vault: current } = exchangeOf(request);
        const { name } = (request.params ?? {}) as { name?: string };
        log({
            time: new Date(clock.now()).toISOString(),
            plane: "keyvault",
            vault: current?.name,
            method: request.method,
            path: pathOf(request),
            operation: operationOf(request)?.name,
            key: name,
            status: request.losesAnswer ? 0 : reply.statusCode,
            code: errorCode,
            clientId: caller?.appId,
            fault: request.fault?.fault,
        });
        done();
    });

    return app;
}

/** Of the service when the newest of the recorded sessions was. */
const serviceVersion = "1.9.3070.2";

/**
 * Of every answer, refusals included, as recorded. Strict-Transport-Security is left out: a browser would hold every other
 * server on localhost to it. So is the id of the role assignment that permitted it.
 */
function headersOf(request: FastifyRequest, vault: Vault | undefined): Record<string, string> {
    const clientRequestId = request.headers["x-ms-client-request-id"];
    return {
        "cache-control": "no-cache",
        pragma: "no-cache",
        expires: "-1",
        "x-content-type-options": "nosniff",
        "x-ms-request-id": randomUUID(),
        ...(typeof clientRequestId === "string" && { "x-ms-client-request-id": clientRequestId }),
        ...(vault && { "x-ms-keyvault-region": vault.location }),
        "x-ms-keyvault-service-version": serviceVersion,
        "x-ms-keyvault-network-info": `conn_type=Ipv4;addr=${request.ip};act_addr_fam=InterNetwork;`,
    };
}

function exchangeOf(request: FastifyRequest): Exchange {
    return (request.exchange ??= {});
}

function operationOf(request: FastifyRequest): Operation | undefined {
    return (request.routeOptions.config as { operation?: Operation }).operation;
}

function pathOf(request: FastifyRequest): string {
    return request.url.split("?", 1)[0] ?? "";
}

function queryOf(request: FastifyRequest, name: string): string | undefined {
    const value = (request.query as Record<string, unknown>)[name];
    return typeof value === "string" ? value : undefined;
}

function apiVersionOf(request: FastifyRequest): ApiVersion {
    const asked = queryOf(request, "api-version");
    if (!asked) throw errors.missingApiVersion();
    const known = apiVersions.find((version) => version === asked);
    if (!known) throw errors.unknownApiVersion(asked, latestApiVersion);
    return known;
}

function asKeyVaultError(thrown: unknown): KeyVaultError {
    if (thrown instanceof KeyVaultError) return thrown;
    if (thrown instanceof Error) {
        const { statusCode } = thrown as { statusCode?: number };
        if (statusCode && statusCode < 500) return errors.malformedRequest(thrown.message);
        // The message is left out: it could quote what was sent.
        const frames = thrown.stack?.split("\n").filter((line) => /^ +at /.test(line)) ?? [];
        console.error([`The local Azure failed: ${thrown.name}`, ...frames].join("\n"));
    }
    return errors.internal();
}
