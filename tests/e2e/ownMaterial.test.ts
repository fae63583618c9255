import { publicEncrypt, constants, randomBytes, type KeyObject, verify } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { KeyVaultKey } from "@azure/keyvault-keys";
import { ecKeyPair, rsaKeyPair } from "../keyPair";
import { requestsSince } from "./operator";
import { independentClient, Project } from "./project";
import { filesBelow, find, needlesOfKey, readAll } from "./secretBytes";
import { vendorsByokFile } from "./vendor";

/** Keys that come from outside, in every form, and one that only a vendor's HSM ever had. Each step goes on from the one before. */
describe("your own material", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const vault = "own-keyvault";
    const vaults = { [vault]: { sku: "premium" }, "other-keyvault": { sku: "premium" } };
    const passphrase = "correct horse battery staple";
    const pairs = {
        pkcs8: rsaKeyPair(2048),
        pkcs1: rsaKeyPair(2048),
        sec1: ecKeyPair("P-256"),
        jwk: ecKeyPair("P-384"),
        sealed: ecKeyPair("secp256k1"),
        later: ecKeyPair("P-256"),
        resealed: ecKeyPair("secp256k1"),
        external: rsaKeyPair(3072),
    };
    // What is read from the environment. The seal key is there from the start, for `keymgmt seal`.
    const env = {
        KEYMGMT_SEAL_KEY: randomBytes(32).toString("base64url"),
        OWN_PASSPHRASE: passphrase,
        OWN_SEC1: pairs.sec1.privateKey.export({ format: "pem", type: "sec1" }) as string,
        OWN_JWK: JSON.stringify(pairs.jwk.privateKey.export({ format: "jwk" })),
    };

    function file(name: string, content: string | Uint8Array): string {
        writeFileSync(project.file(name), content);
        return `file:${name}`;
    }

    const publicPem = ({ publicKey }: { publicKey: KeyObject }) =>
        publicKey.export({ format: "pem", type: "spki" });

    const encrypted = (key: KeyObject) =>
        key.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase }) as string;

    async function seal(pair: { privateKey: KeyObject }, version: number): Promise<string> {
        file("to-seal.pem", pair.privateKey.export({ format: "pem", type: "pkcs8" }));
        const identity = ["--key", "sealed", "--type", "ecdsa-secp256k1"];
        const { code, stdout } = await project.keymgmt(
            [
                "seal",
                ...identity,
                "--version",
                String(version),
                "--in",
                project.file("to-seal.pem"),
            ],
            env,
        );
        expect(code).toBe(0);
        return stdout.trim();
    }

    const distribute = (purpose: string[], protection: string, into = vault) => [
        { vault: into, purpose, protection },
    ];
    const signs = (protection: string) => distribute(["sign"], protection);
    /** Filled by the steps. */
    const keys: Record<string, { type: string; import?: object[]; distribute: object[] }> = {};

    async function inVault(name: string): Promise<KeyVaultKey> {
        return independentClient(project.azure(), vault).keys.getKey(name);
    }

    function publicOf({ key }: KeyVaultKey): string {
        return Buffer.from((key!.n ?? key!.x)!).toString("base64url");
    }

    const publicOfPair = ({ publicKey }: { publicKey: KeyObject }): string => {
        const { n, x } = publicKey.export({ format: "jwk" });
        return (n ?? x)!;
    };

    /** Every writing of every private key, in what a run and its state hold. */
    function leaksIn(haystack: Buffer): string[] {
        return find(
            haystack,
            Object.entries(pairs).flatMap(([name, { privateKey }]) =>
                needlesOfKey(name, privateKey.export({ format: "der", type: "pkcs8" })),
            ),
        );
    }

    test("PEM of each form, JWK and a sealed token, from files and variables, become version 1", async () => {
        Object.assign(keys, {
            pkcs8: {
                type: "rsa-2048",
                import: [
                    {
                        version: 1,
                        from: file("pkcs8.pem", encrypted(pairs.pkcs8.privateKey)),
                        passphraseFrom: "env:OWN_PASSPHRASE",
                    },
                ],
                distribute: distribute(["decrypt"], "hsm"),
            },
            pkcs1: {
                type: "rsa-2048",
                import: [
                    {
                        version: 1,
                        from: file(
                            "pkcs1.pem",
                            pairs.pkcs1.privateKey.export({
                                format: "pem",
                                type: "pkcs1",
                            }) as string,
                        ),
                    },
                ],
                distribute: distribute(["decrypt"], "software"),
            },
            sec1: {
                type: "ecdsa-p256",
                import: [{ version: 1, from: "env:OWN_SEC1" }],
                distribute: signs("hsm"),
            },
            jwk: {
                type: "ecdsa-p384",
                import: [{ version: 1, from: "env:OWN_JWK" }],
                distribute: [
                    ...signs("software"),
                    ...distribute(["sign"], "hsm", "other-keyvault"),
                ],
            },
            sealed: {
                type: "ecdsa-secp256k1",
                import: [{ version: 1, sealed: await seal(pairs.sealed, 1) }],
                distribute: signs("hsm"),
            },
            later: { type: "ecdsa-p256", distribute: signs("software") },
        });
        project.config({ vaults, keys });

        const up = await project.pulumi(
            [
                ...["up", "--yes", "--skip-preview", "-v=11", "--logtostderr"],
                ...["--tracing", `file:${project.file("trace")}`],
            ],
            env,
        );

        expect([up.code, up.output.slice(-2000)]).toEqual([0, expect.any(String)]);
        expect(
            leaksIn(Buffer.concat([Buffer.from(up.output), readFileSync(project.file("trace"))])),
        ).toEqual([]);
        for (const name of ["pkcs8", "pkcs1", "sec1", "jwk", "sealed"] as const) {
            expect([name, publicOf(await inVault(name))]).toEqual([
                name,
                publicOfPair(pairs[name]),
            ]);
        }
        const { keys: outputs } = await project.outputs();
        expect(outputs.sec1!.versions[1]).toMatchObject({ origin: "imported" });
        expect(outputs.later!.versions[1]).not.toHaveProperty("origin");

        // The vault's copy opens what the file's public key encrypted.
        const secret = randomBytes(32);
        const padding = constants.RSA_PKCS1_OAEP_PADDING;
        const ciphertext = publicEncrypt(
            { key: pairs.pkcs8.publicKey, padding, oaepHash: "sha256" },
            secret,
        );
        const { result } = await independentClient(project.azure(), vault)
            .cryptography((await inVault("pkcs8")).id!)
            .decrypt({ algorithm: "RSA-OAEP-256", ciphertext });
        expect(Buffer.from(result)).toEqual(secret);
    });

    test("bad material is told at preview, all that is wrong with a key at once, and nothing changes", async () => {
        const before = project.requests().length;
        const { keys: client } = independentClient(project.azure(), vault);
        const kek = await client.createKey("vendor-kek", "RSA-HSM", {
            keySize: 2048,
            keyOps: ["import"],
        });
        file("vendor.byok", vendorsByokFile(kek, pairs.external.privateKey));
        file("vendor-public.pem", publicPem(pairs.external));
        file("ec.pem", pairs.later.privateKey.export({ format: "pem", type: "sec1" }));
        file("public.pem", publicPem(pairs.pkcs1));
        file("wrong-passphrase", "not the one");
        const from = (name: string) => ({ from: `file:${name}` });
        const bad = [
            { ...from("pkcs8.pem"), passphraseFrom: "file:wrong-passphrase" },
            from("pkcs8.pem"),
            from("public.pem"),
            from("pkcs1.pem"),
            from("ec.pem"),
            from("nowhere.pem"),
            { sealed: (keys.sealed!.import as { sealed: string }[])[0]!.sealed },
            { byok: "file:ec.pem", publicKey: "file:vendor-public.pem" },
            { byok: "file:vendor.byok", publicKey: "file:pkcs1.pem" },
        ].map((source, index) => ({ version: index + 1, ...source }));
        project.config({
            vaults,
            keys: { ...keys, bad: { type: "rsa-3072", import: bad, distribute: signs("hsm") } },
        });

        const material = await project.pulumi(["preview"], env);

        expect(material.code).not.toBe(0);
        for (const [index, problem] of [
            "file:pkcs8.pem, version 1 of key bad: the key is encrypted and doesn't open: the passphrase is another one's",
            "file:pkcs8.pem, version 2 of key bad: the key is encrypted, and no passphrase is given",
            "file:public.pem, version 3 of key bad: this isn't a private key but PUBLIC KEY",
            "file:pkcs1.pem, version 4 of key bad: it's an RSA key of 2048 bits, but key type rsa-3072 is an RSA key of 3072 bits",
            "file:ec.pem, version 5 of key bad: it's an EC key on curve P-256",
            "There's no private key of file:nowhere.pem, version 6 of key bad: the file nowhere.pem can't be read (ENOENT)",
            "The sealed token for version",
            "file:ec.pem, version 8 of key bad: this isn't a .byok file that Azure takes",
            "file:vendor.byok, version 9 of key bad: this is a private key, where only its public key belongs",
        ].entries()) {
            const at = material.output.indexOf(`property import[${index}] `);
            expect(material.output.slice(at).split("\n")[0]).toContain(problem);
        }

        // It is for the vault of its key exchange key, and for no other.
        const external = {
            version: 1,
            byok: "file:vendor.byok",
            publicKey: "file:vendor-public.pem",
        };
        const elsewhere = distribute(["decrypt"], "hsm", "other-keyvault");
        project.config({
            vaults,
            keys: {
                ...keys,
                external: { type: "rsa-3072", import: [external], distribute: elsewhere },
            },
        });
        const otherVault = await project.pulumi(["preview"], env);
        expect(otherVault.code).not.toBe(0);
        expect(otherVault.output).toMatch(
            /version 1 of key external is external: its \.byok file is for the vault at \S+, so no other can take it, and vault other-keyvault is at/,
        );

        for (const { output } of [material, otherVault]) {
            expect(output).not.toMatch(/^\s+at /m);
            expect(leaksIn(Buffer.from(output))).toEqual([]);
        }
        expect(requestsSince(project, before)).toEqual({ "vendor-kek": ["create"] });
    });

    test("a later version from a file and from a sealed token becomes the latest; a vendor's .byok file is external", async () => {
        // What was read once isn't needed again.
        rmSync(project.file("pkcs8.pem"));
        rmSync(project.file("pkcs1.pem"));
        const { OWN_SEC1: _read, ...rest } = env;
        file("later.pem", encrypted(pairs.later.privateKey));
        Object.assign(keys, {
            later: {
                ...keys.later!,
                import: [
                    { version: 2, from: "file:later.pem", passphraseFrom: "env:OWN_PASSPHRASE" },
                ],
            },
            sealed: {
                ...keys.sealed!,
                import: [
                    ...keys.sealed!.import!,
                    { version: 2, sealed: await seal(pairs.resealed, 2) },
                ],
            },
            external: {
                type: "rsa-3072",
                import: [
                    { version: 1, byok: "file:vendor.byok", publicKey: "file:vendor-public.pem" },
                ],
                distribute: distribute(["sign"], "hsm"),
            },
        });
        project.config({ vaults, keys });
        const before = project.requests().length;

        const { code, output } = await project.up(rest);

        expect([code, output]).toEqual([0, expect.any(String)]);
        expect(leaksIn(Buffer.from(output))).toEqual([]);
        const rotation = ["listVersions", "import"];
        expect(requestsSince(project, before)).toEqual({
            later: rotation,
            sealed: rotation,
            external: rotation,
            // Which other HSM-protected versions are wrapped for; the .byok file is wrapped already.
            "keymgmt-kek": ["get"],
        });
        for (const [name, pair] of [
            ["later", pairs.later],
            ["sealed", pairs.resealed],
            ["external", pairs.external],
        ] as const) {
            expect([name, publicOf(await inVault(name))]).toEqual([name, publicOfPair(pair)]);
        }
        const outputs = await project.outputs();
        expect(outputs.keys.later).toMatchObject({
            latestVersion: 2,
            versions: { 2: { origin: "imported" } },
            inStep: true,
        });
        expect(outputs.keys.external!.versions[1]).toMatchObject({ origin: "external" });
        // The HSM unwrapped it: it signs, and the vendor's public key verifies that.
        const { keyId, versions } = outputs.distributions.find(({ key }) => key === "external")!;
        const data = randomBytes(32);
        const { result } = await independentClient(project.azure(), vault)
            .cryptography(`${keyId}/${versions[1]!.id}`)
            .signData("RS256", data);
        expect(verify("sha256", data, pairs.external.publicKey, result)).toBe(true);
    });

    test("no private byte of them is in the state, with secrets shown, nor in the outputs", async () => {
        const exported = await project.pulumi(["stack", "export", "--show-secrets"]);
        const shown = await project.pulumi(["stack", "output", "--json", "--show-secrets"]);
        const stored = readAll(filesBelow(project.file(".local", "state")));

        expect(exported.output).toContain('"origin": "external"');
        expect(
            leaksIn(Buffer.concat([Buffer.from(exported.output + shown.output), stored])),
        ).toEqual([]);
    });
});
