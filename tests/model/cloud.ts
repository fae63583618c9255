import { createPublicKey, type JsonWebKey } from "node:crypto";
import {
    createDefaultHttpClient,
    createHttpHeaders,
    createPipelineRequest,
} from "@azure/core-rest-pipeline";
import type { AccessToken, TokenCredential } from "@azure/identity";
import { KeyClient, type KeyVaultKey } from "@azure/keyvault-keys";
import type { Place } from "./declared";
import { idOf } from "./oracle";

/** A local Azure, as its operator reaches it. */
export interface Reach {
    authorityHost: string;
    resourceManager: string;
    operator: { clientId: string; clientSecret: string };
    /** Of the vaults that are there now: name -> URI. */
    vaults: Record<string, string>;
    credential: () => TokenCredential;
    /** PEM; undefined: this process trusts it anyway. */
    ca?: string;
    loseVault: (name: string) => Promise<void>;
}

/** A version in a vault, as an independent client sees it; dates in milliseconds. */
export interface Found {
    id: string;
    publicKey: string;
    created: number;
    updated: number;
    enabled: boolean;
    operations: string[];
    tags: Record<string, string>;
    notBefore?: number;
    expiresOn?: number;
    protection: "hsm" | "software";
}

/** What somebody sees and does who has nothing to do with this project, by Azure's own client and plain requests. */
export class Cloud {
    private readonly clients = new Map<string, KeyClient>();
    private readonly losing = new Map<string, Promise<void>>();
    private token: Promise<AccessToken | null> | undefined;

    constructor(private readonly reach: () => Reach) {}

    keys(vault: string): KeyClient {
        const { vaults, ca } = this.reach();
        const uri = vaults[vault]!;
        let client = this.clients.get(uri);
        if (!client) {
            client = new KeyClient(
                uri,
                { getToken: () => this.getToken() },
                {
                    disableChallengeResourceVerification: true,
                    ...(ca && { tlsOptions: { ca } }),
                },
            );
            this.clients.set(uri, client);
        }
        return client;
    }

    /** Tokens are of their time: in another one, new ones are needed. */
    forgetTokens(): void {
        this.token = undefined;
        this.clients.clear();
    }

    isThere(vault: string): boolean {
        return vault in this.reach().vaults;
    }

    /** Where it is asked for by several at once, it is lost once. */
    async loseVault(vault: string): Promise<void> {
        const losing = this.losing.get(vault) ?? this.reach().loseVault(vault);
        this.losing.set(vault, losing);
        await losing;
        this.losing.delete(vault);
    }

    /** Oldest first, as far as seconds tell. */
    async versions({ vault, name }: Place): Promise<Found[]> {
        const client = this.keys(vault);
        const found: Found[] = [];
        for await (const { version } of client.listPropertiesOfKeyVersions(name)) {
            found.push(foundOf(await client.getKey(name, { version })));
        }
        return found.sort((one, other) => one.created - other.created);
    }

    /** The id of the current version; undefined: the key isn't there. */
    async current({ vault, name }: Place): Promise<string | undefined> {
        const key = await ifThere(() => this.keys(vault).getKey(name));
        return key?.properties.version;
    }

    async isSoftDeleted({ vault, name }: Place): Promise<boolean> {
        return (await ifThere(() => this.keys(vault).getDeletedKey(name))) !== undefined;
    }

    /** Asks a vault itself: the SDK's client decides much on its own. @returns undefined: refused */
    async use(
        { vault, name }: Place,
        id: string,
        operation: "decrypt" | "unwrapkey" | "sign" | "verify",
        body: object,
    ): Promise<{ value: string | boolean } | undefined> {
        const url = new URL(
            `keys/${name}/${id}/${operation}?api-version=7.4`,
            this.reach().vaults[vault],
        );
        const { token } = (await this.getToken())!;
        const { status, text } = await this.send("POST", url.href, `Bearer ${token}`, body);
        if (status === 403) {
            return undefined;
        }
        if (status !== 200) {
            throw new Error(`${url.pathname}: ${status} ${text}`);
        }
        return JSON.parse(text) as { value: string | boolean };
    }

    inject(rule: object): Promise<void> {
        return this.control("POST", "faults", rule);
    }

    mend(): Promise<void> {
        return this.control("DELETE", "faults");
    }

    private async control(method: "POST" | "DELETE", path: string, body?: object): Promise<void> {
        const { authorityHost, operator } = this.reach();
        const secret = Buffer.from(`${operator.clientId}:${operator.clientSecret}`);
        const url = `${authorityHost}/local/${path}`;
        const basic = `Basic ${secret.toString("base64")}`;
        const { status, text } = await this.send(method, url, basic, body);
        if (status >= 300) {
            throw new Error(`${path}: ${status} ${text}`);
        }
    }

    /** A request to the resource manager. */
    async manage(method: "POST" | "DELETE", path: string): Promise<void> {
        const { resourceManager, credential } = this.reach();
        const { token } = (await credential().getToken("https://management.azure.com/.default"))!;
        const url = `${resourceManager}${path}?api-version=2024-11-01`;
        const { status, text } = await this.send(method, url, `Bearer ${token}`);
        if (status >= 300) {
            throw new Error(`${path}: ${status} ${text}`);
        }
    }

    /** Puts the cloud's clock forward. */
    advance(seconds: number): Promise<void> {
        return this.control("POST", "clock", { advance: seconds });
    }

    private getToken(): Promise<AccessToken | null> {
        this.token ??= this.reach().credential().getToken("https://vault.azure.net/.default");
        return this.token;
    }

    private async send(
        method: "POST" | "DELETE",
        url: string,
        authorization: string,
        body?: object,
    ) {
        const { ca } = this.reach();
        const request = createPipelineRequest({
            url,
            method,
            headers: createHttpHeaders({
                authorization,
                ...(body && { "content-type": "application/json" }),
            }),
            ...(body && { body: JSON.stringify(body) }),
        });
        request.tlsSettings = ca ? { ca } : undefined;
        const { status, bodyAsText } = await createDefaultHttpClient().sendRequest(request);
        return { status, text: bodyAsText ?? "" };
    }
}

function foundOf({ key, keyType, keyOperations = [], properties }: KeyVaultKey): Found {
    const { version, createdOn, updatedOn, enabled, notBefore, expiresOn, tags } = properties;
    const text = (bytes?: Uint8Array) => bytes && Buffer.from(bytes).toString("base64url");
    const jwk = key?.n
        ? { kty: "RSA", n: text(key.n), e: text(key.e) }
        : { kty: "EC", crv: key?.crv, x: text(key?.x), y: text(key?.y) };
    const publicKey = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
    // What stands for no date, as the documentation says: Azure can't take one away.
    const start = notBefore && notBefore.getTime() > 1000 ? notBefore.getTime() : undefined;
    const end = expiresOn && expiresOn.getUTCFullYear() < 2106 ? expiresOn.getTime() : undefined;
    return {
        id: version!,
        publicKey: idOf(publicKey.export({ format: "jwk" })),
        created: createdOn!.getTime(),
        updated: updatedOn!.getTime(),
        enabled: enabled!,
        operations: [...keyOperations].sort(),
        tags: tags ?? {},
        ...(start !== undefined && { notBefore: start }),
        ...(end !== undefined && { expiresOn: end }),
        protection: keyType!.endsWith("-HSM") ? "hsm" : "software",
    };
}

async function ifThere<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
        return await ask();
    } catch (error) {
        if ((error as { statusCode?: number }).statusCode === 404) {
            return undefined;
        }
        throw error;
    }
}
