import { readFile } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import { ClientSecretCredential } from "@azure/identity";
import type { CloudDescription } from "../../local/cloud";

type Reachable = Pick<CloudDescription, "authorityHost" | "tenantId" | "operator" | "caFile">;

/** The credential of a cloud's operator, as the SDKs use it. */
export async function operatorCredential(cloud: Reachable): Promise<ClientSecretCredential> {
    const { clientId, clientSecret } = cloud.operator;
    return new ClientSecretCredential(cloud.tenantId, clientId, clientSecret, {
        authorityHost: cloud.authorityHost,
        disableInstanceDiscovery: true,
        tlsOptions: { ca: await readFile(cloud.caFile, "utf8") },
    });
}

/** A vault without access policies, made by the operator. Its URI. */
export async function createVault(cloud: CloudDescription, name: string): Promise<string> {
    const agent = new https.Agent({ ca: await readFile(cloud.caFile) });
    const credential = await operatorCredential(cloud);
    const { token } = await credential.getToken("https://management.azure.com/.default");
    const put = (path: string, body: object) =>
        sendJson(
            "PUT",
            `${cloud.resourceManager}/subscriptions/${cloud.subscriptionId}/resourceGroups/group${path}?api-version=2024-11-01`,
            { agent, token, body },
        );
    await put("", { location: "westeurope" });
    const { status, body } = await put(`/providers/Microsoft.KeyVault/vaults/${name}`, {
        location: "westeurope",
        properties: {
            tenantId: cloud.tenantId,
            sku: { family: "A", name: "premium" },
            accessPolicies: [],
        },
    });
    if (status >= 300) throw new Error(`The vault ${name} wasn't made: ${JSON.stringify(body)}`);
    agent.destroy();
    return (body as { properties: { vaultUri: string } }).properties.vaultUri;
}

/** One request. It fails only when no whole answer comes. */
export function sendJson(
    method: string,
    url: string,
    options: { agent: https.Agent; token: string; body?: object },
): Promise<{ status: number; body: unknown }> {
    return new Promise((resolve, reject) => {
        const { request } = url.startsWith("https:") ? https : http;
        const sent = request(
            url,
            {
                method,
                agent: options.agent,
                headers: {
                    authorization: `Bearer ${options.token}`,
                    "content-type": "application/json",
                },
            },
            (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("error", reject);
                response.on("end", () => {
                    const text = Buffer.concat(chunks).toString();
                    resolve({
                        status: response.statusCode ?? 0,
                        body: text === "" ? undefined : JSON.parse(text),
                    });
                });
            },
        );
        sent.on("error", reject);
        sent.end(options.body && JSON.stringify(options.body));
    });
}
