import { readFileSync } from "node:fs";
import { request } from "node:https";
import type { KeyProperties } from "@azure/keyvault-keys";
import { independentClient, type Project } from "./project";

/** A request of the operator's to the resource manager, or to the local Azure's own interface (`/local/…`). Resolves to its status. */
export async function manage(
    project: Project,
    method: string,
    path: string,
    body?: object,
): Promise<number> {
    return (await send(project, method, path, body)).status;
}

/** The same; resolves to what is answered. */
export async function ask<T>(
    project: Project,
    method: string,
    path: string,
    body?: object,
): Promise<T> {
    const { status, text } = await send(project, method, path, body);
    if (status >= 300) {
        throw new Error(`${method} ${path}: ${status} ${text}`);
    }
    return JSON.parse(text) as T;
}

async function send(project: Project, method: string, path: string, body?: object) {
    const azure = project.azure();
    const { clientId, clientSecret } = azure.operator;
    const [anyVault] = Object.keys(azure.vaults);
    const authorization = path.startsWith("/local/")
        ? `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`
        : `Bearer ${await independentClient(azure, anyVault!).token("https://management.azure.com")}`;
    const headers = { authorization, ...(body && { "content-type": "application/json" }) };
    const ca = readFileSync(azure.caFile, "utf8");
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
        request(new URL(path, azure.resourceManager), { method, ca, headers }, (response) => {
            let text = "";
            response.on("data", (chunk: Buffer) => (text += chunk.toString()));
            response.on("end", () => resolve({ status: response.statusCode!, text }));
        })
            .on("error", reject)
            .end(body && JSON.stringify(body));
    });
}

/** The cloud's time goes on: what happens now is of another second than what happened before. */
export async function passSeconds(project: Project, seconds: number): Promise<void> {
    expect(await manage(project, "POST", "/local/clock", { advance: seconds })).toBe(200);
}

/** The versions of a key, as an independent client sees them, by our number; those without one come first. */
export async function versionsIn(
    project: Project,
    vault: string,
    name: string,
): Promise<KeyProperties[]> {
    const { keys } = independentClient(project.azure(), vault);
    const all: KeyProperties[] = [];
    for await (const version of keys.listPropertiesOfKeyVersions(name)) {
        all.push(version);
    }
    const number = ({ tags }: KeyProperties) => Number(tags?.["keymgmt-version"] ?? 0);
    return all.sort((one, other) => number(one) - number(other));
}

export async function softDelete(project: Project, vault: string, name: string): Promise<void> {
    const { keys } = independentClient(project.azure(), vault);
    await (await keys.beginDeleteKey(name, { intervalInMs: 100 })).pollUntilDone();
}

/**
 * What the vaults were asked for each key since then, in order; keys that weren't asked for aren't in it. Without an SDK's very first
 * request, which has no token yet and is refused with 401.
 */
export function requestsSince(project: Project, before: number): Record<string, string[]> {
    const asked: Record<string, string[]> = {};
    for (const { plane, key, operation, status } of project.requests().slice(before)) {
        if (plane === "keyvault" && status !== 401) {
            (asked[String(key)] ??= []).push(String(operation));
        }
    }
    return asked;
}
