import {
    constants,
    createPrivateKey,
    createPublicKey,
    privateDecrypt,
    privateEncrypt,
    publicDecrypt,
    publicEncrypt,
    type KeyObject,
} from "node:crypto";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import forge from "node-forge";
import { errors } from "./errors";
import type { Curve, KeyMaterial } from "./keyMaterial";
import type { KeyType } from "./rules";

/** What cryptography needs to know of a key's version. */
export interface KeyPair extends KeyMaterial {
    kty: KeyType;
}

const privateKeys = new WeakMap<KeyPair, KeyObject>();

/** Parsed once for each version: parsing costs as much as a verification. */
export function privateKeyOf(pair: KeyPair): KeyObject {
    const known = privateKeys.get(pair);
    if (known) return known;
    const der = Buffer.from(pair.pkcs8, "base64");
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    privateKeys.set(pair, key);
    return key;
}

type Hash = "sha256" | "sha384" | "sha512";

/** `hash` of RSA-OAEP: https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#rsa-algorithms */
const encryption: Record<string, { padding: "PKCS1" } | { padding: "OAEP"; hash: string }> = {
    RSA1_5: { padding: "PKCS1" },
    "RSA-OAEP": { padding: "OAEP", hash: "sha1" },
    "RSA-OAEP-256": { padding: "OAEP", hash: "sha256" },
};

type SignatureAlgorithm =
    | { family: "RSA"; padding: "PKCS1" | "PSS"; hash: Hash; bytes: number }
    | { family: "EC"; curve: Curve; bytes: number };

/** `bytes`: the length of the digest that is signed. */
const signatures: Record<string, SignatureAlgorithm> = {
    RS256: { family: "RSA", padding: "PKCS1", hash: "sha256", bytes: 32 },
    RS384: { family: "RSA", padding: "PKCS1", hash: "sha384", bytes: 48 },
    RS512: { family: "RSA", padding: "PKCS1", hash: "sha512", bytes: 64 },
    PS256: { family: "RSA", padding: "PSS", hash: "sha256", bytes: 32 },
    PS384: { family: "RSA", padding: "PSS", hash: "sha384", bytes: 48 },
    PS512: { family: "RSA", padding: "PSS", hash: "sha512", bytes: 64 },
    ES256: { family: "EC", curve: "P-256", bytes: 32 },
    ES256K: { family: "EC", curve: "P-256K", bytes: 32 },
    ES384: { family: "EC", curve: "P-384", bytes: 48 },
    ES512: { family: "EC", curve: "P-521", bytes: 64 },
};

export function encrypt(pair: KeyPair, alg: string, plaintext: Buffer): Buffer {
    const algorithm = encryptionFor(pair, alg);
    const key = createPublicKey(privateKeyOf(pair));
    return orIncorrect(() =>
        algorithm.padding === "PKCS1"
            ? publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, plaintext)
            : publicEncrypt(
                  {
                      key,
                      padding: constants.RSA_PKCS1_OAEP_PADDING,
                      oaepHash: algorithm.hash,
                  },
                  plaintext,
              ),
    );
}

export function decrypt(pair: KeyPair, alg: string, ciphertext: Buffer): Buffer {
    const algorithm = encryptionFor(pair, alg);
    const key = privateKeyOf(pair);
    if (ciphertext.length !== modulusBytes(key)) throw errors.parameterIncorrect();
    return orIncorrect(() =>
        algorithm.padding === "PKCS1"
            ? // Node refuses PKCS#1 v1.5 decryption unless its OpenSSL hides the outcome (CVE-2023-46809).
              removePkcs1Padding(
                  privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, ciphertext),
              )
            : privateDecrypt(
                  {
                      key,
                      padding: constants.RSA_PKCS1_OAEP_PADDING,
                      oaepHash: algorithm.hash,
                  },
                  ciphertext,
              ),
    );
}

export function sign(pair: KeyPair, alg: string, digest: Buffer): Buffer {
    const algorithm = signatureFor(pair, alg);
    if (digest.length !== algorithm.bytes)
        throw errors.invalidLength("value", digest.length, alg, algorithm.bytes);
    const key = privateKeyOf(pair);
    if (algorithm.family === "EC") {
        const scalar = Buffer.from(key.export({ format: "jwk" }).d ?? "", "base64url");
        return Buffer.from(nobleCurves[algorithm.curve].sign(digest, scalar).toCompactRawBytes());
    }
    return orIncorrect(() =>
        algorithm.padding === "PKCS1"
            ? privateEncrypt(
                  { key, padding: constants.RSA_PKCS1_PADDING },
                  digestInfo(algorithm.hash, digest),
              )
            : privateEncrypt(
                  { key, padding: constants.RSA_NO_PADDING },
                  emsaPss(algorithm.hash).encode(digest, modulusBits(key)),
              ),
    );
}

export function verify(pair: KeyPair, alg: string, digest: Buffer, signature: Buffer): boolean {
    const algorithm = signatureFor(pair, alg);
    if (digest.length !== algorithm.bytes)
        throw errors.invalidLength("digest", digest.length, alg, algorithm.bytes);
    try {
        if (algorithm.family === "EC") return verifyEc(pair, algorithm.curve, digest, signature);
        const key = createPublicKey(privateKeyOf(pair));
        if (signature.length !== modulusBytes(key)) return false;
        return algorithm.padding === "PKCS1"
            ? publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature).equals(
                  digestInfo(algorithm.hash, digest),
              )
            : emsaPss(algorithm.hash).verify(
                  digest,
                  publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature),
                  modulusBits(key),
              );
    } catch {
        // Not a signature of this length, padding or range.
        return false;
    }
}

function encryptionFor(pair: KeyPair, alg: string) {
    const algorithm = encryption[alg];
    if (!algorithm || !("n" in pair.public)) throw errors.unsupportedAlgorithm(alg, pair.kty);
    return algorithm;
}

function signatureFor(pair: KeyPair, alg: string): SignatureAlgorithm {
    const algorithm = signatures[alg];
    const fits =
        algorithm?.family === "RSA"
            ? "n" in pair.public
            : "crv" in pair.public && pair.public.crv === algorithm?.curve;
    if (!algorithm || !fits) throw errors.unsupportedAlgorithm(alg, pair.kty);
    return algorithm;
}

function orIncorrect(compute: () => Buffer): Buffer {
    try {
        return compute();
    } catch {
        throw errors.parameterIncorrect();
    }
}

/** RFC 8017, section 7.2.2: 00 02, at least eight bytes that aren't 0, 00, the message. */
function removePkcs1Padding(block: Buffer): Buffer {
    const end = block.indexOf(0, 2);
    if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new Error("Not PKCS#1 v1.5.");
    return block.subarray(end + 1);
}

/** RFC 8017, section 9.2, note 1. */
const digestInfoPrefixes: Record<Hash, Buffer> = {
    sha256: Buffer.from("3031300d060960864801650304020105000420", "hex"),
    sha384: Buffer.from("3041300d060960864801650304020205000430", "hex"),
    sha512: Buffer.from("3051300d060960864801650304020305000440", "hex"),
};

function digestInfo(hash: Hash, digest: Buffer): Buffer {
    return Buffer.concat([digestInfoPrefixes[hash], digest]);
}

/** OpenSSL takes shorter input as if it began with zeros; RFC 8017 (7.1.2, 8.1.2) doesn't. */
function modulusBytes(key: KeyObject): number {
    return Math.ceil(modulusBits(key) / 8);
}

function modulusBits(key: KeyObject): number {
    return key.asymmetricKeyDetails?.modulusLength ?? 0;
}

/**
 * EMSA-PSS (RFC 8017, section 9.1) of a digest that the client made, with a salt of its length (RFC 7518, section 3.5).
 * node:crypto only signs messages that it hashes itself; forge encodes, OpenSSL exponentiates.
 */
function emsaPss(hash: Hash) {
    const md = forge.md.algorithms[hash].create();
    const scheme = forge.pss.create({
        md,
        mgf: forge.mgf.mgf1.create(md) as unknown,
        saltLength: md.digestLength,
    }) as {
        encode(digest: { digest(): forge.util.ByteStringBuffer }, modulusBits: number): string;
        verify(digest: string, encoded: string, modulusBits: number): boolean;
    };
    return {
        encode: (digest: Buffer, bits: number): Buffer => {
            const made = { digest: () => forge.util.createBuffer(digest.toString("latin1")) };
            return Buffer.from(scheme.encode(made, bits), "latin1");
        },
        verify: (digest: Buffer, encoded: Buffer, bits: number): boolean =>
            scheme.verify(digest.toString("latin1"), encoded.toString("latin1"), bits),
    };
}

/** node:crypto has no ECDSA over a digest that the client made. */
const nobleCurves = { "P-256": p256, "P-384": p384, "P-521": p521, "P-256K": secp256k1 };

function verifyEc(pair: KeyPair, curve: Curve, digest: Buffer, signature: Buffer): boolean {
    if (!("crv" in pair.public)) return false;
    const { x, y } = pair.public;
    const point = Buffer.concat([
        Buffer.from([4]),
        Buffer.from(x, "base64url"),
        Buffer.from(y, "base64url"),
    ]);
    // Both halves of s are valid signatures for the service; only Bitcoin wants the lower one.
    return nobleCurves[curve].verify(signature, digest, point, { lowS: false, format: "compact" });
}
