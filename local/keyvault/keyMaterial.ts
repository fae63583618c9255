import {
    createECDH,
    createPrivateKey,
    generateKeyPair,
    type JsonWebKey,
    type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";
import { errors } from "./errors";

const generate = promisify(generateKeyPair);

/** The part of a key that is returned, as JSON Web Key members (RFC 7518, section 6). */
export type PublicMembers = { n: string; e: string } | { crv: Curve; x: string; y: string };

/** A private key, as it is stored. */
export interface KeyMaterial {
    public: PublicMembers;
    /** PKCS#8 DER, base64. */
    pkcs8: string;
}

/** The service's names of curves. P-256K is secp256k1. */
export const curves = ["P-256", "P-384", "P-521", "P-256K"] as const;
export type Curve = (typeof curves)[number];

const opensslCurves: Record<Curve, string> = {
    "P-256": "prime256v1",
    "P-384": "secp384r1",
    "P-521": "secp521r1",
    "P-256K": "secp256k1",
};

/** RFC 8812 calls secp256k1 by that name in a JSON Web Key, the service calls it P-256K. */
const jwkCurve = (curve: Curve) => (curve === "P-256K" ? "secp256k1" : curve);
const serviceCurve = (curve: string | undefined) =>
    curves.find((known) => jwkCurve(known) === curve);

/** A new key. The exponent's default is the service's. */
export async function generateRsa(bits: number, publicExponent = 65537): Promise<KeyMaterial> {
    return keyMaterial((await generate("rsa", { modulusLength: bits, publicExponent })).privateKey);
}

export async function generateEc(curve: Curve): Promise<KeyMaterial> {
    return keyMaterial((await generate("ec", { namedCurve: opensslCurves[curve] })).privateKey);
}

/** Another key of the same size and exponent, or curve. */
export function generateLike(members: PublicMembers): Promise<KeyMaterial> {
    return "n" in members
        ? generateRsa(rsaBits(members.n), Number(`0x${hex(members.e)}`))
        : generateEc(members.crv);
}

/** Members of a JSON Web Key that a client imports; all of them are its claim only. */
export interface ImportedJwk {
    crv?: string;
    n?: string;
    e?: string;
    d?: string;
    p?: string;
    q?: string;
    dp?: string;
    dq?: string;
    qi?: string;
    x?: string;
    y?: string;
}

/** The private key of an imported JSON Web Key, refused when its members don't belong together. */
export function fromJwk(kty: "RSA" | "EC", jwk: ImportedJwk): KeyMaterial {
    const { n, e, d, p, q, dp, dq, qi, x, y } = jwk;
    const crv = jwk.crv === "P-256K" ? "secp256k1" : jwk.crv;
    const members = kty === "RSA" ? { n, e, d, p, q, dp, dq, qi } : { crv, x, y, d };
    return checked(kty, () => createPrivateKey({ key: { kty, ...members }, format: "jwk" }));
}

/** The private key of a PKCS#8 structure, refused when its members don't belong together. */
export function fromPkcs8(kty: "RSA" | "EC", der: Buffer): KeyMaterial {
    return checked(kty, () => createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
}

/** OpenSSL takes what it is given for a key, so consistency is checked here. */
function checked(kty: "RSA" | "EC", parse: () => KeyObject): KeyMaterial {
    try {
        const key = parse();
        const jwk = key.export({ format: "jwk" });
        if (kty === "RSA" ? isConsistentRsa(jwk) : isConsistentEc(jwk))
            return keyMaterial(key, jwk);
    } catch {
        // OpenSSL's reasons don't help a client, and could quote the key.
    }
    throw kty === "RSA" ? errors.invalidRsaKey() : errors.invalidEcKey();
}

/** RFC 8017, section 3.2. */
function isConsistentRsa(jwk: JsonWebKey): boolean {
    if (jwk.kty !== "RSA") return false;
    const number = (member: string | undefined) => BigInt(`0x${hex(member ?? "")}`);
    const [n, e, d] = [number(jwk.n), number(jwk.e), number(jwk.d)];
    const [p, q] = [number(jwk.p), number(jwk.q)];
    return (
        n === p * q &&
        (e * d) % (p - 1n) === 1n &&
        (e * d) % (q - 1n) === 1n &&
        number(jwk.dp) === d % (p - 1n) &&
        number(jwk.dq) === d % (q - 1n) &&
        (number(jwk.qi) * q) % p === 1n
    );
}

const hex = (base64url: string) => Buffer.from(base64url, "base64url").toString("hex");

function isConsistentEc(jwk: JsonWebKey): boolean {
    const curve = serviceCurve(jwk.crv);
    if (jwk.kty !== "EC" || !curve) return false;
    const ecdh = createECDH(opensslCurves[curve]);
    ecdh.setPrivateKey(Buffer.from(jwk.d ?? "", "base64url"));
    const point = [jwk.x, jwk.y].map((member) => Buffer.from(member ?? "", "base64url"));
    return ecdh.getPublicKey().equals(Buffer.concat([Buffer.from([4]), ...point]));
}

export function keyMaterial(key: KeyObject, jwk = key.export({ format: "jwk" })): KeyMaterial {
    const pkcs8 = key.export({ format: "der", type: "pkcs8" }).toString("base64");
    return { public: publicMembers(jwk), pkcs8 };
}

function publicMembers({ kty, n, e, crv, x, y }: JsonWebKey): PublicMembers {
    const curve = serviceCurve(crv);
    if (kty === "RSA" && n && e) return { n, e };
    if (curve && x && y) return { crv: curve, x, y };
    throw errors.internal();
}

/** Bits of the modulus: six for each character but the last one's spare bits, and without its leading zeros. */
export function rsaBits(modulus: string): number {
    const bytes = Math.floor((modulus.length * 6) / 8);
    const [first = 0] = Buffer.from(modulus.slice(0, 2), "base64url");
    return bytes * 8 - (Math.clz32(first) - 24);
}
