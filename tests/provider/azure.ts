import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import {
    createDefaultHttpClient,
    createHttpHeaders,
    createPipelineRequest,
} from "@azure/core-rest-pipeline";
import { ClientSecretCredential } from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";
import { startCloud, type Cloud } from "../../local/cloud";
import type { RequestLogEntry } from "../../local/requestLog";

const resourceGroup = "resourceGroups/group";
const keyVault = "providers/Microsoft.KeyVault";

type Method = "PUT" | "POST" | "DELETE";

/** A local Azure in a temporary folder, which the Azure SDKs in this process trust. */
export class TestAzure {
    private constructor(
        readonly folder: string,
        private readonly cloud: Cloud,
        private readonly clock: { ahead: number },
        private readonly restore: () => void,
    ) {}

    static async start(): Promise<TestAzure> {
        const folder = await mkdtemp(join(tmpdir(), "provider-test-"));
        const clock = { ahead: 0, now: () => Date.now() + clock.ahead };
        const cloud = await startCloud({ folder, stack: "dev", clock });
        const { authorityHost, caFile } = cloud.description;
        const distrust = trust(readFileSync(caFile, "utf8"));
        process.env.AZURE_AUTHORITY_HOST = authorityHost;
        const azure = new TestAzure(folder, cloud, clock, () => {
            delete process.env.AZURE_AUTHORITY_HOST;
            distrust();
        });
        await azure.manage("PUT", resourceGroup, { location: "westeurope" });
        return azure;
    }

    async close(): Promise<void> {
        this.restore();
        await this.cloud.close();
        await rm(this.folder, { recursive: true, force: true });
    }

    /** Puts the vaults' clock forward: they tell times in whole seconds. */
    passSeconds(seconds: number): void {
        this.clock.ahead += seconds * 1000;
    }

    get description() {
        return this.cloud.description;
    }

    /** The operator, as a resource's inputs name it; its secret isn't sealed. */
    get operator() {
        const { tenantId, operator } = this.description;
        return { tenantId, ...operator };
    }

    /** Makes a vault. @returns its URI */
    async createVault(name: string, sku: "premium" | "standard" = "premium"): Promise<string> {
        const vault = `${resourceGroup}/providers/Microsoft.KeyVault/vaults/${name}`;
        await this.manage("PUT", vault, {
            location: "westeurope",
            properties: {
                tenantId: this.description.tenantId,
                sku: { family: "A", name: sku },
                accessPolicies: [],
            },
        });
        return this.description.vaults[name]!;
    }

    /** Deletes a vault for good. */
    async deleteVault(name: string): Promise<void> {
        await this.softDeleteVault(name);
        await this.purgeVault(name);
    }

    async softDeleteVault(name: string): Promise<void> {
        await this.manage("DELETE", `${resourceGroup}/${keyVault}/vaults/${name}`);
    }

    async purgeVault(name: string): Promise<void> {
        await this.manage("POST", `${keyVault}/locations/westeurope/deletedVaults/${name}/purge`);
    }

    /** Makes an application that nobody gave any right. */
    async newApplication(): Promise<ClientSecretCredential> {
        const { authorityHost, tenantId, operator } = this.description;
        const basic = Buffer.from(`${operator.clientId}:${operator.clientSecret}`);
        const response = await send(
            "POST",
            `${authorityHost}/local/applications`,
            `Basic ${basic.toString("base64")}`,
            { displayName: "nobody" },
        );
        const made = JSON.parse(response.bodyAsText!) as typeof operator;
        return this.credential({ tenantId, ...made });
    }

    /** A client that has nothing to do with ours. */
    client(vault: string): KeyClient {
        return new KeyClient(this.description.vaults[vault]!, this.credential(), {
            disableChallengeResourceVerification: true,
        });
    }

    credential({ tenantId, clientId, clientSecret } = this.operator): ClientSecretCredential {
        return new ClientSecretCredential(tenantId, clientId, clientSecret, {
            authorityHost: this.description.authorityHost,
            disableInstanceDiscovery: true,
        });
    }

    /** Asks a vault itself: the SDK's client decides much on its own. @returns the result's bytes; undefined: refused */
    async crypto(
        keyId: string,
        operation: "encrypt" | "decrypt" | "sign",
        alg: string,
        value: Uint8Array,
    ): Promise<Uint8Array | undefined> {
        const { token } = await this.credential().getToken("https://vault.azure.net/.default");
        const body = { alg, value: Buffer.from(value).toString("base64url") };
        const response = await send(
            "POST",
            `${keyId}/${operation}?api-version=7.4`,
            `Bearer ${token}`,
            body,
        );
        if (response.status === 403) {
            return undefined;
        }
        const { value: result } = JSON.parse(response.bodyAsText!) as { value: string };
        return Buffer.from(result, "base64url");
    }

    /** What a vault answered, without the requests for a challenge. */
    async requests(vault: string): Promise<RequestLogEntry[]> {
        const lines = (await readFile(join(this.folder, "requests.jsonl"), "utf8")).trim();
        return lines
            .split("\n")
            .map((line) => JSON.parse(line) as RequestLogEntry)
            .filter((entry) => entry.vault === vault && entry.status !== 401);
    }

    private async manage(method: Method, path: string, body?: object): Promise<void> {
        const { resourceManager, subscriptionId } = this.description;
        const { token } = await this.credential().getToken("https://management.azure.com/.default");
        const url = `${resourceManager}/subscriptions/${subscriptionId}/${path}?api-version=2024-11-01`;
        const response = await send(method, url, `Bearer ${token}`, body);
        if (response.status >= 300) {
            throw new Error(`${path}: ${response.status} ${response.bodyAsText}`);
        }
    }
}

function send(method: Method, url: string, authorization: string, body?: object) {
    return createDefaultHttpClient().sendRequest(
        createPipelineRequest({
            url,
            method,
            headers: createHttpHeaders({
                authorization,
                "content-type": "application/json",
            }),
            ...(body && { body: JSON.stringify(body) }),
        }),
    );
}

/**
 * Makes this process trust a CA. NODE_EXTRA_CA_CERTS, which is how a user does it, is read when a process starts; and the SDKs make HTTPS agents
 * of their own, so that https.globalAgent's options don't reach them.
 */
function trust(ca: string): () => void {
    const create = tls.createSecureContext;
    tls.createSecureContext = (options) => create({ ca, ...options });
    return () => {
        tls.createSecureContext = create;
    };
}
