import { createPrivateKey } from "node:crypto";
import type { TokenCredential } from "@azure/identity";
import {
    CryptographyClient,
    KeyClient,
    type JsonWebKey,
    type KeyClientOptions,
    type KeyProperties,
    type KeyRotationPolicyProperties,
    type KeyVaultKey,
} from "@azure/keyvault-keys";
import pThrottle from "p-throttle";
import { byokFile, type KeyExchangeKey } from "../../keys/byok";
import type { Attributes, Copy } from "../../keys/copy";
import { keyTypeDetails, type KeyType } from "../../keys/keyType";
import { thumbprint } from "../../keys/keyVersion";
import type { Proof } from "../../keys/proof";
import { KmsGoneError, type Kms, type Material, type Transfer } from "../kms";
import { attributesOf, purposesOf, sdkProperties } from "./attributes";
import type { Cloud } from "./environment";
import { explain, isUnreachable, statusOf, toSpecificError } from "./errors";
import { keyExchangeKey, type CurrentKeyExchangeKey } from "./keyExchangeKey";
import { proveCopy } from "./proveCopy";
import { azureCurve, publicKeyOf } from "./publicKey";
import { requestPolicy } from "./requestPolicy";

/** Which vault. */
export interface VaultAddress {
    /** For messages. */
    name: string;
    /** Its data plane, as the resource manager says. */
    uri: string;
}

// Per vault: https://learn.microsoft.com/azure/key-vault/general/service-limits ("Import key, set secret, …: 300 in 10 seconds").
const importLimit = { limit: 300, interval: 10_000 };

// A request with all its retries.
const requestTimeoutMilliseconds = 120_000;

/** One Azure Key Vault, its keys over the data plane. There's one of these for each vault and identity in a process. */
export class AzureKeyVault implements Kms {
    readonly description: string;
    private readonly client: KeyClient;
    private readonly options: KeyClientOptions;
    private readonly paced = pThrottle(importLimit)((send: () => Promise<KeyVaultKey>) => send());
    private kek: Promise<CurrentKeyExchangeKey> | undefined;
    private answered = false;
    private first: Promise<void> | undefined;

    constructor(
        private readonly vault: VaultAddress,
        private readonly credential: TokenCredential,
        private readonly cloud: Cloud,
    ) {
        this.description = `vault ${vault.name}`;
        this.options = {
            disableChallengeResourceVerification: !cloud.wellKnownHosts,
            retryOptions: { maxRetries: 5 },
            additionalPolicies: [{ policy: requestPolicy(), position: "perRetry" }],
        };
        this.client = new KeyClient(vault.uri, credential, this.options);
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

    async importVersion(name: string, transfer: Transfer, material: Material): Promise<Copy> {
        const { key, version, protection, attributes } = transfer;
        const { keyOps, ...properties } = sdkProperties(attributes);
        const jwk = await this.jsonWebKey(transfer, material);
        const imported = await this.request(
            `import version ${version} of key ${key} as ${name}`,
            () =>
                this.paced(() =>
                    this.client.importKey(
                        name,
                        { ...jwk, keyOps },
                        { hardwareProtected: protection === "hsm", ...properties, ...signal() },
                    ),
                ),
        );
        return copyOf(imported);
    }

    async setAttributes(name: string, copyId: string, to: Partial<Attributes>): Promise<Copy> {
        return this.request(`change version ${copyId} of key ${name}`, async () =>
            copyOf(
                await this.client.updateKeyProperties(name, copyId, {
                    ...sdkProperties(to),
                    ...signal(),
                }),
            ),
        );
    }

    async setNotice(name: string, notifyBefore: string): Promise<void> {
        await this.request(`set when key ${name} gives notice of its expiry`, () =>
            this.client.updateKeyRotationPolicy(name, rotationPolicy(notifyBefore), signal()),
        );
    }

    async prove(name: string, copy: Copy, type: KeyType, publicKey: string): Promise<Proof> {
        const keyId = this.keyId(name, copy.id);
        const client = new CryptographyClient(keyId, this.credential, this.options);
        return this.request(`prove that it holds the private half of ${keyId}`, () =>
            proveCopy(client, keyId, copy, type, publicKey),
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

    async purge(name: string): Promise<void> {
        await this.request(`purge key ${name}`, async () => {
            try {
                await this.client.purgeDeletedKey(name, signal());
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

    /**
     * A list holds neither public keys nor operations, and tags can be set by anyone: what wasn't compared before, or was changed since,
     * is fetched.
     */
    private async copyOf(
        name: string,
        properties: KeyProperties,
        known: ReadonlyMap<string, Copy>,
    ): Promise<Copy> {
        const seen = known.get(properties.version!);
        return seen?.updatedAt === properties.updatedOn?.toISOString()
            ? { ...seen!, ...attributesOf(properties), purposes: seen!.purposes }
            : copyOf(await this.client.getKey(name, { version: properties.version, ...signal() }));
    }

    /** For an HSM, the whole .byok file stands in the JWK's `key_hsm`, which the SDK calls `t`. */
    private async jsonWebKey(
        { type, protection }: Transfer,
        material: Material,
    ): Promise<JsonWebKey> {
        if (protection === "software") {
            if ("wrapped" in material) {
                throw new TypeError("A .byok file is for an HSM.");
            }
            return plainKey(type, material.plain);
        }
        const details = keyTypeDetails(type);
        return {
            ...(details.family === "RSA"
                ? { kty: "RSA-HSM" }
                : { kty: "EC-HSM", crv: azureCurve(details.curve) }),
            t:
                "wrapped" in material
                    ? material.wrapped
                    : byokFile(await this.keyExchangeKey(), material.plain),
        };
    }

    private async keyExchangeKey(): Promise<KeyExchangeKey> {
        const make = () =>
            this.request("use its key exchange key", () => keyExchangeKey(this.client));
        const known = (this.kek ??= make());
        try {
            const kek = await known;
            if (kek.isCurrent()) {
                return kek;
            }
            // A run that long is rare; of several imports that find it out at once, the first one gets the new one.
            this.kek = this.kek === known ? make() : this.kek;
            return await this.kek;
        } catch (error) {
            this.kek = undefined; // the next import tries anew
            throw error;
        }
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
                ((await this.isGone(error))
                    ? new KmsGoneError(this.vault.uri, { cause: error })
                    : undefined) ??
                explain(error, what, `${this.vault.name} (${this.vault.uri})`)
            );
        }
    }

    /** Where nothing is found in the DNS, nothing is known of one vault. */
    private async isGone(error: unknown): Promise<boolean> {
        if (!isUnreachable(error, this.cloud)) {
            return false;
        }
        try {
            await this.credential.getToken(this.cloud.vaultScope);
            return true;
        } catch {
            return false;
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
    const { version, createdOn, updatedOn } = key.properties;
    return {
        id: version!,
        createdAt: createdOn!.toISOString(),
        updatedAt: updatedOn!.toISOString(),
        ...attributesOf(key.properties),
        purposes: purposesOf(key.keyOperations),
        // A symmetric key has no public part, and isn't one of ours.
        thumbprint: key.keyType?.startsWith("oct") ? "none" : await thumbprint(publicKeyOf(key)),
        protection: key.keyType?.endsWith("-HSM") ? "hsm" : "software",
    };
}

function rotationPolicy(timeBeforeExpiry: string): KeyRotationPolicyProperties {
    return { lifetimeActions: [{ action: "Notify", timeBeforeExpiry }] };
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
        : {
              kty: "EC",
              crv: azureCurve(jwk.crv),
              x: bytes(jwk.x),
              y: bytes(jwk.y),
              d: bytes(jwk.d),
          };
}
