import { createPrivateKey } from "node:crypto";
import type { KeyVersion } from "../../keys/keyVersion";
import { openKeyVersion } from "../../keys/keyVersion";
import { parseSealKey, seal } from "../../keys/seal";
import {
    provider as distributedKey,
    type Inputs as DistributedKeyInputs,
    type State as DistributedKeyState,
} from "../../providers/distributedKey";
import {
    provider as managedKey,
    type Inputs as ManagedKeyInputs,
    type State as ManagedKeyState,
} from "../../providers/managedKey";
import { credentialBinding } from "../../providers/vaults";
import { TestAzure } from "./azure";
import { inNextRun } from "./nextRun";

/*
 * States as they were written first, of schemaVersion 1, word by word. They stand in users' stacks, so they are read for ever: never change
 * a literal here; add one when there is a schemaVersion 2. The key, its token and its seal key protect nothing.
 */
const sealText = Buffer.from("a seal key for tests, not secret").toString("base64url");
const createdAt = "2026-11-24T00:00:00.000Z";
const publicKey =
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq+694/VjMJPwpmO1SUPO7gkAfqej\nclvgu0uZDoQIh1aCqTo8Wd0HC9D+c22bI4eYJL1bKKd5QkINLlINcvL+Zw==\n-----END PUBLIC KEY-----\n";
const thumbprint = "Mb80CNRbSv2Em-mWjPNrUdJ7Y3MXpAAH-hbqRWpSqnk";
const version1: KeyVersion = {
    version: 1,
    createdAt,
    publicKey,
    thumbprint,
    sealed: "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiMjQ2NGJlZTE5YmUxOGM5NCIsImtleW1nbXQiOnsidXNlIjoia2V5IG1hdGVyaWFsIiwia2V5Ijoib3JkZXJzIiwidHlwZSI6ImVjZHNhLXAyNTYiLCJ2ZXJzaW9uIjoiMSJ9fQ..XDbKAKeU7k49FvDN.10qu_t4FxX5NtNi_BiC7njRnX7zJi-YiUIPmRx9UgUpbmoh64jEYMQbgyyFRcxxRjWPiGZVVecCsMmgFvP6FIOtrsKVTxrELkBnSeQpyDAP87kdbJHnvq_dYwrPHH1I9bjJII6gQhgBwMFZAwJFiKR495365l6qr2a1c6v4TOY3BbrFBgCMY5hkk.9JhqpUAld5jbk0eu3qYgUA",
};
const managedKeyInputs: ManagedKeyInputs = {
    name: "orders",
    type: "ecdsa-p256",
    rotation: { trigger: "1" },
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    version: 1,
};
const managedKeyState: ManagedKeyState = {
    schemaVersion: 1,
    name: "orders",
    type: "ecdsa-p256",
    rotation: { trigger: "1" },
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    version: 1,
    versions: [version1],
};
/** The addresses, the identity and the id of the copy are those of a vault that is made for the test. */
const distributedKeyState = (
    uri: string,
    identity: DistributedKeyState["identity"],
    copyId: string,
): DistributedKeyState => ({
    schemaVersion: 1,
    key: "orders",
    type: "ecdsa-p256",
    version: 1,
    name: "orders",
    vault: { name: "state-vault", uri, sku: "premium", environment: "local" },
    identity,
    purposes: ["sign"],
    protection: "software",
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    copies: {
        "1": {
            id: copyId,
            createdAt: "2026-11-24T00:00:00.000Z",
            enabled: true,
            thumbprint,
            protection: "software",
        },
    },
    keyId: `${uri}keys/orders`,
    versionedKeyId: `${uri}keys/orders/${copyId}`,
    verified: true,
});

beforeAll(() => {
    process.env.SEAL_OF_STATE_TEST = sealText;
});
afterAll(() => {
    delete process.env.SEAL_OF_STATE_TEST;
});

/** The program, run again as it was. */
const program = {
    __provider: "the code",
    name: "orders",
    type: "ecdsa-p256",
    rotation: { trigger: "1" },
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
};

test("the sealed token of a state opens, to the private key of its public key", async () => {
    const identity = { key: "orders", type: "ecdsa-p256" as const, version: 1 };
    const sealKey = parseSealKey(sealText, "the test");
    const material = await openKeyVersion(identity, version1.sealed, sealKey);
    const key = createPrivateKey({ key: Buffer.from(material), format: "der", type: "pkcs8" });
    expect(key.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
});

describe("ManagedKey", () => {
    test("an unchanged program gives the inputs of the state again: nothing to do", async () => {
        const { inputs, failures } = await managedKey.check(managedKeyInputs, program);
        expect(failures ?? []).toEqual([]);
        expect(inputs).toEqual(managedKeyInputs);
        expect(await managedKey.diff("orders", managedKeyState, inputs!)).toEqual({ replaces: [] });
        expect(await managedKey.read("orders", managedKeyState)).toEqual({
            id: "orders",
            props: managedKeyState,
        });
    });

    test("is rotated: version 1 stays what it is", async () => {
        const rotated = { ...program, rotation: { trigger: "2" } };
        const { inputs } = await managedKey.check(managedKeyInputs, rotated);
        const { outs } = await managedKey.update("orders", managedKeyState, inputs!);
        expect(outs).toMatchObject({ schemaVersion: 1, version: 2 });
        const { versions } = outs as ManagedKeyState;
        expect(versions.map(({ version }) => version)).toEqual([1, 2]);
        expect(versions[0]).toEqual(version1);
    });

    test("is deleted only when that is allowed", async () => {
        await expect(managedKey.delete("orders", managedKeyState)).rejects.toThrow(
            /Key orders isn't deleted/,
        );
        await managedKey.delete("orders", { ...managedKeyState, deletionAllowed: true });
    });
});

describe("DistributedKey", () => {
    let azure: TestAzure;
    let state: DistributedKeyState;
    let news: DistributedKeyInputs;

    beforeAll(async () => {
        azure = await TestAzure.start();
        const uri = await azure.createVault("state-vault");
        const { tenantId, clientId, clientSecret } = azure.operator;
        const sealed = await seal(
            parseSealKey(sealText, "the test"),
            Buffer.from(clientSecret),
            credentialBinding({ tenantId, clientId }),
        );
        const identity = { tenantId, clientId, clientSecret: sealed };
        const {
            schemaVersion: _one,
            copies: _copies,
            ...given
        } = distributedKeyState(uri, identity, "");
        const { keyId: _id, versionedKeyId: _versioned, verified: _verified, ...inputs } = given;
        news = (await distributedKey.check({}, { ...inputs, versions: [version1] })).inputs!;
        // The copy, as it is in the vault since the state was written.
        const { outs } = await distributedKey.create(news);
        const [copy] = Object.values((outs as DistributedKeyState).copies);
        state = distributedKeyState(uri, identity, copy!.id);
        state.copies["1"]!.createdAt = copy!.createdAt;
    });
    afterAll(() => azure.close());

    test("an unchanged program is no difference, and a refresh finds what the state says", async () => {
        expect(await distributedKey.diff(state.keyId, state, news)).toEqual({
            replaces: [],
            changes: false,
        });
        expect(await distributedKey.read(state.keyId, state)).toEqual({
            id: state.keyId,
            props: state,
        });
    });

    test("gets version 2 beside its copy of version 1, and is deleted with its key", async () => {
        const rotated = { ...program, rotation: { trigger: "2" } };
        const { inputs } = await managedKey.check(managedKeyInputs, rotated);
        const { outs } = await managedKey.update("orders", managedKeyState, inputs!);
        const { versions } = outs as ManagedKeyState;
        const result = await distributedKey.update(state.keyId, state, {
            ...news,
            version: 2,
            versions,
        });
        const next = result.outs as DistributedKeyState;
        expect(next.copies["1"]).toEqual(state.copies["1"]);
        expect(Object.keys(next.copies)).toEqual(["1", "2"]);

        await inNextRun((destroy) =>
            destroy.provider.delete(state.keyId, { ...state, deletionAllowed: true }),
        );
        const client = azure.client("state-vault");
        await expect(client.getKey("orders")).rejects.toMatchObject({ statusCode: 404 });
    });
});
