import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { KeyVaultKey } from "@azure/keyvault-keys";

/** The public key that the vault returned. Its HSM types are of the same shape as the plain ones. */
export function publicKeyOf({ key }: KeyVaultKey): KeyObject {
    const text = (bytes?: Uint8Array) => bytes && Buffer.from(bytes).toString("base64url");
    const jwk = key?.n
        ? { kty: "RSA", n: text(key.n), e: text(key.e) }
        : { kty: "EC", crv: joseCurve(key?.crv), x: text(key?.x), y: text(key?.y) };
    return createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
}

/** Azure named this curve before RFC 8812, section 3.1, did. */
const [azure, jose] = ["P-256K", "secp256k1"];

export function joseCurve(curve: string | undefined): string | undefined {
    return curve === azure ? jose : curve;
}

export function azureCurve(curve: string | undefined): string | undefined {
    return curve === jose ? azure : curve;
}
