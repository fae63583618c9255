import { get } from "node:https";
import type { JSONWebKeySet } from "jose";
import { z } from "zod";
import { errors } from "./errors";

const configuration = z.object({ issuer: z.string(), jwks_uri: z.url() });
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });
const loopback = new Set(["127.0.0.1", "localhost", "[::1]"]);
const timeout = 5000;
const largest = 1_000_000;

/**
 * The signing keys that an OpenID Connect issuer publishes (OpenID Connect Discovery 1.0). It has to listen on
 * loopback, with a certificate of the local Azure's CA: nothing here reaches beyond this machine.
 */
export const issuerKeys =
    (ca: string) =>
    async (issuer: string): Promise<JSONWebKeySet> => {
        const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
        const found = configuration.safeParse(await fetchJson(address, ca));
        if (!found.success || found.data.issuer !== issuer) throw errors.externalEndpointFailed();
        const keys = keySet.safeParse(await fetchJson(found.data.jwks_uri, ca));
        if (!keys.success) throw errors.externalEndpointFailed();
        return keys.data;
    };

async function fetchJson(address: string, ca: string): Promise<unknown> {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url?.protocol !== "https:") throw errors.externalEndpointFailed();
    if (!loopback.has(url.hostname)) {
        throw errors.notImplemented(`issuers that aren't on loopback (${url.origin})`);
    }
    return new Promise((resolve, reject) => {
        const failed = () => reject(errors.externalEndpointFailed());
        const request = get(url, { ca, agent: false, timeout }, (response) => {
            const chunks: Buffer[] = [];
            let size = 0;
            response.on("data", (chunk: Buffer) => {
                size += chunk.length;
                if (size > largest) request.destroy();
                else chunks.push(chunk);
            });
            response.on("error", failed);
            response.on("end", () => {
                try {
                    if (response.statusCode !== 200) throw new Error("not found");
                    resolve(JSON.parse(Buffer.concat(chunks).toString()));
                } catch {
                    failed();
                }
            });
        });
        request.on("timeout", () => request.destroy());
        request.on("error", failed);
    });
}
