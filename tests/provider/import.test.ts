import { createPrivateKey, generateKeyPair, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { runtime } from "@pulumi/pulumi";
import { byokFile } from "../../keys/byok";
import { openKeyVersion, sealMaterial, thumbprint } from "../../keys/keyVersion";
import { provider as distributedKey } from "../../providers/distributedKey";
import { provider, type Inputs, type State } from "../../providers/managedKey";
import { publicKeyOf } from "../../kms/azureKeyVault/publicKey";
import { inNextRun } from "./nextRun";
import { sealKey, TestVault } from "./testVault";

// A key exchange key of 4096 bits takes a second or more.
jest.setTimeout(60_000);

/** Versions that come from outside. */
const folder = mkdtempSync(join(tmpdir(), "import-test-"));
const file = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    return `file:${join(folder, name)}`;
};
let own: KeyObject;
let pkcs8: string;
let vault: TestVault;

beforeAll(async () => {
    vault = await TestVault.start("import-vault");
    const pair = await promisify(generateKeyPair)("ec", {
        namedCurve: "P-256",
        publicKeyEncoding: { format: "pem", type: "spki" },
        privateKeyEncoding: { format: "pem", type: "pkcs8" },
    });
    pkcs8 = pair.privateKey;
    own = createPrivateKey(pkcs8);
});
afterAll(async () => {
    await vault.close();
    rmSync(folder, { recursive: true });
});

const given = (key: string, changes: object = {}) => ({
    name: key,
    type: "ecdsa-p256",
    rotation: {},
    minEnabledVersion: 0,
    disabledVersions: [],
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_TEST", id: sealKey.id },
    asOf: "2026-11-24T00:00:00.000Z",
    ...changes,
});

async function made(news: object, olds?: State): Promise<State> {
    const { inputs, failures } = await provider.check(olds ?? {}, news);
    expect(failures ?? []).toEqual([]);
    const { outs } = olds
        ? await provider.update(olds.name, olds, inputs!)
        : await provider.create(inputs!);
    return outs as State;
}

async function refusals(news: object, olds: Partial<Inputs> = {}): Promise<string> {
    const { failures } = await provider.check(olds, news);
    return (failures ?? []).map(({ property, reason }) => `${property}: ${reason}`).join("\n");
}

const publicThumbprint = () => thumbprint(own);

test("a PEM file becomes version 1, sealed; the file isn't needed again", async () => {
    const from = file("first.pem", pkcs8);
    const news = given("from-file", { import: [{ version: 1, from }] });

    const state = await made(news);

    expect(state.versions).toMatchObject([
        { origin: "imported", thumbprint: await publicThumbprint() },
    ]);
    expect(state.lifecycle).toMatchObject([
        { origin: "imported", thumbprint: await publicThumbprint() },
    ]);
    const identity = { key: "from-file", type: "ecdsa-p256" as const, version: 1 };
    const material = await openKeyVersion(identity, state.versions[0]!.sealed, sealKey);
    const opened = createPrivateKey({ key: Buffer.from(material), format: "der", type: "pkcs8" });
    expect(opened.export({ format: "jwk" })).toEqual(own.export({ format: "jwk" }));
    rmSync(join(folder, "first.pem"));
    expect((await made(news, state)).versions).toEqual(state.versions);
});

test("a later version may come from an encrypted file, and becomes the latest", async () => {
    const first = await made(given("later"));
    const encrypted = own.export({
        format: "pem",
        type: "pkcs8",
        cipher: "aes-256-cbc",
        passphrase: "right",
    });
    const from = file("encrypted.pem", encrypted);
    const next = (passphrase: string) =>
        given("later", {
            import: [{ version: 2, from, passphraseFrom: file("passphrase", passphrase) }],
        });

    expect(await refusals(next("wrong"), first)).toMatch(/^import\[0\]: .*passphrase/s);
    const state = await made(next("right"), first);

    expect(state.lifecycle.map(({ reason }) => reason)).toEqual([
        "the first version",
        "it was given",
    ]);
    expect(state.versions[1]).toMatchObject({ version: 2, thumbprint: await publicThumbprint() });
});

test("a sealed token is taken for its own key and version alone", async () => {
    const material = own.export({ format: "der", type: "pkcs8" });
    const identity = { key: "sealed", type: "ecdsa-p256" as const, version: 1 };
    const sealed = await sealMaterial(identity, material, sealKey);

    const state = await made(given("sealed", { import: [{ version: 1, sealed }] }));

    expect(state.versions[0]!.thumbprint).toBe(await publicThumbprint());
    expect(await refusals(given("another", { import: [{ version: 1, sealed }] }))).toMatch(
        /^import\[0\]: The sealed token for version 1 of key another doesn't open: .*keymgmt seal --key another/,
    );
});

test("what is no source is told at its place, and never quoted", async () => {
    const refused = (source: object) =>
        refusals(given("odd", { import: [{ version: 1, ...source }] as never }));
    expect(await refused({ from: "oops" })).toBe("import[0].from: allowed: env:NAME or file:PATH");
    expect(await refused({ sealed: pkcs8 })).toBe(
        "import[0].sealed: allowed: what keymgmt seal prints",
    );
    expect(await refused({})).toMatch(/^import\[0\]: allowed: version and one of from/);
});

test("what can't be is refused before anything changes", async () => {
    const from = file("good.pem", pkcs8);
    const state = await made(given("refused"));
    expect(await refusals(given("refused", { import: [{ version: 3, from }] }), state)).toMatch(
        /import\[0\]\.version: 3 can't be next.* is 2/,
    );
    expect(await refusals(given("refused", { import: [{ version: 1, from }] }), state)).toMatch(
        /import\[0\]\.version: 1 exists already and was generated/,
    );
    const missing = [{ version: 1, from: "file:/nowhere/at.all" }];
    expect(await refusals(given("new", { import: missing }))).toMatch(/can't be read \(ENOENT\)/);
    const other = given("new", { type: "rsa-2048", import: [{ version: 1, from }] });
    expect(await refusals(other)).toMatch(/^import\[0\]: .*rsa-2048/s);
});

test("a .byok file goes to its own vault, without our ever having the private key", async () => {
    const client = vault.azure.client("import-vault");
    const kek = await client.createKey("vendor-kek", "RSA-HSM", {
        keySize: 2048,
        keyOps: ["import"],
    });
    const wrapped = byokFile(
        { id: kek.id!, publicKey: publicKeyOf(kek) },
        own.export({ format: "der", type: "pkcs8" }),
    );
    const publicKey = file(
        "public.pem",
        (await made(given("p", { import: [{ version: 1, from: file("p.pem", pkcs8) }] })))
            .versions[0]!.publicKey,
    );
    const byok = file("vendor.byok", wrapped);

    const state = await made(given("external", { import: [{ version: 1, byok, publicKey }] }));

    expect(state.versions).toMatchObject([{ origin: "external", sealed: "" }]);
    const key = await vault.newKey("external");
    const inputs = await key.inputs({
        lifecycle: state.lifecycle,
        versions: state.versions,
        version: 1,
        protection: "hsm",
    });
    const { id, outs } = await distributedKey.create(inputs);
    expect(outs).toMatchObject({ inStep: true, verified: true });
    expect((await client.getKey("external")).keyType).toBe("EC-HSM");

    const elsewhere = { ...inputs, vault: { ...inputs.vault, uri: "https://other.example/" } };
    const { failures } = await distributedKey.check({}, elsewhere);
    expect(failures).toMatchObject([
        {
            property: "vault",
            reason: expect.stringContaining(
                "is external: its .byok file is for the vault at",
            ) as string,
        },
    ]);

    // In a preview that changes the vault its address isn't known, but its name is.
    const named = (name: string) => ({
        ...inputs,
        vault: {
            ...inputs.vault,
            name,
            uri: runtime.unknownValue,
            environment: "AzurePublicCloud",
        },
        lifecycle: [{ ...inputs.lifecycle[0]!, vaultHost: "contoso-keys.vault.azure.net" }],
    });
    expect((await distributedKey.check({}, named("Contoso-Keys"))).failures ?? []).toEqual([]);
    expect((await distributedKey.check({}, named("contoso"))).failures).toMatchObject([
        {
            property: "vault",
            reason: expect.stringMatching(/vault contoso is another one$/) as string,
        },
    ]);

    // All there is of the key: ending its distribution isn't enough to delete it.
    await inNextRun(async (up) => {
        up.declareKey("external");
        await expect(up.provider.delete(id, outs!)).rejects.toMatchObject({
            code: "DELETION_NOT_ALLOWED",
            message: expect.stringContaining("all there is of version 1") as string,
        });
    });
    expect((await client.getKey("external")).properties.enabled).toBe(true);
});
