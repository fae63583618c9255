import { createHash, createPublicKey, publicEncrypt, randomBytes, constants } from "node:crypto";
import { request } from "node:https";
import type { KeyProperties } from "@azure/keyvault-keys";
import { independentClient, Project, type Distribution } from "./project";

/** The README's story, in its order, each step on what the one before left. */
describe("the tutorial", () => {
    const project = new Project();
    let ciphertextOfVersion1: Uint8Array;
    const secret = randomBytes(32);

    afterAll(() => project.dispose());

    const client = () => independentClient(project.azure(), "learn-keyvault");

    async function distribution(key: string): Promise<Distribution> {
        return (await project.outputs()).distributions.find((each) => each.key === key)!;
    }

    async function versions(name: string): Promise<KeyProperties[]> {
        const all: KeyProperties[] = [];
        for await (const version of client().keys.listPropertiesOfKeyVersions(name)) {
            all.push(version);
        }
        return all;
    }

    test("make up ends with a table of keys, vaults, versions and operations", async () => {
        const configBefore = project.read("Pulumi.dev.yaml");

        const { code, stdout } = await project.keymgmt(["up"]);

        expect(code).toBe(0);
        const table = stdout.slice(stdout.indexOf("KEY "));
        expect(table).toMatch(
            /^rsa-1 +rsa-2048 +learn-keyvault +hsm +1 \(current\) +encrypt, decrypt +yes$/m,
        );
        expect(table).toMatch(/^rsa-2 +rsa-2048 +learn-keyvault +hsm +1 \(current\) +sign +yes$/m);
        // A fresh clone stays as it was.
        expect(project.read("Pulumi.dev.yaml")).toBe(configBefore);
    });

    test("the vault has HSM-protected keys with the permitted operations alone", async () => {
        const rsa1 = await client().keys.getKey("rsa-1");
        const rsa2 = await client().keys.getKey("rsa-2");

        expect([rsa1.keyType, rsa2.keyType]).toEqual(["RSA-HSM", "RSA-HSM"]);
        expect([...rsa1.keyOperations!].sort()).toEqual(["decrypt", "encrypt"]);
        expect(rsa2.keyOperations).toEqual(["sign"]);
        expect((await client().keys.getKey("keymgmt-kek")).keyOperations).toEqual(["import"]);
    });

    test("the outputs say what is where, and agree with the vault", async () => {
        const outputs = await project.outputs();
        const told = await project.pulumi(["stack", "output", "--json"]);
        expect(JSON.parse(told.stdout)).toEqual(outputs);
        const azure = project.azure();

        expect(outputs.vaults["learn-keyvault"]).toMatchObject({
            uri: azure.vaults["learn-keyvault"],
            sku: "premium",
        });
        expect(outputs.servicePrincipal.tenantId).toBe(azure.tenantId);
        const inVault = await client().keys.getKey("rsa-1");
        const ours = outputs.keys["rsa-1"]!;
        expect(ours).toMatchObject({ type: "rsa-2048", latestVersion: 1 });
        expect(Date.parse(ours.versions[1]!.createdAt)).toBeLessThanOrEqual(Date.now());
        const jwk = createPublicKey(ours.versions[1]!.publicKey).export({ format: "jwk" });
        expect(Buffer.from(inVault.key!.n!).toString("base64url")).toBe(jwk.n);
        expect(ours.versions[1]!.thumbprint).toBe(
            createHash("sha256")
                .update(JSON.stringify({ e: jwk.e, kty: "RSA", n: jwk.n }))
                .digest("base64url"),
        );
        expect(await distribution("rsa-1")).toEqual({
            key: "rsa-1",
            vault: "learn-keyvault",
            name: "rsa-1",
            keyId: `${azure.vaults["learn-keyvault"]}keys/rsa-1`,
            versionedKeyId: inVault.id,
            currentVersion: 1,
            versions: { 1: { id: inVault.properties.version, enabled: true } },
            foreign: [],
            purposes: ["encrypt", "decrypt"],
            protection: "hsm",
            verified: true,
            proofs: {},
            inStep: true,
        });
    });

    test("an independent client encrypts and decrypts with rsa-1, and signs with rsa-2", async () => {
        const { keyId, versionedKeyId } = await distribution("rsa-1");
        const rsa1 = client().cryptography(versionedKeyId);
        const encrypted = await rsa1.encrypt({ algorithm: "RSA-OAEP-256", plaintext: secret });
        ciphertextOfVersion1 = encrypted.result;
        const decrypted = await rsa1.decrypt({
            algorithm: "RSA-OAEP-256",
            ciphertext: ciphertextOfVersion1,
        });
        expect(Buffer.from(decrypted.result)).toEqual(secret);

        // With our own public key, so the vault's private key is the one that we made.
        const { publicKey } = (await project.outputs()).keys["rsa-1"]!.versions[1]!;
        const ours = publicEncrypt(
            { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
            secret,
        );
        const opened = await rsa1.decrypt({ algorithm: "RSA-OAEP-256", ciphertext: ours });
        expect(Buffer.from(opened.result)).toEqual(secret);

        const rsa2 = client().cryptography((await distribution("rsa-2")).versionedKeyId);
        const digest = createHash("sha256").update("message").digest();
        expect((await rsa2.sign("PS256", digest)).result).toHaveLength(256);

        expect(await signRequest(keyId, digest)).toMatchObject({
            status: 403,
            error: { innererror: { code: "KeyOperationForbidden" } },
        });
    });

    /** As no SDK would send it: it knows that the key can't. */
    async function signRequest(keyId: string, digest: Buffer) {
        const { token, ca } = client();
        const authorization = `Bearer ${await token()}`;
        return new Promise<{ status: number; error: unknown }>((resolve, reject) => {
            const sent = request(
                `${keyId}/sign?api-version=7.6`,
                {
                    method: "POST",
                    ca,
                    headers: { authorization, "content-type": "application/json" },
                },
                (response) => {
                    let body = "";
                    response.on("data", (chunk: Buffer) => (body += chunk.toString()));
                    response.on("end", () =>
                        resolve({
                            status: response.statusCode!,
                            ...(JSON.parse(body) as { error: unknown }),
                        }),
                    );
                },
            );
            sent.on("error", reject);
            sent.end(JSON.stringify({ alg: "RS256", value: digest.toString("base64url") }));
        });
    }

    test("again: nothing changes, and no vault is asked", async () => {
        const before = project.vaultRequests().length;

        const { code, stdout } = await project.keymgmt(["up"]);

        expect(code).toBe(0);
        expect(stdout).toMatch(/^ +13 unchanged$/m);
        expect(stdout).not.toMatch(/ [+~-] \d+ /);
        expect(stdout).toMatch(/^rsa-1 +rsa-2048/m);
        expect(project.vaultRequests().slice(before)).toEqual([]);
    });

    test("the preview of a rotation shows the version, and nothing for rsa-2", async () => {
        const before = project.vaultRequests().length;
        const path = "keymgmt:keys.rsa-1.rotation.trigger";
        expect((await project.pulumi(["config", "set", "--path", path, "2"])).code).toBe(0);

        const { code, stdout } = await project.pulumi(["preview", "--diff"]);

        expect(code).toBe(0);
        expect(stdout.match(/~ version *: 1 => 2/g)).toHaveLength(2);
        expect(stdout).toMatch(/ManagedKey: \(update\).*\s+\[id=rsa-1\]/);
        expect(stdout).toMatch(/DistributedKey: \(update\)\s+\[id=.*rsa-1\]/);
        expect(stdout).not.toMatch(/rsa-2(?!048)/);
        expect(stdout).toMatch(/~ 2 to update\s+11 unchanged/);
        expect(project.vaultRequests().slice(before)).toEqual([]);
    });

    test("the rotation makes version 2, current in the vault; version 1 stays and still decrypts", async () => {
        const before = project.vaultRequests().length;

        expect((await project.up()).code).toBe(0);

        const imports = project
            .vaultRequests()
            .slice(before)
            .filter((each) => each.startsWith("import"));
        expect(imports).toEqual(["import rsa-1 200"]);
        const {
            versions: map,
            currentVersion,
            versionedKeyId,
            verified,
        } = await distribution("rsa-1");
        expect({ currentVersion, verified }).toEqual({ currentVersion: 2, verified: true });
        const inVault = await versions("rsa-1");
        expect(inVault.map(({ version }) => version).sort()).toEqual(
            [map[1]!.id, map[2]!.id].sort(),
        );
        expect(inVault.every(({ enabled }) => enabled)).toBe(true);
        expect((await client().keys.getKey("rsa-1")).id).toBe(versionedKeyId);
        expect(versionedKeyId).toMatch(new RegExp(`/${map[2]!.id}$`));

        const version1 = client().cryptography(versionedKeyId.replace(map[2]!.id, map[1]!.id));
        const decrypted = await version1.decrypt({
            algorithm: "RSA-OAEP-256",
            ciphertext: ciphertextOfVersion1,
        });
        expect(Buffer.from(decrypted.result)).toEqual(secret);
        expect(await versions("rsa-2")).toHaveLength(1);
    });

    test("refresh finds no drift, and nothing is to be done after it", async () => {
        const refresh = await project.pulumi(["refresh", "--yes", "--skip-preview"]);
        expect(refresh.code).toBe(0);
        expect(refresh.stdout).toMatch(/^ +13 unchanged$/m);

        expect((await project.pulumi(["preview", "--expect-no-changes"])).code).toBe(0);
    });

    test("destroy is refused, naming the key and the way out, and deletes nothing", async () => {
        const { code, output } = await project.pulumi(["destroy", "--yes", "--skip-preview"]);

        expect(code).not.toBe(0);
        expect(output).toMatch(/Key rsa-1 isn't deleted.*deletionAllowed is false/);
        expect(output).toMatch(
            /pulumi config set --path 'keymgmt:keys.rsa-1.deletionAllowed' true/,
        );
        expect(output).not.toMatch(/^\s+at /m);
        expect((await versions("rsa-1")).length).toBe(2);
        expect((await project.pulumi(["preview", "--expect-no-changes"])).code).toBe(0);
    });

    test("destroy goes through once deletion is allowed", async () => {
        for (const key of ["rsa-1", "rsa-2"]) {
            const path = `keymgmt:keys.${key}.deletionAllowed`;
            expect((await project.pulumi(["config", "set", "--path", path, "true"])).code).toBe(0);
        }
        expect((await project.up()).code).toBe(0);

        const { code, stdout } = await project.pulumi(["destroy", "--yes", "--skip-preview"]);

        expect(code).toBe(0);
        expect(stdout).toMatch(/- 13 deleted/);
        expect(project.azure().vaults).toEqual({});
    });
});
