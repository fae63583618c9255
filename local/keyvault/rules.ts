import type { Vault } from "../vault";
import { errors } from "./errors";

/** What a key is: how it is made, and where its private part is kept. */
export const keyTypes = ["RSA", "RSA-HSM", "EC", "EC-HSM"] as const;
export type KeyType = (typeof keyTypes)[number];

export const isHsm = (kty: KeyType) => kty.endsWith("-HSM");
export const algorithmFamily = (kty: KeyType) => (kty.startsWith("RSA") ? "RSA" : "EC");

/** What is done with a key, and recorded as permitted in its `key_ops`. */
export type KeyOperation =
    "encrypt" | "decrypt" | "sign" | "verify" | "wrapKey" | "unwrapKey" | "import";

const operationsOf: Record<"RSA" | "EC", readonly KeyOperation[]> = {
    RSA: ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
    EC: ["sign", "verify"],
};

/** https://learn.microsoft.com/azure/key-vault/keys/byok-specification: only in a key exchange key (KEK). */
const exchange: KeyOperation = "import";

export const isKek = (version: { keyOps: readonly string[] }) => version.keyOps.includes(exchange);

/** The operations that a key gets: those asked for, or all of its type. None counts as not asked. */
export function permittedOperations(
    kty: KeyType,
    asked: readonly string[] | null | undefined,
    kekAllowed: boolean,
): KeyOperation[] {
    const supported = operationsOf[algorithmFamily(kty)];
    if (!asked?.length) return [...supported];
    if (asked.includes(exchange)) {
        if (kekAllowed && kty === "RSA-HSM" && asked.length === 1) return [exchange];
        throw errors.importIsExclusive();
    }
    const permitted = asked.flatMap((name) => supported.find((known) => known === name) ?? []);
    if (permitted.length < asked.length)
        throw errors.unsupportedKeyOperations(
            asked.filter((name) => !supported.some((known) => known === name)),
            supported,
        );
    return permitted;
}

/** Seconds. A KEK lives two days, whatever was asked for; an earlier end stays (assumed). */
export function kekExpiry(created: number, asked: number | undefined): number {
    return Math.min(created + 48 * 3600, asked ?? Infinity);
}

/**
 * Refuses an operation with this version of a key. Outside of its time a key may still open what it has sealed
 * (https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#key-attributes).
 */
export function assertUsable(
    version: { enabled: boolean; nbf?: number; exp?: number; keyOps: readonly string[] },
    operation: KeyOperation,
    nowSeconds: number,
): void {
    if (!version.enabled) throw errors.keyDisabled(operation);
    if (!["decrypt", "unwrapKey", "verify"].includes(operation)) {
        if (version.nbf !== undefined && nowSeconds < version.nbf)
            throw errors.keyNotYetValid(operation);
        if (version.exp !== undefined && nowSeconds >= version.exp)
            throw errors.keyExpired(operation);
    }
    if (!version.keyOps.includes(operation)) throw errors.keyOperationForbidden(operation);
}

/** 1 to 127 letters, digits and hyphens. */
export function assertName(name: string): void {
    if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) throw errors.invalidName(name);
}

export const versionIdPattern = "[0-9a-fA-F]{32}";
export const isVersionId = (text: string) => new RegExp(`^${versionIdPattern}$`).test(text);

/** https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#key-tags */
export function assertTags(tags: Readonly<Record<string, string>>): void {
    const entries = Object.entries(tags);
    if (entries.length > 15) throw errors.tooManyTags();
    if (entries.flat().some((text) => text.length > 256)) throw errors.tagTooLong();
}

export function assertSku(vault: Vault, kty: KeyType): void {
    if (isHsm(kty) && vault.sku === "standard") throw errors.hardwareKeyOnStandardVault();
}

/** 1024 bits is what an import of a software key accepts, seen in a recorded session. */
export function assertRsaSize(kty: KeyType, bits: number, origin: "created" | "imported"): void {
    const sizes = [2048, 3072, 4096];
    if (origin === "imported" && !isHsm(kty)) sizes.push(1024);
    if (!sizes.includes(bits)) throw errors.invalidProperty("key_size");
}

export function recoveryLevel(vault: Vault): string {
    const level = vault.softDeleteRetentionInDays < 90 ? "CustomizedRecoverable" : "Recoverable";
    return vault.enablePurgeProtection ? level : `${level}+Purgeable`;
}
