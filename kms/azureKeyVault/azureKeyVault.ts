import { createPrivateKey } from "node:crypto";
import type { TokenCredential } from "@azure/identity";
import {
    KeyClient,
    type JsonWebKey,
    type KeyOperation,
    type KeyProperties,
    type KeyVaultKey,
} from "@azure/keyvault-keys";
import pThrottle from "p-throttle";
import { byokFile, type KeyExchangeKey } from "../../keys/byok";
import { keyTypeDetails, type KeyType, type Purpose } from "../../keys/keyType";
import { thumbprint } from "../../keys/keyVersion";
import type { Copy } from "../../keys/reconcile";
import type { Kms, Transfer } from "../kms";
import type { Cloud } from "./environment";
import { explain, statusOf, toSpecificError } from "./errors";
import { keyExchangeKey } from "./keyExchangeKey";
import { publicKeyOf } from "./publicKey";
import { requestPolicy } from "./requestPolicy";

/** Which vault. */
export interface VaultAddress {
    /** For messages. */
    name: string;
    /** Its data plane, as the resource manager says. */
    uri: string;
}

const operations: Record<Purpose, KeyOperation> = {
    encrypt: "encrypt",
    decrypt: "decrypt",
    sign: "sign",
    verify: "verify",
    wrap: "wrapKey",
    unwrap: "unwrapKey",
};

// Per vault: https://learn.microsoft.com/azure/key-vault/general/service-limits ("Import key, set secret, …: 300 in 10 seconds").
const importLimit = { limit: 300, interval: 10_000 };

// A request with all its retries.
const requestTimeoutMilliseconds = 120_000;

/** One Azure Key Vault, its keys over the data plane. There's one of these for each vault and identity in a process. */
export class AzureKeyVault implements Kms {
    readonly description: string;
    private readonly client: KeyClient;
    private readonly paced = pThrottle(importLimit)((send: () => Promise<KeyVaultKey>) => send());
    private kek: Promise<KeyExchangeKey> | undefined;
    private answered = false;
    private first: Promise<void> | undefined;

    constructor(
        private readonly vault: VaultAddress,
        credential: TokenCredential,
        cloud: Cloud,
    ) {
        this.description = `vault ${vault.name}`;
        this.client = new KeyClient(vault.uri, credential, {
            disableChallengeResourceVerification: !cloud.wellKnownHosts,
            retryOptions: { maxRetries: 5 },
            additionalPolicies: [{ policy: requestPolicy(), position: "perRetry" }],
        });
    }

    keyId(name: string, copyId?: string): string {
        return new URL(`keys/${name}${copyId ? `/${copyId}` : ""}`, this.vault.uri).href;
    }

    async copies(name: string, known: ReadonlyMap<string, Copy>): Promise<Copy[]> {
        return this.request(`list the versions of key ${name}`, async () => {
            const copies: Copy[] = [];
            try {
                for await (const version of this.client.listPropertiesOfKeyVersions(
                    name,
                    signal(),
                )) {
                    copies.push(await this.copyOf(name, version, known));
                }
            } catch (error) {
                if (statusOf(error) === 404) {
                    return [];
                }
                throw error;
            }
            return copies;
        });
    }

    async importVersion(name: string, transfer: Transfer, material: Uint8Array): Promise<Copy> {
        const { key, version, purposes, protection } = transfer;
        const what = `import version ${version} of key ${key} as ${name}`;
        const keyOps = purposes.map((purpose) => operations[purpose]);
        const jwk =
            protection === "hsm"
                ? await this.wrappedKey(transfer, material)
                : plainKey(transfer.type, material);
        const imported = await this.request(what, () =>
            this.paced(() =>
                this.client.importKey(
                    name,
                    { ...jwk, keyOps },
                    {
                        hardwareProtected: protection === "hsm",
                        enabled: true,
                        tags: tagsOf(transfer),
                        ...signal(),
                    },
                ),
            ),
        );
        return copyOf(imported);
    }

    async enable(name: string, copyId: string): Promise<void> {
        await this.request(`enable version ${copyId} of key ${name}`, () =>
            this.client.updateKeyProperties(name, copyId, { enabled: true, ...signal() }),
        );
    }

    async setPurposes(name: string, copyId: string, purposes: readonly Purpose[]): Promise<void> {
        const keyOps = purposes.map((purpose) => operations[purpose]);
        await this.request(`set the operations of version ${copyId} of key ${name}`, () =>
            this.client.updateKeyProperties(name, copyId, { keyOps, ...signal() }),
        );
    }

    async remove(name: string): Promise<void> {
        await this.request(`delete key ${name}`, async () => {
            try {
                const poller = await this.client.beginDeleteKey(name, poll());
                // Until then the name can neither be used nor recovered.
                await poller.pollUntilDone();
            } catch (error) {
                if (statusOf(error) !== 404) {
                    throw error;
                }
            }
        });
    }

    async softDeleted(name: string): Promise<Copy | undefined> {
        return this.request(`look for a soft-deleted key ${name}`, async () => {
            try {
                return await copyOf(await this.client.getDeletedKey(name, signal()));
            } catch (error) {
                if (statusOf(error) === 404) {
                    return undefined;
                }
                throw error;
            }
        });
    }

    async recover(name: string): Promise<void> {
        await this.request(`recover key ${name}`, async () => {
            const poller = await this.client.beginRecoverDeletedKey(name, poll());
            await poller.pollUntilDone();
        });
    }

    /** A list holds no public keys, and tags can be set by anyone: what wasn't compared before is fetched. */
    private async copyOf(
        name: string,
        properties: KeyProperties,
        known: ReadonlyMap<string, Copy>,
    ): Promise<Copy> {
        const seen = known.get(properties.version!);
        return seen
            ? { ...seen, enabled: properties.enabled !== false }
            : copyOf(await this.client.getKey(name, { version: properties.version, ...signal() }));
    }

    /** A private key for an HSM: the whole .byok file stands in the JWK's `key_hsm`, which the SDK calls `t`. */
    private async wrappedKey(transfer: Transfer, material: Uint8Array): Promise<JsonWebKey> {
        this.kek ??= this.request("use its key exchange key", () => keyExchangeKey(this.client));
        let kek: KeyExchangeKey;
        try {
            kek = await this.kek;
        } catch (error) {
            this.kek = undefined; // the next import tries anew
            throw error;
        }
        const details = keyTypeDetails(transfer.type);
        return {
            ...(details.family === "RSA"
                ? { kty: "RSA-HSM" }
                : { kty: "EC-HSM", crv: details.curve }),
            t: byokFile(kek, material),
        };
    }

    /**
     * Until one request was answered, sends them one by one. The SDK sends a client's first request without its body, to be asked
     * for a token; others at that moment would go out whole, key material included, before the vault has shown who it is.
     */
    private async request<T>(what: string, send: () => Promise<T>): Promise<T> {
        while (this.first) {
            await this.first;
        }
        const answer = send();
        if (!this.answered) {
            this.first = answer.then(
                () => {
                    this.answered = true;
                    this.first = undefined;
                },
                () => {
                    this.first = undefined;
                },
            );
        }
        try {
            return await answer;
        } catch (error) {
            throw (
                toSpecificError(error) ??
                explain(error, what, `${this.vault.name} (${this.vault.uri})`)
            );
        }
    }
}

function signal() {
    return { abortSignal: AbortSignal.timeout(requestTimeoutMilliseconds) };
}

function poll() {
    return { ...signal(), intervalInMs: 500 };
}

async function copyOf(key: KeyVaultKey): Promise<Copy> {
    const { version, createdOn, enabled } = key.properties;
    return {
        id: version!,
        createdAt: createdOn!.toISOString(),
        enabled: enabled !== false,
        // A symmetric key has no public part, and isn't one of ours.
        thumbprint: key.keyType?.startsWith("oct") ? "none" : await thumbprint(publicKeyOf(key)),
        protection: key.keyType?.endsWith("-HSM") ? "hsm" : "software",
    };
}

/** For people and their tools; nothing is decided by them. */
function tagsOf({ key, version, thumbprint }: Transfer): Record<string, string> {
    return {
        "keymgmt-key": key,
        "keymgmt-version": String(version),
        "keymgmt-thumbprint": thumbprint,
    };
}

function plainKey(type: KeyType, material: Uint8Array): JsonWebKey {
    const privateKey = createPrivateKey({
        key: Buffer.from(material),
        format: "der",
        type: "pkcs8",
    });
    const jwk = privateKey.export({ format: "jwk" });
    const bytes = (member?: string) => (member ? Buffer.from(member, "base64url") : undefined);
    return keyTypeDetails(type).family === "RSA"
        ? {
              kty: "RSA",
              n: bytes(jwk.n),
              e: bytes(jwk.e),
              d: bytes(jwk.d),
              p: bytes(jwk.p),
              q: bytes(jwk.q),
              dp: bytes(jwk.dp),
              dq: bytes(jwk.dq),
              qi: bytes(jwk.qi),
          }
        : { kty: "EC", crv: jwk.crv, x: bytes(jwk.x), y: bytes(jwk.y), d: bytes(jwk.d) };
}
