import { checkPrime, createECDH, type JsonWebKey, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

const isPrime = promisify<bigint, boolean>(checkPrime);

/**
 * Why a private key's numbers can't be one key's; undefined if they can. OpenSSL doesn't look when it reads a key, and a damaged one
 * makes wrong signatures, or such as give the key away.
 * @param key RSA or EC
 */
export async function privateKeyFlaw(key: KeyObject): Promise<string | undefined> {
    const jwk = key.export({ format: "jwk" });
    return jwk.kty === "RSA"
        ? (exponentFlaw(jwk) ?? (await rsaFlaw(jwk)))
        : ecFlaw(jwk, key.asymmetricKeyDetails!.namedCurve!);
}

/** FIPS 186-5, appendix A.1.1. (Azure doesn't say which exponents it takes.) */
export function exponentFlaw({ e }: JsonWebKey): string | undefined {
    const exponent = number(e);
    return exponent % 2n === 1n && exponent > 1n << 16n && exponent < 1n << 256n
        ? undefined
        : "its public exponent must be odd, with e between 2^16 and 2^256";
}

/** FIPS 186-5, appendix A.1.1, and NIST SP 800-56B revision 2, section 6.4.1. */
async function rsaFlaw(jwk: JsonWebKey): Promise<string | undefined> {
    const [n, e, d] = [number(jwk.n), number(jwk.e), number(jwk.d)];
    const [p, q] = [number(jwk.p), number(jwk.q)];
    const [dp, dq, qi] = [number(jwk.dp), number(jwk.dq), number(jwk.qi)];
    const half = bitLength(n) / 2;
    const distance = p > q ? p - q : q - p;
    // In this order: a rule divides only by what the rules before it have found to be large.
    const rules: [holds: () => boolean, flaw: string][] = [
        [() => n === p * q, "n isn't p times q"],
        [
            () => [p, q].every((factor) => bitLength(factor) === half),
            "p and q aren't half as long as n",
        ],
        [() => distance > 1n << BigInt(half - 100), "p and q are too close to each other"],
        [() => d > 1n << BigInt(half) && d < n, "d is too small or too large"],
        [
            () => [p, q].every((factor) => (e * d) % (factor - 1n) === 1n),
            "d isn't the inverse of e",
        ],
        [() => dp === d % (p - 1n) && dq === d % (q - 1n), "dp or dq isn't that of d"],
        [() => qi < p && (qi * q) % p === 1n, "qi isn't the inverse of q"],
    ];
    const broken = rules.find(([holds]) => !holds());
    if (broken) {
        return broken[1];
    }
    const primes = await Promise.all([isPrime(p), isPrime(q)]);
    return primes.every(Boolean) ? undefined : "p or q isn't a prime";
}

function ecFlaw(jwk: JsonWebKey, curve: string): string | undefined {
    const flaw = "its public point isn't d times the curve's base point";
    const point = Buffer.concat([Buffer.of(4), bytes(jwk.x), bytes(jwk.y)]); // uncompressed: SEC 1, section 2.3.3
    const d = bytes(jwk.d);
    const ecdh = createECDH(curve);
    try {
        ecdh.setPrivateKey(d); // throws if d isn't below the curve's order
        return ecdh.getPublicKey().equals(point) ? undefined : flaw;
    } catch {
        return flaw;
    } finally {
        d.fill(0);
    }
}

function bytes(member: string | undefined): Buffer {
    return Buffer.from(member!, "base64url");
}

function number(member: string | undefined): bigint {
    return BigInt(`0x${bytes(member).toString("hex")}`);
}

function bitLength(value: bigint): number {
    return value.toString(2).length;
}
