import {
    checkPrimeSync,
    createPrivateKey,
    createPublicKey,
    generatePrimeSync,
    generateKeyPairSync,
    type JsonWebKey,
    type KeyObject,
} from "node:crypto";
import fc from "fast-check";
import { keyTypeDetails, keyTypes, type KeyType } from "../../keys/keyType";
import { thumbprint } from "../../keys/keyVersion";
import { readPrivateKey, readPublicKey } from "../../keys/material";
import { ecKeyPair, rsaKeyPair } from "../keyPair";

const what = "file:old.pem for version 2 of key orders";
const passphrase = "correct horse battery staple";

// The smallest RSA type stands for all: they differ in the size alone.
const types = keyTypes.filter((type) => type === "rsa-2048" || type.startsWith("ecdsa-"));
const keys = new Map(
    types.map((type) => {
        const details = keyTypeDetails(type);
        const pair = details.family === "RSA" ? rsaKeyPair(2048) : ecKeyPair(details.curve);
        return [type, pair.privateKey];
    }),
);
const rsa = keys.get("rsa-2048")!;
const ec = keys.get("ecdsa-p256")!;

const jwkOf = (key: KeyObject) => key.export({ format: "jwk" });
const jwkText = (key: KeyObject, change: JsonWebKey = {}) =>
    JSON.stringify({ ...jwkOf(key), ...change });
const pem = (key: KeyObject, type: "pkcs8" | "pkcs1" | "sec1", protect = {}) =>
    key.export({ format: "pem", type: type, ...protect }) as string;
const publicPem = (key: KeyObject) =>
    (key.type === "public" ? key : createPublicKey(key)).export({
        format: "pem",
        type: "spki",
    }) as string;
const own = (key: KeyObject) => (key.asymmetricKeyType === "rsa" ? "pkcs1" : "sec1");
const encrypted = { cipher: "aes-256-cbc", passphrase };

const formats: Record<string, (key: KeyObject) => string> = {
    "PKCS#8": (key) => pem(key, "pkcs8"),
    "its own PEM": (key) => pem(key, own(key)),
    "encrypted PKCS#8": (key) => pem(key, "pkcs8", encrypted),
    "its own PEM, encrypted": (key) => pem(key, own(key), encrypted),
    JWK: (key) => jwkText(key),
    "JWK with other members": (key) => jwkText(key, { kid: "1", key_ops: ["sign"] }),
    "PEM with Windows' line ends and a byte order mark": (key) =>
        `\uFEFF${pem(key, "pkcs8").replaceAll("\n", "\r\n")}`,
    "PEM among text, parameters and its public key": (key) =>
        `Bag Attributes\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${pem(key, own(key))}${publicPem(key)}`,
};

test("each type in each format is the same key, in our own encoding, whether or not a passphrase is given with it", async () => {
    await fc.assert(
        fc.asyncProperty(
            fc.constantFrom(...types),
            fc.constantFrom(...Object.keys(formats)),
            fc.string({ unit: fc.constantFrom(" ", "\n", "\t"), maxLength: 3 }),
            async (type, format, space) => {
                const key = keys.get(type)!;
                const text = space + formats[format]!(key) + space;
                const read = await readPrivateKey(text, type, what, passphrase);
                expect(Buffer.from(read.material)).toEqual(
                    key.export({ format: "der", type: "pkcs8" }),
                );
                expect(read.publicKey).toBe(publicPem(key));
                expect(read.thumbprint).toBe(await thumbprint(createPublicKey(key)));
            },
        ),
        {
            examples: types.flatMap((t) =>
                Object.keys(formats).map((f) => [t, f, ""] as const),
            ) as never,
            numRuns: types.length * Object.keys(formats).length,
        },
    );
}, 120_000);

test("a compressed point comes out as any other", async () => {
    // SEC 1 with the public key as 02 or 03 and x alone, made by hand: node writes none.
    const { d, x, y } = jwkOf(ec);
    const sign = 2 + (Buffer.from(y!, "base64url").at(-1)! & 1);
    const der = Buffer.concat([
        Buffer.from("30570201010420", "hex"),
        Buffer.from(d!, "base64url"),
        Buffer.from("a00a06082a8648ce3d030107a124032200", "hex"),
        Buffer.from([sign]),
        Buffer.from(x!, "base64url"),
    ]);
    const label = "EC PRIVATE KEY";
    const text = `-----BEGIN ${label}-----\n${der.toString("base64")}\n-----END ${label}-----\n`;
    const { material } = await readPrivateKey(text, "ecdsa-p256", what);
    expect(Buffer.from(material)).toEqual(ec.export({ format: "der", type: "pkcs8" }));
});

/** All that it throws must be ours, name the place, and hold none of the text's secrets. */
async function refusal(text: string, type: KeyType, given?: string): Promise<string> {
    const error = await readPrivateKey(text, type, what, given).then(
        () => undefined,
        (thrown: unknown) => thrown as Error,
    );
    expect(error).toMatchObject({ name: "KeymgmtError", code: "KEY_MATERIAL" });
    expect(error!.message).toMatch(/^file:old\.pem for version 2 of key orders: /);
    const said = `${error!.message} ${String((error!.cause as Error | undefined)?.message)}`;
    for (const key of [rsa, ec]) {
        for (const member of ["d", "p", "q", "dp", "dq", "qi"] as const) {
            const secret = jwkOf(key)[member];
            if (secret) expect(said).not.toContain(secret.slice(0, 12));
        }
    }
    return error!.message;
}

const certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

test.each<[string, () => string, KeyType, RegExp]>([
    ["nothing", () => "", "rsa-2048", /isn't a private key\. Give a private key of RSA or EC/],
    ["words", () => "hunter2", "rsa-2048", /isn't a private key/],
    ["a list", () => "[1]", "rsa-2048", /a list of keys/],
    ["half a JWK", () => jwkText(rsa).slice(0, -2), "rsa-2048", /isn't a private key/],
    ["JSON of null", () => `{"d": null}`, "rsa-2048", /no JWK with kty RSA or EC/],
    ["a secret key", () => `{"kty":"oct","k":"AAAA","d":"AA"}`, "rsa-2048", /no JWK with kty RSA/],
    ["kty __proto__", () => `{"kty":"__proto__","d":"AA"}`, "rsa-2048", /no JWK with kty RSA/],
    ["half a PEM", () => pem(rsa, "pkcs8").slice(0, 300), "rsa-2048", /isn't a private key/],
    ["a public key", () => publicPem(rsa), "rsa-2048", /isn't a private key but PUBLIC KEY/],
    ["a certificate", () => certificate, "rsa-2048", /isn't a private key but CERTIFICATE/],
    ["a public JWK", () => jwkText(createPublicKey(rsa)), "rsa-2048", /but a public JWK/],
    ["two PEMs", () => pem(rsa, "pkcs8") + pem(ec, "sec1"), "rsa-2048", /there are 2 keys/],
    ["a JWK Set", () => `{"keys":[${jwkText(rsa)}]}`, "rsa-2048", /list of keys \(JWK Set\)/],
    [
        "a number for d",
        () => `{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":123}`,
        "ecdsa-p256",
        /aren't base64url text: d\./,
    ],
    [
        "a JWK without CRT",
        () => jwkText(rsa, { p: undefined, qi: undefined }),
        "rsa-2048",
        /missing, .*: p, qi\. Give/,
    ],
    ["an unknown curve", () => jwkText(ec, { crv: "P-1" }), "ecdsa-p256", /can't be read/],
    [
        "a damaged PEM",
        () => pem(ec, "sec1").replace(/\n.{8}/, "\nAAAAAAAA"),
        "ecdsa-p256",
        /can't be read: it's damaged/,
    ],
    [
        "EC for RSA",
        () => jwkText(ec),
        "rsa-2048",
        /it's an EC key on curve P-256, but key type rsa-2048 is an RSA key of 2048 bits/,
    ],
    [
        "RSA for EC",
        () => pem(rsa, "pkcs1"),
        "ecdsa-p384",
        /it's an RSA key of 2048 bits, but key type ecdsa-p384 is an EC key on curve P-384/,
    ],
    ["another size", () => jwkText(rsa), "rsa-3072", /is an RSA key of 3072 bits/],
    [
        "another curve",
        () => pem(ec, "pkcs8"),
        "ecdsa-secp256k1",
        /it's an EC key on curve P-256, but .* curve secp256k1/,
    ],
    [
        "a small RSA key",
        () => pem(rsaKeyPair(1024).privateKey, "pkcs8"),
        "rsa-2048",
        /an RSA key of 1024 bits, but key type rsa-2048/,
    ],
    [
        "a curve of no type",
        () => pem(ecKeyPair("brainpoolP256r1").privateKey, "pkcs8"),
        "ecdsa-p256",
        /on curve brainpoolP256r1/,
    ],
    ["Ed25519", () => ed25519(), "ecdsa-p256", /it's a key of kind ed25519/],
])("refused: %s", async (_, text, type, message) => {
    expect(await refusal(text(), type)).toMatch(message);
});

function ed25519(): string {
    return generateKeyPairSync("ed25519", {
        publicKeyEncoding: { format: "pem", type: "spki" },
        privateKeyEncoding: { format: "pem", type: "pkcs8" },
    }).privateKey;
}

test.each([
    ["rsa-2048", "pkcs8"],
    ["rsa-2048", "pkcs1"],
    ["ecdsa-p256", "pkcs8"],
    ["ecdsa-p256", "sec1"],
] as const)("an encrypted key of type %s in %s needs its passphrase", async (type, format) => {
    const text = pem(keys.get(type)!, format, encrypted);
    expect(await refusal(text, type)).toMatch(/is encrypted, and no passphrase is given/);
    expect(await refusal(text, type, "")).toMatch(/is encrypted, and no passphrase is given/);
    const wrong = await refusal(text, type, "hunter2");
    expect(wrong).toMatch(/doesn't open: the passphrase is another one's/);
    expect(wrong).not.toContain("hunter2");
});

test("a changed number is refused, whichever it is", async () => {
    const members = [
        ...["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(
            (name) => [rsa, "rsa-2048", name] as const,
        ),
        ...["x", "y", "d"].flatMap((name) =>
            types.slice(1).map((type) => [keys.get(type)!, type, name] as const),
        ),
    ];
    await fc.assert(
        fc.asyncProperty(fc.constantFrom(...members), fc.nat(), async ([key, type, name], at) => {
            const bytes = Buffer.from(jwkOf(key)[name] as string, "base64url");
            const bit = at % (bytes.length * 8);
            bytes[bit >> 3]! ^= 1 << (bit & 7);
            await refusal(jwkText(key, { [name]: bytes.toString("base64url") }), type);
        }),
    );
}, 120_000);

describe("numbers that aren't an RSA key's", () => {
    const numberOf = (text: string) =>
        BigInt(`0x${Buffer.from(text, "base64url").toString("hex")}`);
    const textOf = (number: bigint) => {
        const hex = number.toString(16);
        return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString(
            "base64url",
        );
    };
    const { p, q, d } = jwkOf(rsa);
    const [P, Q, D] = [numberOf(p!), numberOf(q!), numberOf(d!)];

    /** All numbers as p, q and e make them. */
    function made(P: bigint, Q: bigint, e: bigint, d = inverse(e, (P - 1n) * (Q - 1n))): string {
        const numbers = {
            n: P * Q,
            e,
            d,
            p: P,
            q: Q,
            dp: d % (P - 1n),
            dq: d % (Q - 1n),
            qi: inverse(Q, P),
        };
        const members = Object.entries(numbers).map(([name, number]) => [name, textOf(number)]);
        return JSON.stringify({ kty: "RSA", ...Object.fromEntries(members) });
    }
    /** Extended Euclid; 1 where there's none. */
    function inverse(a: bigint, m: bigint): bigint {
        let [r, next, x, y] = [m, a % m, 0n, 1n];
        while (next > 0n) [r, next, x, y] = [next, r % next, y, x - (r / next) * y];
        return r === 1n ? (x + m) % m : 1n;
    }
    function coprime(e: bigint): bigint {
        while (inverse(e, (P - 1n) * (Q - 1n)) === 1n) e += 2n;
        return e;
    }
    function nextPrime(after: bigint): bigint {
        let number = after + 2n;
        while (!checkPrimeSync(number)) number += 2n;
        return number;
    }
    const composite = () => {
        let number = Q - 2n;
        while (
            checkPrimeSync(number) ||
            inverse(65537n, number - 1n) === 1n ||
            inverse(number, P) === 1n
        )
            number -= 2n;
        return number;
    };

    test("the key itself, made anew, is one", async () => {
        await readPrivateKey(made(P, Q, 65537n), "rsa-2048", what);
        await readPrivateKey(made(Q, P, 65537n), "rsa-2048", what);
        await readPrivateKey(made(P, Q, coprime((1n << 255n) + 1n)), "rsa-2048", what);
    });

    test.each<[string, () => string, RegExp]>([
        ["e of 3", () => made(P, Q, 3n), /e between 2\^16 and 2\^256/],
        ["e below 2^16", () => made(P, Q, 65535n), /e between 2\^16/],
        ["an even e", () => made(P, Q, 65538n), /must be odd/],
        ["an e of 257 bits", () => made(P, Q, coprime((1n << 256n) + 1n)), /and 2\^256/],
        [
            "p and q of unlike sizes",
            () =>
                made(
                    generatePrimeSync(1000, { bigint: true }),
                    generatePrimeSync(1048, { bigint: true }),
                    65537n,
                ),
            /half as long/,
        ],
        ["a composite q", () => made(P, composite(), 65537n), /p or q isn't a prime/],
        ["neighbours for p and q", () => made(P, nextPrime(P), 65537n), /too close/],
        ["p twice", () => made(P, P, 65537n), /too close/],
        [
            "a d larger than n",
            () => made(P, Q, 65537n, D + 4n * (P - 1n) * (Q - 1n)),
            /too small or too large/,
        ],
    ])("%s", async (_, text, message) => {
        expect(await refusal(text(), "rsa-2048")).toMatch(message);
    });

    test("a product of another number is refused", async () => {
        const other = nextPrime(Q);
        expect(await refusal(jwkText(rsa, { q: textOf(other) }), "rsa-2048")).toMatch(
            /n isn't p times q/,
        );
    });
});

test("EC: d of zero, and d plus the curve's order, are refused", async () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    for (const d of [0n, order, order + 1n]) {
        const text = Buffer.from(d.toString(16).padStart(64, "0"), "hex").toString("base64url");
        await refusal(jwkText(ec, { d: text }), "ecdsa-p256");
    }
});

describe("a public key", () => {
    test.each(types)("of type %s, from PEM and JWK", async (type) => {
        const key = createPublicKey(keys.get(type)!);
        const texts = [publicPem(key), jwkText(key)];
        if (type === "rsa-2048") texts.push(pem(key, "pkcs1"));
        for (const text of texts) {
            expect(await readPublicKey(text, type, what)).toEqual({
                publicKey: publicPem(key),
                thumbprint: await thumbprint(key),
            });
        }
    });

    test.each<[string, () => string, RegExp]>([
        [
            "a private PEM",
            () => pem(rsa, "pkcs1"),
            /is a private key, where only its public key belongs/,
        ],
        ["a private JWK", () => jwkText(rsa), /is a private key, where only/],
        ["a certificate", () => certificate, /isn't a public key but CERTIFICATE/],
        ["words", () => "hunter2", /isn't a public key\. Give a public key/],
        [
            "another kind",
            () => publicPem(ec),
            /it's an EC key on curve P-256, but key type rsa-2048/,
        ],
        ["e of 3", () => jwkText(createPublicKey(rsa), { e: "Aw" }), /e between 2\^16/],
        ["two", () => publicPem(rsa) + publicPem(ec), /there are 2 keys/],
    ])("refused: %s", async (_, text, message) => {
        await expect(readPublicKey(text(), "rsa-2048", what)).rejects.toMatchObject({
            code: "KEY_MATERIAL",
            message: expect.stringMatching(message) as string,
        });
    });

    test("a point that isn't on the curve is refused", async () => {
        const { y } = jwkOf(ec);
        const other = Buffer.from(y!, "base64url");
        other[31]! ^= 1;
        const text = jwkText(createPublicKey(ec), { y: other.toString("base64url") });
        await expect(readPublicKey(text, "ecdsa-p256", what)).rejects.toMatchObject({
            code: "KEY_MATERIAL",
        });
    });
});

test("what is read is the key that was given: node parses it, and its public key is the same", async () => {
    const { material } = await readPrivateKey(pem(rsa, "pkcs1"), "rsa-2048", what);
    const key = createPrivateKey({ key: Buffer.from(material), format: "der", type: "pkcs8" });
    expect(createPublicKey(key).equals(createPublicKey(rsa))).toBe(true);
});
