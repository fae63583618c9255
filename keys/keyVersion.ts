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
    /** The private key (PKCS#8 DER), sealed: see seal.ts. */
    sealed: string;
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

/** Makes a version with new key material, which leaves this function only sealed. */
export async function generateKeyVersion(
    identity: VersionIdentity,
    sealKey: SealKey,
    createdAt: Date,
): Promise<KeyVersion> {
    const privateKey = await generatePrivateKey(identity.type);
    const publicKey = createPublicKey(privateKey);
    const material = privateKey.export({ format: "der", type: "pkcs8" });
    try {
        return {
            version: identity.version,
            createdAt: createdAt.toISOString(),
            publicKey: publicKey.export({ format: "pem", type: "spki" }) as string,
            thumbprint: await thumbprint(publicKey),
            sealed: await seal(sealKey, material, materialBinding(identity)),
        };
    } finally {
        material.fill(0);
    }
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
