import { createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { calculateJwkThumbprint } from "jose";
import { keyTypeDetails, type KeyType } from "./keyType";
import { seal, unseal, type SealKey } from "./seal";

/** One version of a key, as it is kept in the state. A persisted contract: its property names stay. */
export interface KeyVersion {
    /** 1, 2, 3 … */
    version: number;
    /** ISO 8601, UTC. */
    createdAt: string;
    /** PEM, SubjectPublicKeyInfo. */
    publicKey: string;
    /** RFC 7638, SHA-256, base64url. */
    thumbprint: string;
    /** The private key (PKCS#8 DER), sealed: see seal.ts. Empty for an external version. */
    sealed: string;
    /** Where it is from, if it wasn't generated: imported with its private key, or external, wrapped elsewhere for one vault. */
    origin?: "imported" | "external";
    /** The .byok file of an external version, base64url. */
    byok?: string;
}

/** Which key a version belongs to: bound into its sealed token, so that no token can pass for another one. */
export interface VersionIdentity {
    key: string;
    type: KeyType;
    version: number;
}

// The asynchronous form works on libuv's threads, so that several keys are made at once.
const generate = promisify(generateKeyPair);

async function generatePrivateKey(type: KeyType): Promise<KeyObject> {
    const details = keyTypeDetails(type);
    const pair =
        details.family === "RSA"
            ? await generate("rsa", { modulusLength: details.bits, publicExponent: 0x10001 })
            : await generate("ec", { namedCurve: details.curve });
    return pair.privateKey;
}

/** RFC 7638 thumbprint (SHA-256, base64url) of a public key. */
export function thumbprint(publicKey: KeyObject): Promise<string> {
    return calculateJwkThumbprint(publicKey.export({ format: "jwk" }));
}

/** Makes a version with new key material, which leaves this function only sealed. @param createdAt ISO 8601, UTC */
export async function generateKeyVersion(
    identity: VersionIdentity,
    sealKey: SealKey,
    createdAt: string,
): Promise<KeyVersion> {
    const privateKey = await generatePrivateKey(identity.type);
    const publicKey = createPublicKey(privateKey);
    const material = privateKey.export({ format: "der", type: "pkcs8" });
    try {
        return {
            version: identity.version,
            createdAt,
            publicKey: publicKey.export({ format: "pem", type: "spki" }) as string,
            thumbprint: await thumbprint(publicKey),
            sealed: await sealMaterial(identity, material, sealKey),
        };
    } finally {
        material.fill(0);
    }
}

/** What can be told to everyone of a key from outside. */
export interface PublicPart {
    /** PEM, SubjectPublicKeyInfo. */
    publicKey: string;
    /** RFC 7638, SHA-256, base64url. */
    thumbprint: string;
}

/** A version whose private key is from outside: see readPrivateKey. @param createdAt ISO 8601, UTC */
export async function importedKeyVersion(
    identity: VersionIdentity,
    { material, publicKey, thumbprint }: PublicPart & { material: Uint8Array },
    sealKey: SealKey,
    createdAt: string,
): Promise<KeyVersion> {
    const sealed = await sealMaterial(identity, material, sealKey);
    const { version } = identity;
    return { version, createdAt, publicKey, thumbprint, sealed, origin: "imported" };
}

/** A version whose private key we never see. @param createdAt ISO 8601, UTC */
export function externalKeyVersion(
    { version }: VersionIdentity,
    { publicKey, thumbprint, byok }: PublicPart & { byok: string },
    createdAt: string,
): KeyVersion {
    return { version, createdAt, publicKey, thumbprint, sealed: "", origin: "external", byok };
}

/** Seals a private key, PKCS#8 DER, as the material of one version. */
export function sealMaterial(
    identity: VersionIdentity,
    material: Uint8Array,
    sealKey: SealKey,
): Promise<string> {
    return seal(sealKey, material, materialBinding(identity));
}

/**
 * The private key of a version, PKCS#8 DER. The caller fills it with zeros when done.
 * @throws KeymgmtError SEALED_TOKEN
 */
export function openKeyVersion(
    identity: VersionIdentity,
    sealed: string,
    sealKey: SealKey,
): Promise<Uint8Array> {
    return unseal(sealKey, sealed, materialBinding(identity));
}

function materialBinding({ key, type, version }: VersionIdentity): Record<string, string> {
    return { use: "key material", key, type, version: String(version) };
}
