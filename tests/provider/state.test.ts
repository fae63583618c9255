import { createPrivateKey } from "node:crypto";
import type { KeyVersion } from "../../keys/keyVersion";
import { openKeyVersion } from "../../keys/keyVersion";
import { parseSealKey, seal } from "../../keys/seal";
import {
    provider as distributedKey,
    type Inputs as DistributedKeyInputs,
    type State as DistributedKeyState,
    type StateOfSchema1 as DistributedKeyStateOfSchema1,
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
 * States as they were written, word by word: of schemaVersion 1 and 2. They stand in users' stacks, so they are read for ever: never change
 * a literal here; add one when there is a schemaVersion 3. The key, its token and its seal key protect nothing.
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
const managedKeyInputs1 = {
    name: "orders",
    type: "ecdsa-p256",
    rotation: { trigger: "1" },
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    version: 1,
};
const managedKeyState1 = {
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
const distributedKeyState1 = (
    uri: string,
    identity: DistributedKeyState["identity"],
    copyId: string,
): DistributedKeyStateOfSchema1 => ({
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

const lifecycle2 = [
    {
        version: 1,
        createdAt: "2026-11-24T00:00:00.000Z",
        reason: "the first version",
        enabled: true,
    },
];
const managedKeyInputs2: ManagedKeyInputs = {
    name: "orders",
    type: "ecdsa-p256",
    rotation: {
        trigger: "1",
        interval: "P1Y",
        retire: { after: "P90D", action: "disable" },
        keepEnabled: 3,
        notifyBefore: "P30D",
    },
    minEnabledVersion: 0,
    disabledVersions: [],
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    version: 1,
    lifecycle: lifecycle2,
};
const managedKeyState2: ManagedKeyState = {
    schemaVersion: 2,
    name: "orders",
    type: "ecdsa-p256",
    rotation: {
        trigger: "1",
        interval: "P1Y",
        retire: { after: "P90D", action: "disable" },
        keepEnabled: 3,
        notifyBefore: "P30D",
    },
    minEnabledVersion: 0,
    disabledVersions: [],
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    version: 1,
    lifecycle: lifecycle2,
    versions: [version1],
};
/** The addresses, the identity, the id and the dates of the copy are those of a vault that is made for the test. */
const distributedKeyState2 = (
    uri: string,
    identity: DistributedKeyState["identity"],
    copyId: string,
): DistributedKeyState => ({
    schemaVersion: 2,
    key: "orders",
    type: "ecdsa-p256",
    version: 1,
    lifecycle: lifecycle2,
    notifyBefore: "P30D",
    name: "orders",
    vault: {
        name: "state-vault",
        uri,
        sku: "premium",
        environment: "local",
        createdAt: "2026-11-24T00:00:00.000Z",
        purgeProtection: false,
    },
    identity,
    purposes: ["sign"],
    protection: "software",
    tags: { team: "shop" },
    notBefore: "2026-11-24T00:00:00.000Z",
    expiresAfter: "P2Y",
    onDelete: "delete",
    stack: "shop/dev",
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    copies: {
        "1": {
            id: copyId,
            createdAt: "2026-11-24T00:00:00.000Z",
            updatedAt: "2026-11-24T00:00:00.000Z",
            enabled: true,
            tags: {
                team: "shop",
                "keymgmt-key": "orders",
                "keymgmt-stack": "shop/dev",
                "keymgmt-version": "1",
                "keymgmt-thumbprint": thumbprint,
            },
            notBefore: "2026-11-24T00:00:00.000Z",
            expiresAt: "2028-11-24T00:00:00.000Z",
            purposes: ["sign"],
            thumbprint,
            protection: "software",
        },
    },
    older: [],
    foreign: [],
    proofs: {},
    keyId: `${uri}keys/orders`,
    versionedKeyId: `${uri}keys/orders/${copyId}`,
    verified: true,
    inStep: true,
});

// Making the local Azure's certificate takes seconds where cores are busy.
jest.setTimeout(60_000);

beforeAll(() => {
    process.env.SEAL_OF_STATE_TEST = sealText;
});
afterAll(() => {
    delete process.env.SEAL_OF_STATE_TEST;
});

test("the sealed token of a state opens, to the private key of its public key", async () => {
    const identity = { key: "orders", type: "ecdsa-p256" as const, version: 1 };
    const sealKey = parseSealKey(sealText, "the test");
    const material = await openKeyVersion(identity, version1.sealed, sealKey);
    const key = createPrivateKey({ key: Buffer.from(material), format: "der", type: "pkcs8" });
    expect(key.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
});

/** A program as today's components hand it on: with all properties, and the moment of the run. */
const program = (rotation: object, asOf: string) => ({
    __provider: "the code",
    name: "orders",
    type: "ecdsa-p256",
    rotation,
    minEnabledVersion: 0,
    disabledVersions: [],
    deletionAllowed: false,
    seal: { location: "env:SEAL_OF_STATE_TEST", id: "2464bee19be18c94" },
    asOf,
});
const [today, tomorrow] = ["2026-12-01T00:00:00.000Z", "2026-12-02T00:00:00.000Z"];
const writtenAs1 = managedKeyState1 as unknown as ManagedKeyState;

async function checked(olds: object, news: object): Promise<ManagedKeyInputs> {
    const { inputs, failures } = await managedKey.check(olds, news);
    expect(failures ?? []).toEqual([]);
    return inputs!;
}

describe("ManagedKey of schemaVersion 1", () => {
    test("is brought up to date by one update, which makes nothing; then there's nothing to do", async () => {
        const inputs = await checked(managedKeyInputs1, program({ trigger: "1" }, today));
        expect(inputs).toEqual({
            ...managedKeyInputs1,
            minEnabledVersion: 0,
            disabledVersions: [],
            lifecycle: [
                {
                    version: 1,
                    createdAt: today,
                    reason: "made before reasons were kept",
                    enabled: true,
                },
            ],
        });
        expect(await managedKey.diff("orders", writtenAs1, inputs)).toEqual({ replaces: [] });
        const { outs } = await managedKey.update("orders", writtenAs1, inputs);
        expect(outs).toEqual({ ...inputs, schemaVersion: 2, versions: [version1] });
        expect(await checked(inputs, program({ trigger: "1" }, tomorrow))).toEqual(inputs);
    });

    test("is refreshed, rotated and deleted", async () => {
        expect(await managedKey.read("orders", writtenAs1)).toEqual({
            id: "orders",
            props: managedKeyState1,
        });
        const inputs = await checked(managedKeyInputs1, program({ trigger: "2" }, today));
        const { outs } = await managedKey.update("orders", writtenAs1, inputs);
        expect(outs).toMatchObject({ schemaVersion: 2, version: 2 });
        const { versions } = outs as ManagedKeyState;
        expect(versions.map(({ version }) => version)).toEqual([1, 2]);
        expect(versions[0]).toEqual(version1);
        await expect(managedKey.delete("orders", writtenAs1)).rejects.toThrow(
            /Key orders isn't deleted/,
        );
        await managedKey.delete("orders", { ...writtenAs1, deletionAllowed: true });
    });
});

describe("ManagedKey of schemaVersion 2", () => {
    test("an unchanged program gives the inputs of the state again: nothing to do", async () => {
        const inputs = await checked(
            managedKeyInputs2,
            program(managedKeyInputs2.rotation, tomorrow),
        );
        expect(inputs).toEqual(managedKeyInputs2);
        expect(await managedKey.diff("orders", managedKeyState2, inputs)).toEqual({ replaces: [] });
        expect(await managedKey.read("orders", managedKeyState2)).toEqual({
            id: "orders",
            props: managedKeyState2,
        });
    });

    test("is rotated when its interval is over, and version 1 retires when the overlap is", async () => {
        const { rotation } = managedKeyInputs2;
        const due = "2027-11-24T00:00:00.000Z";
        const inputs = await checked(managedKeyInputs2, program(rotation, due));
        const { outs } = await managedKey.update("orders", managedKeyState2, inputs);
        const { versions, lifecycle } = outs as ManagedKeyState;
        expect(versions[0]).toEqual(version1);
        expect(versions[1]).toMatchObject({ version: 2, createdAt: due });
        expect(lifecycle.map(({ enabled }) => enabled)).toEqual([true, true]);
        const later = await checked(inputs, program(rotation, "2028-02-22T00:00:00.000Z"));
        expect(later.lifecycle.map(({ enabled }) => enabled)).toEqual([false, true]);
    });
});

describe.each([1, 2])("DistributedKey of schemaVersion %i", (schema) => {
    let azure: TestAzure;
    /** Each test's own. */
    let vault: string;
    let count = 0;
    let state: DistributedKeyState | DistributedKeyStateOfSchema1;
    let news: DistributedKeyInputs;
    const inputs2 = (uri: string, identity: DistributedKeyState["identity"]) => {
        const {
            schemaVersion: _two,
            copies: _copies,
            older: _older,
            foreign: _foreign,
            proofs: _proofs,
            keyId: _id,
            versionedKeyId: _versioned,
            verified: _verified,
            inStep: _inStep,
            ...inputs
        } = distributedKeyState2(uri, identity, "");
        return { ...inputs, versions: [version1] };
    };
    /** What today's components say of a distribution that was declared then. */
    const inputs1 = (uri: string, identity: DistributedKeyState["identity"]) => {
        const {
            notifyBefore: _notice,
            notBefore: _notBefore,
            expiresAfter: _expires,
            ...inputs
        } = inputs2(uri, identity);
        return { ...inputs, tags: {} };
    };

    beforeAll(async () => {
        azure = await TestAzure.start();
    });
    afterAll(() => azure.close());

    beforeEach(async () => {
        vault = `state-vault-${++count}`;
        const uri = await azure.createVault(vault);
        const { tenantId, clientId, clientSecret } = azure.operator;
        const sealed = await seal(
            parseSealKey(sealText, "the test"),
            Buffer.from(clientSecret),
            credentialBinding({ tenantId, clientId }),
        );
        const identity = { tenantId, clientId, clientSecret: sealed };
        const inputs = schema === 1 ? inputs1(uri, identity) : inputs2(uri, identity);
        news = (await distributedKey.check({}, inputs)).inputs!;
        // The copy, as it is in the vault since the state was written.
        const { outs } = await distributedKey.create(news);
        const [{ id, createdAt, updatedAt }] = Object.values(
            (outs as DistributedKeyState).copies,
        ) as [DistributedKeyState["copies"][string]];
        if (schema === 1) {
            await azure.client(vault).updateKeyProperties("orders", id, {
                tags: {
                    "keymgmt-key": "orders",
                    "keymgmt-version": "1",
                    "keymgmt-thumbprint": thumbprint,
                },
            });
            state = distributedKeyState1(uri, identity, id);
            state.copies["1"]!.createdAt = createdAt;
        } else {
            state = distributedKeyState2(uri, identity, id);
            Object.assign(state.copies["1"]!, { createdAt, updatedAt });
        }
    });

    const imports = async () =>
        (await azure.requests(vault)).filter(({ operation }) => operation === "import").length;

    test("finds its copy again; what is written anew is no difference after that", async () => {
        const before = await imports();
        const { id, props } = await distributedKey.read(state.keyId, state);
        expect(id).toBe(state.keyId);
        if (schema === 1) {
            expect(props).toMatchObject({ schemaVersion: 2, verified: true, inStep: false });
            expect(await distributedKey.diff(state.keyId, state, news)).toEqual({
                replaces: [],
                changes: true,
            });
        } else {
            expect(props).toEqual(state);
            expect(await distributedKey.diff(state.keyId, state, news)).toEqual({
                replaces: [],
                changes: false,
            });
        }
        const { outs } = await distributedKey.update(state.keyId, state, news);
        expect(await imports()).toBe(before);
        const next = outs as DistributedKeyState;
        expect(next).toMatchObject({ schemaVersion: 2, verified: true, inStep: true });
        expect(next.copies["1"]!.id).toBe(state.copies["1"]!.id);
        expect(next.copies["1"]!.tags["keymgmt-stack"]).toBe("shop/dev");
        expect(await distributedKey.diff(state.keyId, next, news)).toEqual({
            replaces: [],
            changes: false,
        });
    });

    test("gets version 2 beside its copy of version 1", async () => {
        const rotation = schema === 1 ? {} : managedKeyInputs2.rotation;
        const olds = schema === 1 ? managedKeyInputs1 : managedKeyInputs2;
        const rotated = await checked(olds, program({ ...rotation, trigger: "2" }, today));
        const written = schema === 1 ? writtenAs1 : managedKeyState2;
        const { outs } = await managedKey.update("orders", written, rotated);
        const { versions, lifecycle } = outs as ManagedKeyState;
        const result = await distributedKey.update(state.keyId, state, {
            ...news,
            version: 2,
            versions,
            lifecycle,
        });
        const next = result.outs as DistributedKeyState;
        expect(next.copies["1"]!.id).toBe(state.copies["1"]!.id);
        expect(Object.keys(next.copies)).toEqual(["1", "2"]);
    });

    test("is deleted with its key", async () => {
        await inNextRun((destroy) =>
            destroy.provider.delete(state.keyId, { ...state, deletionAllowed: true }),
        );
        const client = azure.client(vault);
        await expect(client.getKey("orders")).rejects.toMatchObject({ statusCode: 404 });
    });
});
