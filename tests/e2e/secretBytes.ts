import { createPrivateKey } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

export interface Needle {
    what: string;
    bytes: Buffer;
}

/** Every usual way to write the private parts of a key (PKCS#8 DER) down. */
export function needlesOfKey(name: string, material: Uint8Array): Needle[] {
    const key = createPrivateKey({ key: Buffer.from(material), format: "der", type: "pkcs8" });
    const jwk = key.export({ format: "jwk" });
    const members = (["d", "p", "q", "dp", "dq", "qi"] as const).flatMap((member) =>
        // An EC key has d alone.
        jwk[member] ? writings(`${name} ${member}`, Buffer.from(jwk[member], "base64url")) : [],
    );
    const pem = key.export({ format: "pem", type: "pkcs8" }) as string;
    // A PEM's line breaks may be escaped, so its lines are looked for. The first ones hold the modulus, which is public.
    const lines = pem.trim().split("\n").slice(8, -2);
    return [
        ...members,
        ...writings(`${name} PKCS#8`, Buffer.from(material)),
        ...lines.map((line, index) => ({
            what: `${name} PEM line ${index + 8}`,
            bytes: Buffer.from(line),
        })),
    ];
}

export function writings(what: string, secret: Buffer): Needle[] {
    const texts = {
        hex: secret.toString("hex"),
        HEX: secret.toString("hex").toUpperCase(),
        base64: secret.toString("base64").replace(/=+$/, ""),
        base64url: secret.toString("base64url"),
    };
    return [
        { what: `${what} raw`, bytes: secret },
        ...Object.entries(texts).map(([form, text]) => ({
            what: `${what} ${form}`,
            bytes: Buffer.from(text),
        })),
    ];
}

/** All files at and below a path. */
export function filesBelow(place: string): string[] {
    if (!existsSync(place)) {
        return [];
    }
    return statSync(place).isDirectory()
        ? readdirSync(place).flatMap((name) => filesBelow(path.join(place, name)))
        : [place];
}

/** Which needles are in these bytes. */
export function find(haystack: Buffer, needles: readonly Needle[]): string[] {
    return needles.filter(({ bytes }) => haystack.includes(bytes)).map(({ what }) => what);
}

export function readAll(files: readonly string[]): Buffer {
    return Buffer.concat(files.map((file) => readFileSync(file)));
}
