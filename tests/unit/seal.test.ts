import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { parseSealKey, seal, unseal, type SealKey } from "../../keys/seal";

const newSealKey = (bytes: Uint8Array = randomBytes(32)) =>
    parseSealKey(Buffer.from(bytes).toString("base64url"), "the test");
const binding = { use: "test", key: "rsa-1", version: "1" };

const alphabet = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];

async function assertRefused(key: SealKey, token: string, wanted = binding): Promise<void> {
    await expect(unseal(key, token, wanted)).rejects.toMatchObject({
        name: "KeymgmtError",
        code: "SEALED_TOKEN",
    });
}

test("what was sealed opens again, under the same key and binding", async () => {
    await fc.assert(
        fc.asyncProperty(
            fc.uint8Array({ minLength: 1, maxLength: 3000 }),
            fc.uint8Array({ minLength: 32, maxLength: 32 }),
            fc.dictionary(fc.string({ maxLength: 10 }), fc.string({ maxLength: 10 }), {
                noNullPrototype: true,
            }),
            async (secret, bytes, anyBinding) => {
                const key = newSealKey(bytes);
                const token = await seal(key, secret, anyBinding);
                // The order in which a binding's members stand doesn't matter.
                const reversed = Object.fromEntries(Object.entries(anyBinding).reverse());
                expect(Buffer.from(await unseal(key, token, reversed))).toEqual(
                    Buffer.from(secret),
                );
            },
        ),
        { numRuns: 30 },
    );
});

test("a token is a compact JWE, dir with A256GCM, that tells only what it is for", async () => {
    const key = newSealKey();
    const secret = randomBytes(48);
    const token = await seal(key, secret, binding);
    const [header, wrappedKey, iv, ciphertext, tag] = token.split(".");
    expect(JSON.parse(Buffer.from(header!, "base64url").toString())).toEqual({
        alg: "dir",
        enc: "A256GCM",
        kid: key.id,
        keymgmt: binding,
    });
    expect(wrappedKey).toBe("");
    expect(Buffer.from(iv!, "base64url")).toHaveLength(12);
    expect(Buffer.from(ciphertext!, "base64url")).toHaveLength(48);
    expect(Buffer.from(tag!, "base64url")).toHaveLength(16);
    // Sealing is never the same twice: AES-GCM breaks when a nonce comes again.
    expect((await seal(key, secret, binding)).split(".")[2]).not.toBe(iv);
});

test("any changed character of a token is refused", async () => {
    const key = newSealKey();
    const token = await seal(key, randomBytes(64), binding);
    await fc.assert(
        fc.asyncProperty(
            fc.nat(token.length - 1),
            fc.constantFrom(...alphabet),
            async (at, character) => {
                const changed = token.slice(0, at) + character + token.slice(at + 1);
                // The last character of a part has bits that stand for nothing.
                fc.pre(!sameBytes(changed, token));
                await assertRefused(key, changed);
            },
        ),
        { numRuns: 200 },
    );
});

function sameBytes(a: string, b: string): boolean {
    const [headerA, ...partsA] = a.split(".");
    const [headerB, ...partsB] = b.split(".");
    const bytes = (parts: string[]) =>
        parts.map((part) => Buffer.from(part, "base64url").toString("hex")).join(".");
    return headerA === headerB && bytes(partsA) === bytes(partsB);
}

test.each([
    ["nothing", ""],
    ["a text", "hello"],
    ["empty parts", "...."],
    ["a JWE of another key management algorithm", unsignedHeader({ alg: "A256KW" })],
    ["a header that isn't JSON", `${Buffer.from("{").toString("base64url")}....`],
    ["no binding", unsignedHeader({ alg: "dir", enc: "A256GCM" })],
    ["a binding that is no object", unsignedHeader({ alg: "dir", enc: "A256GCM", keymgmt: 1 })],
    ["null as binding", unsignedHeader({ alg: "dir", enc: "A256GCM", keymgmt: null })],
])("%s is no sealed token", async (_what, token) => {
    await assertRefused(newSealKey(), token);
});

function unsignedHeader(header: object): string {
    return `${Buffer.from(JSON.stringify(header)).toString("base64url")}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA`;
}

test("a token doesn't open for another binding, and the message names both", async () => {
    const key = newSealKey();
    const token = await seal(key, randomBytes(32), binding);
    for (const other of [
        { ...binding, version: "2" },
        { ...binding, key: "rsa-2" },
        { ...binding, more: "1" },
        { use: "test", key: "rsa-1" },
    ]) {
        await assertRefused(key, token, other as typeof binding);
    }
    await expect(unseal(key, token, { ...binding, key: "rsa-2" })).rejects.toThrow(
        /expected key rsa-2, use test, version 1, found key rsa-1, use test, version 1/,
    );
});

test("a token doesn't open under another seal key, whatever it says of itself", async () => {
    const key = newSealKey();
    const other = newSealKey();
    const token = await seal(key, randomBytes(32), binding);
    await assertRefused(other, token);
    await expect(unseal(other, token, binding)).rejects.toThrow(
        new RegExp(`sealed with seal key ${key.id}, but the one given is ${other.id}`),
    );
    await assertRefused({ id: key.id, bytes: other.bytes }, token);
});

test("a damaged token's message holds neither the token nor the cause's text", async () => {
    const key = newSealKey();
    const token = await seal(key, randomBytes(32), binding);
    const damaged = token.slice(0, -8) + (token.at(-8) === "A" ? "B" : "A") + token.slice(-7);
    const error = await unseal(key, damaged, binding).catch((caught: Error) => caught);
    expect((error as Error).message).toContain("is damaged");
    expect((error as Error).message).not.toContain(token.split(".")[3]);
});

describe("a seal key", () => {
    test("is read as base64url or base64, padded or not, with white space around it", () => {
        const bytes = Buffer.from("fbff".repeat(16), "hex"); // has - and _ where base64 has + and /
        const text = bytes.toString("base64");
        for (const written of [
            text,
            text.replace("=", ""),
            bytes.toString("base64url"),
            `\n ${text}\t\n`,
        ]) {
            expect(Buffer.from(parseSealKey(written, "here").bytes)).toEqual(bytes);
        }
    });

    test("is refused unless it is 32 bytes; the message says where, and never what", () => {
        const texts = fc.oneof(
            fc
                .uint8Array({ minLength: 1, maxLength: 80 })
                .filter(({ length }) => length !== 32)
                .map((bytes) => Buffer.from(bytes).toString("base64url")),
            fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => {
                const text = Buffer.from(bytes).toString("base64url");
                return `${text.slice(0, 20)}!${text.slice(20)}`;
            }),
            fc
                .uint8Array({ minLength: 32, maxLength: 32 })
                .map((b) => Buffer.from(b).toString("hex")),
        );
        fc.assert(
            fc.property(texts, (text) => {
                const error = thrownBy(() => parseSealKey(text, "env:SOMEWHERE"));
                expect(error).toMatchObject({ name: "KeymgmtError", code: "SEAL_KEY" });
                expect(error.message).toContain("env:SOMEWHERE");
                expect(error.cause).toBeUndefined();
                if (text.length > 6) {
                    expect(error.message).not.toContain(text);
                }
            }),
            { numRuns: 200 },
        );
        expect(() => parseSealKey("", "here")).toThrow(/32 bytes/);
    });

    test("has an id that is the same each time, another one for each key, and tells nothing of it", () => {
        fc.assert(
            fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
                const { id } = newSealKey(bytes);
                expect(id).toMatch(/^[0-9a-f]{16}$/);
                expect(newSealKey(bytes).id).toBe(id);
                const other = Uint8Array.from(bytes, (byte, index) =>
                    index === 31 ? byte ^ 1 : byte,
                );
                expect(newSealKey(other).id).not.toBe(id);
                const raw = Buffer.from(bytes).toString("hex");
                expect(raw.includes(id)).toBe(false);
                for (const algorithm of ["md5", "sha1", "sha256", "sha384", "sha512"]) {
                    const hash = createHash(algorithm);
                    expect(hash.update(bytes).digest("hex").includes(id)).toBe(false);
                }
            }),
            { numRuns: 50 },
        );
        // It stands in states: it must never become another one.
        expect(newSealKey(new Uint8Array(32)).id).toBe("f0215626db3ace34");
    });
});

function thrownBy(action: () => unknown): Error {
    try {
        action();
    } catch (error) {
        return error as Error;
    }
    throw new Error("nothing was thrown");
}
