import { createPrivateKey, randomBytes } from "node:crypto";
import { CryptographyClient } from "@azure/keyvault-keys";
import type { KeyType } from "../../keys/keyType";
import { openKeyVersion, type KeyVersion } from "../../keys/keyVersion";
import { provider, type Inputs, type State } from "../../providers/distributedKey";
import type { TestAzure } from "./azure";
import { inNextRun } from "./nextRun";
import { startProxy, type Meddle } from "./proxy";
import { changes, create, sealedSecret, sealKey, TestVault, update } from "./testVault";

// A key exchange key has 4096 bits: making one takes a second or more.
jest.setTimeout(60_000);

const vaultName = "test-vault";

let vault: TestVault;
let azure: TestAzure;
let vaultUri: string;

beforeAll(async () => {
    vault = await TestVault.start(vaultName);
    azure = vault.azure;
    vaultUri = vault.uri;
});
afterAll(() => vault.close());

const newKey: TestVault["newKey"] = (...args) => vault.newKey(...args);

describe("a first distribution", () => {
    test.each<[KeyType, Inputs["protection"], string]>([
        ["rsa-2048", "hsm", "RSA-HSM"],
        ["rsa-2048", "software", "RSA"],
        ["ecdsa-p256", "hsm", "EC-HSM"],
        ["ecdsa-p384", "software", "EC"],
        ["ecdsa-p521", "hsm", "EC-HSM"],
    ])("%s with protection %s becomes a %s key that is ours", async (type, protection, kty) => {
        const name = `first-${type}-${protection}`;
        const key = await newKey(name, type);
        const inputs = await key.inputs({ protection, purposes: ["sign", "verify"] });
        const { id, state } = await create(inputs);

        const found = await azure.client(vaultName).getKey(name);
        expect(found.keyType).toBe(kty);
        expect(found.keyOperations!.sort()).toEqual(["sign", "verify"]);
        expect(found.properties.tags).toEqual({
            "keymgmt-key": name,
            "keymgmt-stack": "shop/dev",
            "keymgmt-version": "1",
            "keymgmt-thumbprint": inputs.versions[0]!.thumbprint,
        });
        expect(id).toBe(`${vaultUri}keys/${name}`);
        expect(state).toMatchObject({
            schemaVersion: 2,
            verified: true,
            inStep: true,
            keyId: id,
            versionedKeyId: found.id,
            copies: {
                1: {
                    id: found.properties.version,
                    enabled: true,
                    thumbprint: inputs.versions[0]!.thumbprint,
                },
            },
        });
        // The sealed material is in the key's state, and not in each copy's too.
        expect(state).not.toHaveProperty("versions");
        expect(await changes(state, inputs)).toBe(false);
    });

    test("a ciphertext that is made with the public key opens in the vault, and it only does what it may", async () => {
        const key = await newKey("encrypts", "rsa-2048");
        await create(await key.inputs({ protection: "hsm", purposes: ["encrypt", "decrypt"] }));
        const found = await azure.client(vaultName).getKey("encrypts");
        const crypto = new CryptographyClient(found.id!, azure.credential(), {
            disableChallengeResourceVerification: true,
        });
        const { result } = await crypto.encrypt("RSA-OAEP-256", Buffer.from("secret"));
        const opened = await crypto.decrypt("RSA-OAEP-256", result);
        expect(Buffer.from(opened.result).toString()).toBe("secret");
        await expect(crypto.sign("RS256", randomBytes(32))).rejects.toThrow(/sign/);
    });

    test("costs one list, one look at the key exchange key and one import; the second key no more of that look", async () => {
        const fresh = "count-vault";
        const uri = await azure.createVault(fresh);
        const place = { name: fresh, uri, sku: "premium", environment: "local" } as const;
        for (const name of ["count-1", "count-2"]) {
            await create(await (await newKey(name)).inputs({ vault: place, protection: "hsm" }));
        }
        const requests = await azure.requests(fresh);
        expect(requests.map(({ operation, key }) => `${operation} ${key}`)).toEqual([
            "listVersions count-1",
            "get keymgmt-kek",
            "create keymgmt-kek",
            "import count-1",
            "listVersions count-2",
            "import count-2",
        ]);
        const kek = await azure.client(fresh).getKey("keymgmt-kek");
        expect(kek.keyOperations).toEqual(["import"]);
        expect(kek.keyType).toBe("RSA-HSM");
    });
});

describe("after a crash", () => {
    test("the same creation, without state, imports nothing twice", async () => {
        const inputs = await (await newKey("crash", "ecdsa-p256", 2)).inputs();
        const first = await create(inputs);
        const before = (await vault.operationsOn("crash")).length;
        const again = await create(inputs);
        expect(again.state.copies).toEqual(first.state.copies);
        expect((await vault.operationsOn("crash")).slice(before)).not.toContain("import");
        expect(await vault.versionsOf("crash")).toHaveLength(2);
    });

    test("a distribution that stopped half-way goes on where it stopped", async () => {
        const key = await newKey("half-way");
        await create(await key.inputs());
        const rotated = await key.rotated();
        const { state } = await create(rotated);
        expect(Object.keys(state.copies)).toEqual(["1", "2"]);
        const operations = await vault.operationsOn("half-way");
        expect(operations.filter((operation) => operation === "import")).toHaveLength(2);
    });
});

describe("an update", () => {
    test("brings version 2 in on top, keeps version 1 enabled, and has nothing to do after that", async () => {
        const key = await newKey("rotate");
        const { id, state } = await create(await key.inputs());
        const inputs = await key.rotated();
        expect(await changes(state, inputs)).toBe(true);
        const next = await update(id, state, inputs);
        expect(next.copies[1]).toEqual(state.copies[1]);
        const current = await azure.client(vaultName).getKey("rotate");
        expect(current.properties.version).toBe(next.copies[2]!.id);
        expect(next.versionedKeyId).toBe(current.id);
        expect(next).toMatchObject({ version: 2, verified: true });
        const first = await azure
            .client(vaultName)
            .getKey("rotate", { version: next.copies[1]!.id });
        expect(first.properties.enabled).toBe(true);
        expect(await changes(next, inputs)).toBe(false);

        const before = (await vault.operationsOn("rotate")).length;
        expect(await update(id, next, inputs)).toEqual(next);
        expect((await vault.operationsOn("rotate")).slice(before)).toEqual(["listVersions"]);
    });

    test("enables a copy that somebody disabled, and says so in the state", async () => {
        const key = await newKey("disabled");
        const inputs = await key.inputs();
        const { id, state } = await create(inputs);
        const copy = state.copies[1]!.id;
        const client = azure.client(vaultName);
        await client.updateKeyProperties("disabled", copy, { enabled: false });
        const refreshed = (await provider.read(id, state)).props as State;
        expect(refreshed.copies[1]!.enabled).toBe(false);
        expect(await changes(refreshed, inputs)).toBe(true);
        const mended = await update(id, refreshed, inputs);
        expect((await client.getKey("disabled")).properties.enabled).toBe(true);
        expect(mended.copies[1]!.enabled).toBe(true);
        expect(await changes(mended, inputs)).toBe(false);
    });

    test("sets other purposes in place, on every version", async () => {
        const key = await newKey("purposes", "ecdsa-p256", 2);
        const { id, state } = await create(await key.inputs({ purposes: ["sign"] }));
        const inputs = await key.inputs({ purposes: ["verify"] });
        expect(await changes(state, inputs)).toBe(true);
        expect(await provider.diff(id, state, inputs)).toMatchObject({ replaces: [] });
        const next = await update(id, state, inputs);
        expect(next.purposes).toEqual(["verify"]);
        const client = azure.client(vaultName);
        for (const { id: version } of Object.values(state.copies)) {
            const found = await client.getKey("purposes", { version });
            expect(found.keyOperations).toEqual(["verify"]);
        }
        expect(await vault.versionsOf("purposes")).toHaveLength(2);
    });

    test("puts our latest version on top again when somebody made another one, which stays", async () => {
        const key = await newKey("covered");
        const inputs = await key.inputs();
        const { id, state } = await create(inputs);
        const foreign = await azure.client(vaultName).createEcKey("covered", { curve: "P-384" });
        const next = await update(id, state, inputs);
        const client = azure.client(vaultName);
        expect((await client.getKey("covered")).properties.version).toBe(next.copies[1]!.id);
        const { version } = foreign.properties;
        expect((await client.getKey("covered", { version })).key!.crv).toBe("P-384");
        expect(await vault.versionsOf("covered")).toHaveLength(3);
    });
});

describe("a name that is taken", () => {
    test("by a foreign key is left alone", async () => {
        const foreign = await azure.client(vaultName).createEcKey("foreign");
        const inputs = await (await newKey("foreign")).inputs();
        await expect(create(inputs)).rejects.toMatchObject({
            code: "NAME_TAKEN",
            message: expect.stringMatching(/vault test-vault has a key foreign/) as string,
        });
        const found = await azure.client(vaultName).getKey("foreign");
        expect(found.id).toBe(foreign.id);
        expect(found.properties.updatedOn).toEqual(foreign.properties.updatedOn);
        expect(await vault.versionsOf("foreign")).toHaveLength(1);
    });

    test("by our own soft-deleted key is taken up again, with its versions", async () => {
        const key = await newKey("recovered");
        const inputs = await key.inputs({ deletionAllowed: true });
        const { id, state } = await create(inputs);
        await inNextRun((run) => run.provider.delete(id, state));
        expect(await vault.versionsOf("recovered")).toEqual([]);
        const again = await create(inputs);
        // It was disabled before its deletion, and enabled again.
        const updatedAt = expect.any(String) as string;
        expect(again.state.copies).toEqual({ 1: { ...state.copies[1], updatedAt } });
    });

    test("by a foreign soft-deleted key is an error that says so", async () => {
        const client = azure.client(vaultName);
        await client.createEcKey("soft");
        await client.beginDeleteKey("soft");
        const inputs = await (await newKey("soft")).inputs();
        await expect(create(inputs)).rejects.toMatchObject({
            code: "NAME_TAKEN",
            message: expect.stringMatching(/soft-deleted key that isn't key soft/) as string,
        });
        await expect(client.getKey("soft")).rejects.toMatchObject({ statusCode: 404 });
        await client.getDeletedKey("soft");
    });
});

describe("a deletion", () => {
    test("is refused while the key may not be deleted; of a key that stays, it ends the distribution", async () => {
        const { id, state } = await create(await (await newKey("stays")).inputs());
        await inNextRun(async (destroy) => {
            await expect(destroy.provider.delete(id, state)).rejects.toMatchObject({
                code: "DELETION_NOT_ALLOWED",
            });
        });
        await azure.client(vaultName).getKey("stays");
        await inNextRun(async (up) => {
            up.declareKey("stays");
            await up.provider.delete(id, state);
            await expect(azure.client(vaultName).getKey("stays")).rejects.toMatchObject({
                statusCode: 404,
            });
            await up.provider.delete(id, state); // again, as after a crash
        });
    });

    test("leaves a key alone that took our name meanwhile", async () => {
        const inputs = await (await newKey("replaced")).inputs({ deletionAllowed: true });
        const { id, state } = await create(inputs);
        const client = azure.client(vaultName);
        await client.beginDeleteKey("replaced");
        await client.purgeDeletedKey("replaced");
        await client.createEcKey("replaced");
        await inNextRun((destroy) => destroy.provider.delete(id, state));
        await client.getKey("replaced");
    });

    test("leaves a copy alone that another resource of this run has taken over", async () => {
        const key = await newKey("adopted");
        const inputs = await key.inputs({ deletionAllowed: true });
        const { id, state } = await create(inputs);
        const differentCase = { ...inputs, name: "ADOPTED" };
        await inNextRun(async (up) => {
            const checked = await up.provider.check({}, differentCase);
            expect(checked.failures ?? []).toEqual([]);
            await up.provider.create(checked.inputs!);
            await up.provider.delete(id, state);
        });
        expect(await vault.versionsOf("adopted")).toEqual([state.copies[1]!.id]);
    });
});

describe("a refresh", () => {
    test("without a change gives the same state", async () => {
        const { id, state } = await create(
            await (await newKey("refresh", "ecdsa-p256", 2)).inputs(),
        );
        expect(await provider.read(id, state)).toEqual({ id, props: state });
    });

    test("keeps the newest copy where a version has several", async () => {
        const key = await newKey("several");
        const inputs = await key.inputs();
        const { id, state: first } = await create(inputs);
        let state = first;
        for (let round = 0; round < 4; round++) {
            azure.passSeconds(1);
            await azure.client(vaultName).createEcKey("several");
            azure.passSeconds(1);
            state = await update(id, state, inputs);
        }
        const newest = await azure.client(vaultName).getKey("several");
        const { props } = await provider.read(id, state);
        expect((props as State).copies[1]!.id).toBe(newest.properties.version);
    });

    test("of a key that is gone says so, and the next creation brings it anew", async () => {
        const inputs = await (await newKey("gone")).inputs();
        const { id, state } = await create(inputs);
        await azure.client(vaultName).beginDeleteKey("gone");
        await azure.client(vaultName).purgeDeletedKey("gone");
        expect(await provider.read(id, state)).toEqual({});
        await create(inputs);
        expect(await vault.versionsOf("gone")).toHaveLength(1);
    });
});

describe("the identity", () => {
    const variables = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] as const;
    const wrong = { AZURE_CLIENT_SECRET: "wrong", SECRET_OF_TEST: "wrong" };
    afterEach(() => {
        for (const name of [...variables, "SECRET_OF_TEST"]) {
            delete process.env[name];
        }
    });
    function setVariables(clientSecret: string): void {
        const { tenantId, clientId } = azure.operator;
        Object.assign(process.env, {
            AZURE_TENANT_ID: tenantId,
            AZURE_CLIENT_ID: clientId,
            AZURE_CLIENT_SECRET: clientSecret,
        });
    }
    // Of another name for the vault, so that no client of it is there that has a token already.
    const place = (name: string) => ({
        name: `${vaultName}-${name}`,
        uri: vaultUri.replace("127.0.0.1", "localhost"),
        sku: "premium" as const,
        environment: "local" as const,
    });
    function identityWith(members: Partial<Inputs["identity"]>): Inputs["identity"] {
        const { tenantId, clientId } = azure.operator;
        return { tenantId, clientId, ...members };
    }

    test("chosen for the vault wins over AZURE_*, and that one over the sealed one", async () => {
        const refused =
            /didn't list .* 7000215.* Check the tenant, the client id and the client secret/;
        const sealedWrong = identityWith({ clientSecret: await sealedSecret(azure, "wrong") });
        const chosen = identityWith({
            clientSecret: await sealedSecret(azure, "wrong"),
            clientSecretFrom: "env:SECRET_OF_TEST",
        });
        const key = await newKey("identity");
        const attempt = async (identity: Inputs["identity"]) =>
            create(await key.inputs({ identity, vault: place("identity") }));

        await expect(attempt(sealedWrong)).rejects.toThrow(refused);
        setVariables(azure.operator.clientSecret);
        await attempt(sealedWrong);

        setVariables(wrong.AZURE_CLIENT_SECRET);
        process.env.SECRET_OF_TEST = azure.operator.clientSecret;
        await attempt(chosen);
        process.env.SECRET_OF_TEST = wrong.SECRET_OF_TEST;
        setVariables(azure.operator.clientSecret);
        await expect(attempt(chosen)).rejects.toThrow(refused);
    });

    test("without any secret is an error that says how to give one", async () => {
        const inputs = await (
            await newKey("no-identity")
        ).inputs({
            identity: identityWith({}),
        });
        await expect(create(inputs)).rejects.toMatchObject({
            code: "IDENTITY",
            message: expect.stringMatching(/has no client secret\. Give/) as string,
        });
    });

    test("that is sealed anew each run is no change; another secret, or another place for it, is one", async () => {
        const key = await newKey("sealed-anew");
        const { state } = await create(await key.inputs());
        const given = async (secret: string, members: Partial<Inputs["identity"]> = {}) => {
            const { inputs } = await provider.check(state, {
                ...(await key.inputs()),
                identity: identityWith({
                    clientSecret: await sealedSecret(azure, secret),
                    ...members,
                }),
            });
            return inputs!;
        };
        const { clientSecret } = azure.operator;
        expect(await changes(state, await given(clientSecret))).toBe(false);
        expect(await changes(state, await given("another one"))).toBe(true);
        const chosen = await given(clientSecret, { clientSecretFrom: "env:SECRET_OF_TEST" });
        expect(await changes(state, chosen)).toBe(true);
        expect(chosen.identity.clientSecretFrom).toBe("env:SECRET_OF_TEST");
    });
});

describe("over a connection that fails or lies", () => {
    let proxy: Awaited<ReturnType<typeof startProxy>>;
    beforeEach(async () => {
        proxy = await startProxy(azure, vaultUri);
    });
    afterEach(() => proxy.close());
    const through = () => ({
        vault: {
            name: vaultName,
            uri: proxy.uri,
            sku: "premium" as const,
            environment: "local" as const,
        },
    });
    const isImport = ({ method, body }: Parameters<Meddle>[0]) => method === "PUT" && body !== "";

    test("an import whose answer is lost is found by the next list, and not sent again", async () => {
        const key = await newKey("lost-answer", "rsa-2048", 2);
        let lost = 0;
        proxy.meddle((request, answer) => (isImport(request) && lost++ === 0 ? "lost" : answer));
        const { state } = await create(await key.inputs(through()));
        expect(lost).toBeGreaterThan(0);
        expect(Object.keys(state.copies)).toEqual(["1", "2"]);
        expect(await vault.versionsOf("lost-answer")).toHaveLength(2);
        const operations = await vault.operationsOn("lost-answer");
        expect(operations.filter((operation) => operation === "import")).toHaveLength(2);
    });

    test("a failure half-way keeps what was done, with all that the engine needs to go on", async () => {
        const key = await newKey("partly", "ecdsa-p256", 2);
        const inputs = await key.inputs(through());
        let imports = 0;
        proxy.meddle((request, answer) =>
            isImport(request) && ++imports === 2
                ? { ...answer, status: 403, body: forbidden }
                : answer,
        );
        // It worked, but the answer says that it didn't: worse can't be.
        const error = (await create(inputs).catch((caught: unknown) => caught)) as Error & {
            id: string;
            properties: State & { __provider: string };
            reasons: string[];
        };
        expect(error).toMatchObject({
            code: "KMS",
            id: `${proxy.uri}keys/partly`,
            reasons: [error.message],
            properties: {
                ...statePart(inputs),
                __provider: "the code",
                schemaVersion: 2,
                verified: false,
                inStep: false,
            },
        });
        expect(error.message).toMatch(
            /^Vault test-vault \(.*\) didn't import version 2 of key partly as partly: 403/,
        );
        expect(Object.keys(error.properties.copies)).toEqual(["1"]);
        // The host puts it into a protobuf Struct, which knows no undefined.
        expect(JSON.parse(JSON.stringify(error.properties))).toEqual(error.properties);

        expect(await changes(error.properties, inputs)).toBe(true);
        const next = await update(error.id, error.properties, inputs);
        expect(Object.keys(next.copies)).toEqual(["1", "2"]);
        expect(next).toMatchObject({ purposes: ["sign"], verified: true });
        expect(await vault.versionsOf("partly")).toHaveLength(2);
        expect(await changes(next, inputs)).toBe(false);
    });
    const forbidden = JSON.stringify({
        error: { code: "Forbidden", message: "no", innererror: { code: "ForbiddenByPolicy" } },
    });
    const statePart = ({ versions: _versions, ...others }: Inputs) => others;

    test.each(["software", "hsm"] as const)(
        "another public key than ours is refused (%s)",
        async (protection) => {
            const name = `mismatch-${protection}`;
            const key = await newKey(name);
            const other = await newKey("other");
            const { x, y } = await publicJwk((await other.inputs()).versions[0]!);
            proxy.meddle((request, answer) => {
                if (!isImport(request)) {
                    return answer;
                }
                const bundle = JSON.parse(answer.body) as { key: object };
                return {
                    ...answer,
                    body: JSON.stringify({ ...bundle, key: { ...bundle.key, x, y } }),
                };
            });
            await expect(
                create(await key.inputs({ ...through(), protection })),
            ).rejects.toMatchObject({
                code: "PUBLIC_KEY_MISMATCH",
                message: expect.stringMatching(
                    new RegExp(`another public key for version 1 of key ${name}`),
                ) as string,
            });
        },
    );

    test("until the vault has asked for a token, one request is sent at a time: others would go out whole", async () => {
        const keys = await Promise.all(
            ["first-1", "first-2", "first-3"].map((name) => newKey(name)),
        );
        let asked = 0;
        proxy.meddle((_request, answer) => {
            asked += answer.status === 401 ? 1 : 0;
            return answer;
        });
        await Promise.all(keys.map(async (key) => create(await key.inputs(through()))));
        expect(asked).toBe(1);
    });
});

async function publicJwk({ sealed }: KeyVersion): Promise<{ x?: string; y?: string }> {
    const identity = { key: "other", type: "ecdsa-p256" as const, version: 1 };
    const material = await openKeyVersion(identity, sealed, sealKey);
    const key = createPrivateKey({ key: Buffer.from(material), format: "der", type: "pkcs8" });
    return key.export({ format: "jwk" });
}
