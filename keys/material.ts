import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { exponentFlaw, privateKeyFlaw } from "./consistency";
import { KeymgmtError } from "./errors";
import { keyTypeDetails, type Curve, type KeyType } from "./keyType";
import { thumbprint, type PublicPart } from "./keyVersion";

/**
 * Reads a private key from outside: PEM (PKCS#8, PKCS#1 or SEC 1, encrypted or not) or a JWK. What stands beside it in a PEM text, such
 * as its certificate, is passed over.
 * @param type what it has to be
 * @param what where it is from and what for, for messages, as in "file:old.pem for version 2 of key rsa-1"
 * @param passphrase opens it if it is encrypted
 * @returns with `material` the key as PKCS#8 DER, which the caller fills with zeros when done
 * @throws KeymgmtError KEY_MATERIAL. It has no cause: those of JSON.parse and of a damaged JWK quote what they read.
 */
export async function readPrivateKey(
    text: string,
    type: KeyType,
    what: string,
    passphrase?: string,
): Promise<PublicPart & { material: Uint8Array }> {
    const jwk = jwkIn(text, what);
    const key = jwk
        ? keyOf("private", jwk, what)
        : privateKeyOf(soleBlock(text, "private", what), what, passphrase);
    assertType(key, type, what);
    const flaw = await privateKeyFlaw(key);
    if (flaw) {
        throw refusal(
            what,
            `${flaw}. The key is damaged, or was never a good one. Give it as it was made`,
        );
    }
    // From its numbers alone: attributes, and a curve spelt out, stay behind.
    const own = createPrivateKey({ key: key.export({ format: "jwk" }), format: "jwk" });
    return {
        ...(await publicPart(createPublicKey(own))),
        material: own.export({ format: "der", type: "pkcs8" }),
    };
}

/**
 * Reads a public key from outside: PEM (SubjectPublicKeyInfo or PKCS#1) or a JWK.
 * @param type what it has to be
 * @param what where it is from and what for, for messages
 * @throws KeymgmtError KEY_MATERIAL
 */
export async function readPublicKey(
    text: string,
    type: KeyType,
    what: string,
): Promise<PublicPart> {
    const jwk = jwkIn(text, what);
    if (jwk?.d !== undefined || blocksIn(text).some(({ half }) => half === "private")) {
        throw refusal(
            what,
            "this is a private key, where only its public key belongs. Take it away from there, and give its public key",
        );
    }
    const key = jwk
        ? keyOf("public", jwk, what)
        : publicKeyOf(soleBlock(text, "public", what), what);
    assertType(key, type, what);
    const numbers = key.export({ format: "jwk" });
    const flaw = numbers.kty === "RSA" && exponentFlaw(numbers);
    if (flaw) {
        throw refusal(what, `${flaw}. Give the public key of another key pair`);
    }
    return publicPart(createPublicKey({ key: numbers, format: "jwk" }));
}

async function publicPart(publicKey: KeyObject): Promise<PublicPart> {
    return {
        publicKey: publicKey.export({ format: "pem", type: "spki" }) as string,
        thumbprint: await thumbprint(publicKey),
    };
}

type Half = "private" | "public";

const give: Record<Half, string> = {
    private: "Give a private key of RSA or EC, as PEM (PKCS#8, PKCS#1 or SEC 1) or as JWK",
    public: "Give a public key of RSA or EC, as PEM or as JWK",
};

/** The numbers of JWKs: RFC 7518, section 6. RSA private keys without their factors are allowed there, but nobody writes them. */
const jwkMembers: Record<string, Record<Half, readonly string[]>> = {
    RSA: { public: ["n", "e"], private: ["n", "e", "d", "p", "q", "dp", "dq", "qi"] },
    EC: { public: ["x", "y"], private: ["x", "y", "d"] },
};

/** Undefined if the text isn't JSON. */
function jwkIn(text: string, what: string): JsonWebKey | undefined {
    const json = parseJson(text);
    if (Array.isArray(json) || (isObject(json) && "keys" in json)) {
        throw refusal(what, "this is a list of keys (JWK Set). Give one of its keys alone");
    }
    return isObject(json) ? json : undefined;
}

function parseJson(text: string): unknown {
    try {
        return JSON.parse(text.trim());
    } catch {
        return undefined;
    }
}

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null;
}

function keyOf(half: Half, jwk: JsonWebKey, what: string): KeyObject {
    const members = Object.hasOwn(jwkMembers, String(jwk.kty)) && jwkMembers[jwk.kty!]![half];
    if (!members) {
        throw refusal(what, `this JSON is no JWK with kty RSA or EC. ${give[half]}`);
    }
    if (half === "private" && jwk.d === undefined) {
        throw refusal(what, `this isn't a private key but a public JWK. ${give.private}`);
    }
    const missing = members.filter((name) => jwk[name] === undefined);
    if (missing.length > 0) {
        throw refusal(
            what,
            `members of the JWK are missing, without which it can't be checked: ${missing.join(", ")}. Give it whole`,
        );
    }
    const malformed = members.filter(
        (name) => !/^[\w-]+$/.test(String(jwk[name])) || typeof jwk[name] !== "string",
    );
    if (malformed.length > 0) {
        throw refusal(
            what,
            `members of the JWK aren't base64url text: ${malformed.join(", ")}. Give it as it was made`,
        );
    }
    return readable(what, () =>
        half === "private"
            ? createPrivateKey({ key: jwk, format: "jwk" })
            : createPublicKey({ key: jwk, format: "jwk" }),
    );
}

interface PemBlock {
    pem: string;
    label: string;
    half: Half | undefined;
}

/** RFC 7468, sections 10, 11 and 13, and the older labels of OpenSSL. */
const halves = new Map<string, Half>([
    ["PRIVATE KEY", "private"],
    ["ENCRYPTED PRIVATE KEY", "private"],
    ["RSA PRIVATE KEY", "private"],
    ["EC PRIVATE KEY", "private"],
    ["PUBLIC KEY", "public"],
    ["RSA PUBLIC KEY", "public"],
]);

function blocksIn(text: string): PemBlock[] {
    const blocks = text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----[^]*?-----END \1-----/g);
    return [...blocks].map(([pem, label]) => ({ pem, label: label!, half: halves.get(label!) }));
}

function soleBlock(text: string, half: Half, what: string): PemBlock {
    const all = blocksIn(text);
    const fitting = all.filter((block) => block.half === half);
    if (fitting.length > 1) {
        throw refusal(what, `there are ${fitting.length} keys in it. Give one key alone`);
    }
    if (!fitting[0]) {
        const instead = all[0] ? ` but ${all[0].label}` : "";
        throw refusal(what, `this isn't a ${half} key${instead}. ${give[half]}`);
    }
    return fitting[0];
}

function privateKeyOf({ pem, label }: PemBlock, what: string, passphrase?: string): KeyObject {
    // PKCS#8, and the way of RFC 1421 that OpenSSL calls traditional.
    if (label !== "ENCRYPTED PRIVATE KEY" && !/^Proc-Type: *4, *ENCRYPTED/m.test(pem)) {
        return readable(what, () => createPrivateKey(pem));
    }
    if (!passphrase) {
        throw refusal(
            what,
            "the key is encrypted, and no passphrase is given. Say where its passphrase is",
        );
    }
    try {
        return createPrivateKey({ key: pem, passphrase });
    } catch (error) {
        throw refusal(
            what,
            (error as { code?: string }).code === "ERR_OSSL_EVP_UNSUPPORTED"
                ? "the key is encrypted in a way that is no longer supported. Encrypt it anew with AES: openssl pkcs8 -topk8 -v2 aes-256-cbc"
                : "the key is encrypted and doesn't open: the passphrase is another one's, or the key is damaged. Give the right passphrase",
        );
    }
}

function publicKeyOf({ pem }: PemBlock, what: string): KeyObject {
    return readable(what, () => createPublicKey(pem));
}

function readable(what: string, read: () => KeyObject): KeyObject {
    try {
        return read();
    } catch {
        throw refusal(
            what,
            "the key can't be read: it's damaged, or of a curve that isn't known. Give it as it was made",
        );
    }
}

/** By OpenSSL's names. */
const curves = new Map<string | undefined, Curve>([
    ["prime256v1", "P-256"],
    ["secp384r1", "P-384"],
    ["secp521r1", "P-521"],
    ["secp256k1", "secp256k1"],
]);

function assertType(key: KeyObject, type: KeyType, what: string): void {
    const [found, wanted] = [describeKey(key), describeType(type)];
    if (found !== wanted) {
        throw refusal(
            what,
            `it's ${found}, but key type ${type} is ${wanted}. Give a key of that type`,
        );
    }
}

function describeKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
    const { modulusLength, namedCurve } = asymmetricKeyDetails ?? {};
    if (asymmetricKeyType === "rsa") {
        return rsaKey(modulusLength);
    }
    return asymmetricKeyType === "ec"
        ? ecKey(curves.get(namedCurve) ?? namedCurve ?? "of no name")
        : `a key of kind ${asymmetricKeyType}`;
}

function describeType(type: KeyType): string {
    const details = keyTypeDetails(type);
    return details.family === "RSA" ? rsaKey(details.bits) : ecKey(details.curve);
}

const rsaKey = (bits: number | undefined) => `an RSA key of ${bits} bits`;
const ecKey = (curve: string) => `an EC key on curve ${curve}`;

function refusal(what: string, why: string): KeymgmtError {
    return new KeymgmtError("KEY_MATERIAL", `${what}: ${why}.`);
}
