import fc from "fast-check";
import { byokFile } from "../../keys/byok";
import { parseByokFile } from "../../keys/byokFile";
import { ecKeyPair, rsaKeyPair } from "../keyPair";

const what = "file:hsm.byok for version 2 of key orders";
const kid = "https://Contoso-HSM.vault.azure.net/keys/my-kek/eba63d27e4e34e028839b53fac905621";
const header = { kid, alg: "dir", enc: "CKM_RSA_AES_KEY_WRAP" };
const file = { schema_version: "1.0.0", header, ciphertext: "Ir-8_A", generator: "an HSM's tool" };

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const refused = (bytes: Uint8Array, problem: RegExp) => {
    const message = expect.stringMatching(
        new RegExp(
            `^file:hsm\\.byok for version 2 of key orders: .*${problem.source}.*Make it again`,
        ),
    ) as string;
    expect(() => parseByokFile(bytes, what)).toThrow(
        expect.objectContaining({ name: "KeymgmtError", code: "KEY_MATERIAL", message }) as Error,
    );
};

test("tells which key of which vault it is wrapped for", () => {
    const vaultHost = "contoso-hsm.vault.azure.net";
    expect(parseByokFile(bytesOf(file), what)).toEqual({ kid, vaultHost });
});

test("takes the files that we write, and a vault with a port", () => {
    const id = "https://learn.vault.localhost:8443/keys/keymgmt-kek/0123456789abcdef";
    const material = ecKeyPair("P-256").privateKey.export({ format: "der", type: "pkcs8" });
    const own = byokFile({ id, publicKey: rsaKeyPair(2048).publicKey }, material);
    expect(parseByokFile(own, what)).toEqual({ kid: id, vaultHost: "learn.vault.localhost:8443" });
});

test.each([
    ["nothing", new Uint8Array(), /isn't JSON in UTF-8/],
    ["not UTF-8", Buffer.from(JSON.stringify({ ...file, generator: "é" }), "latin1"), /in UTF-8/],
    ["half a file", bytesOf(file).subarray(1), /isn't JSON/],
    ["too large a file", bytesOf({ ...file, generator: "x".repeat(65536) }), /at most 65536/],
    ["null", bytesOf(null), /schema_version/],
    ["a list", bytesOf([file]), /schema_version/],
    ["another schema", bytesOf({ ...file, schema_version: "2.0.0" }), /schema_version/],
    ["no header", bytesOf({ ...file, header: null }), /header doesn't say alg/],
    ["another alg", bytesOf({ ...file, header: { ...header, alg: "none" } }), /alg "dir"/],
    ["another enc", bytesOf({ ...file, header: { ...header, enc: "A256GCM" } }), /enc "CKM_/],
    ["no ciphertext", bytesOf({ ...file, ciphertext: "" }), /ciphertext isn't base64url/],
    ["base64", bytesOf({ ...file, ciphertext: "Ir+8/A==" }), /ciphertext isn't base64url/],
    ["bytes", bytesOf({ ...file, ciphertext: [1, 2] }), /ciphertext isn't base64url/],
])("refused: %s", (_, bytes, problem) => refused(bytes, problem));

test.each([
    undefined,
    7,
    "",
    "my-kek",
    kid.replace("https:", "http:"),
    kid.replace("/keys/", "/secrets/"),
    kid.replace(/\/[^/]+$/, ""),
    `${kid}/`,
    `${kid}?api-version=7.4`,
    `${kid}#x`,
    kid.replace("/my-kek/", "/../"),
    kid.replace("/my-kek/", "/%2e%2e/"),
    kid.replace("/keys/", "\\keys/"),
    kid.replace("https://", "https://user@"),
    kid.replace("Contoso-HSM", "a b"),
    kid.replace("Contoso-HSM.vault.azure.net", "host:port"),
    `${kid}\n`,
])("refused: header.kid of %j", (other) =>
    refused(bytesOf({ ...file, header: { ...header, kid: other } }), /header\.kid isn't the id/),
);

test("what __proto__ says counts for nothing", () => {
    const text = JSON.stringify({ x: file }).replace('"x"', '"__proto__"');
    refused(new TextEncoder().encode(text), /schema_version/);
    expect(({} as Record<string, unknown>).schema_version).toBeUndefined();
});

test("any bytes, and any JSON, are either a .byok file or refused as none", () => {
    const any = fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(fc.property(any, (bytes) => refused(bytes, /isn't/)));
});
