import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { secretLocation, versionNumber } from "../../cli/arguments";
import { sealToken, type SealOptions } from "../../cli/seal";
import { openKeyVersion } from "../../keys/keyVersion";
import { parseSealKey } from "../../keys/seal";
import { ecKeyPair } from "../keyPair";

const root = path.resolve(__dirname, "../..");
const { privateKey } = ecKeyPair("P-256");
const material = privateKey.export({ format: "der", type: "pkcs8" });
const pem = privateKey.export({ format: "pem", type: "sec1" }) as string;
const encryptedPem = privateKey.export({
    format: "pem",
    type: "pkcs8",
    cipher: "aes-256-cbc",
    passphrase: "correct horse",
}) as string;

const identity = { key: "orders", type: "ecdsa-p256", version: 2 } as const;
const sealKeyText = Buffer.alloc(32, 7).toString("base64url");
const opened = async (token: string) =>
    Buffer.from(
        await openKeyVersion(identity, token.trim(), parseSealKey(sealKeyText, "the test")),
    );

let folder: string;
let options: SealOptions;
beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "cli-seal-test-"));
    options = { ...identity, seal: `file:${await put("seal.key", sealKeyText)}` };
});
afterEach(() => rm(folder, { recursive: true }));

async function put(name: string, content: string): Promise<string> {
    const file = path.join(folder, name);
    await writeFile(file, content);
    return file;
}

test("a key from standard input is sealed as that version of that key", async () => {
    expect(await opened(await sealToken(options, Readable.from([pem])))).toEqual(material);
});

test("an encrypted key from a file is sealed, with its passphrase", async () => {
    const file = await put("old.pem", encryptedPem);
    const passphrase = `file:${await put("passphrase", "correct horse\n")}` as const;
    const token = await sealToken({ ...options, in: file, passphrase }, Readable.from([]));
    expect(await opened(token)).toEqual(material);
});

test.each<[string, () => Partial<SealOptions>, string, RegExp]>([
    ["no key", () => ({}), "SEAL", /^standard input for version 2 of key orders: this isn't/],
    ["no passphrase", () => ({}), encryptedPem, /^standard input .* no passphrase is given/],
    ["another type", () => ({ type: "ecdsa-p384" }), pem, /it's an EC key on curve P-256/],
    ["no file", () => ({ in: path.join(folder, "none") }), pem, /^There's no private key.*ENOENT/],
    ["no seal key", () => ({ seal: "env:KEYMGMT_NONE" }), pem, /^There's no seal key/],
])("refused: %s", async (_, change, input, message) => {
    await expect(sealToken({ ...options, ...change() }, Readable.from([input]))).rejects.toThrow(
        message,
    );
});

test.each(["0", "-1", "1.5", "01", "1e3", "", "latest"])("%j is no version", (number) => {
    expect(() => versionNumber(number)).toThrow(/Allowed: 1, 2, 3/);
});

test("versions and locations as they are given", () => {
    expect(versionNumber("12")).toBe(12);
    expect(secretLocation("file:a b")).toBe("file:a b");
    expect(() => secretLocation("hunter2")).toThrow(/Allowed: env:NAME or file:PATH/);
});

describe("the command", () => {
    async function keymgmt(args: string[], input: string) {
        const command = ["--require", "ts-node/register/transpile-only", "cli/keymgmt.ts", "seal"];
        const child = spawn(process.execPath, [...command, ...args], {
            cwd: root,
            env: { ...process.env, KEYMGMT_SEAL_KEY: sealKeyText },
        });
        child.stdin.end(input);
        const [out, error, code] = await Promise.all([
            text(child.stdout),
            text(child.stderr),
            new Promise((done) => child.on("close", done)),
        ]);
        return { out, error, code };
    }
    const wanted = ["--key", "orders", "--type", "ecdsa-p256", "--version", "2"];

    test("prints the token alone, with the seal key of the environment", async () => {
        const { out, error, code } = await keymgmt(wanted, pem);
        expect({ error, code }).toEqual({ error: "", code: 0 });
        expect(out).toMatch(/^[\w.-]+\n$/);
        expect(await opened(out)).toEqual(material);
    }, 60_000);

    test("says on standard error what's wrong, and prints no token", async () => {
        const { out, error, code } = await keymgmt(wanted, encryptedPem);
        expect({ out, code }).toEqual({ out: "", code: 1 });
        expect(error).toMatch(/^keymgmt: standard input for version 2 of key orders: .*encrypted/);
    }, 60_000);
});
