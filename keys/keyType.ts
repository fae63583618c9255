/** Types of keys, by Vault's names where it has one. A key has one for life. */
export const keyTypes = [
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "ecdsa-secp256k1",
] as const;
export type KeyType = (typeof keyTypes)[number];

/** What a copy of a key may be used for. */
export const purposes = ["encrypt", "decrypt", "sign", "verify", "wrap", "unwrap"] as const;
export type Purpose = (typeof purposes)[number];

/** How the KMS holds a copy: in an HSM that it can't leave, or in software. */
export const protections = ["hsm", "software"] as const;
export type Protection = (typeof protections)[number];

export type KeyTypeDetails =
    | { family: "RSA"; /** Size of the modulus. */ bits: 2048 | 3072 | 4096 }
    | {
          family: "EC";
          /** Named as in JOSE (RFC 7518, section 6.2.1.1; RFC 8812, section 3.1). */ curve: Curve;
      };
export type Curve = "P-256" | "P-384" | "P-521" | "secp256k1";

const details: Record<KeyType, KeyTypeDetails> = {
    "rsa-2048": { family: "RSA", bits: 2048 },
    "rsa-3072": { family: "RSA", bits: 3072 },
    "rsa-4096": { family: "RSA", bits: 4096 },
    "ecdsa-p256": { family: "EC", curve: "P-256" },
    "ecdsa-p384": { family: "EC", curve: "P-384" },
    "ecdsa-p521": { family: "EC", curve: "P-521" },
    "ecdsa-secp256k1": { family: "EC", curve: "secp256k1" },
};

export function keyTypeDetails(type: KeyType): KeyTypeDetails {
    return details[type];
}

/** Why a key type can't serve a purpose; undefined if it can. ECDSA keys only sign and verify. */
export function purposeProblem(type: KeyType, purpose: Purpose): string | undefined {
    const allowed = details[type].family === "RSA" ? purposes : (["sign", "verify"] as const);
    return (allowed as readonly Purpose[]).includes(purpose)
        ? undefined
        : `a key of type ${type} can't; allowed: ${allowed.join(", ")}`;
}
