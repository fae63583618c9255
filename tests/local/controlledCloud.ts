import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyClient } from "@azure/keyvault-keys";
import { startCloud, type Cloud, type CloudOptions } from "../../local/cloud";
import type { RequestLogEntry } from "../../local/requestLog";
import { createVault, operatorCredential } from "./operator";

export interface Answer {
    status: number;
    headers: IncomingHttpHeaders;
    body: unknown;
}

/** A cloud in a folder of its own, with ways to ask and control it as its operator. */
export async function controlledCloud(options: Partial<CloudOptions> = {}) {
    const folder = await mkdtemp(join(tmpdir(), "controlled-"));
    const start = (more: Partial<CloudOptions> = {}) => startCloud({ folder, ...options, ...more });
    let cloud: Cloud = await start();
    const ca = await readFile(cloud.description.caFile, "utf8");

    /** One HTTPS request over a connection of its own; rejects when no whole answer comes. */
    const send = (
        method: string,
        url: string,
        headers: Record<string, string> = {},
        body?: object | string,
    ) =>
        new Promise<Answer>((resolve, reject) => {
            const sent = request(url, { method, ca, agent: false, headers }, (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("error", reject);
                response.on("end", () => {
                    const text = Buffer.concat(chunks).toString();
                    resolve({
                        status: response.statusCode ?? 0,
                        headers: response.headers,
                        body: text === "" ? undefined : JSON.parse(text),
                    });
                });
            });
            sent.on("error", reject);
            sent.end(typeof body === "object" ? JSON.stringify(body) : body);
        });
    const json = { "content-type": "application/json" };

    const control = (method: string, path: string, body?: object) => {
        const { operator, authorityHost } = cloud.description;
        const secret = `${operator.clientId}:${operator.clientSecret}`;
        const authorization = `Basic ${Buffer.from(secret).toString("base64")}`;
        const type = body && json;
        return send(method, `${authorityHost}/local/${path}`, { authorization, ...type }, body);
    };

    const vaultToken = async () =>
        (
            await (
                await operatorCredential(cloud.description)
            ).getToken("https://vault.azure.net/.default")
        ).token;

    return {
        folder,
        get cloud() {
            return cloud.description;
        },
        send,
        control,
        inject: (rule: object) => control("POST", "faults", rule),
        vaultToken,
        createVault: (name: string) => createVault(cloud.description, name),
        /** A request to a vault with a token. */
        ask: (method: string, vault: string, path: string, token: string, body?: object) =>
            send(
                method,
                `${cloud.description.vaults[vault]}${path}?api-version=2025-07-01`,
                { authorization: `Bearer ${token}`, ...json },
                body,
            ),
        /** The official SDK. */
        keys: async (vault: string, maxRetries = 0) =>
            new KeyClient(
                cloud.description.vaults[vault]!,
                await operatorCredential(cloud.description),
                {
                    disableChallengeResourceVerification: true,
                    tlsOptions: { ca },
                    retryOptions: { maxRetries, retryDelayInMs: 1 },
                },
            ),
        log: async () =>
            (await readFile(join(folder, "requests.jsonl"), "utf8"))
                .trim()
                .split("\n")
                .map((line) => JSON.parse(line) as RequestLogEntry),
        restart: async (more: Partial<CloudOptions> = {}) => {
            await cloud.close();
            cloud = await start(more);
        },
        stop: async () => {
            await cloud.close();
            await rm(folder, { recursive: true });
        },
    };
}
