import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { KeyVaultKey } from "@azure/keyvault-keys";

/** The public key that the vault returned. Its HSM types are of the same shape as the plain ones. */
export function publicKeyOf({ key }: KeyVaultKey): KeyObject {
    const text = (bytes?: Uint8Array) => bytes && Buffer.from(bytes).toString("base64url");
    const jwk = key?.n
        ? { kty: "RSA", n: text(key.n), e: text(key.e) }
        : { kty: "EC", crv: key?.crv, x: text(key?.x), y: text(key?.y) };
    return createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
}
