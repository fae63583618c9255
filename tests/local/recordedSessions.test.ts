import { startServer, type Server } from "./keyvaultServer";
import { replay, type Step } from "./replay";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

/**
 * Sessions that Azure's SDKs recorded with the real service. Sources: paths in https://github.com/Azure/azure-sdk-assets,
 * where no other repository is named. Where the recorded api-version isn't served (in brackets), one with the same members is.
 */

const rsaOps = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"];
const sevenDays = { recoveryLevel: "CustomizedRecoverable+Purgeable", recoverableDays: 7 };
const ninetyDays = { recoveryLevel: "Recoverable+Purgeable", recoverableDays: 90 };

const kid = (name: string, version?: string) =>
    `https://vault/keys/${name}${version ? `/${version}` : ""}`;
const rsa = (name: string, version: string, more: object = {}) => ({
    kid: kid(name, version),
    kty: "RSA",
    key_ops: rsaOps,
    n: "n1",
    e: "AQAB",
    ...more,
});
const ec = (name: string, version: string, more: object = {}) => ({
    kid: kid(name, version),
    kty: "EC",
    key_ops: ["sign", "verify"],
    crv: "P-256",
    x: "x1",
    y: "y1",
    ...more,
});
const software = { exportable: false, hsmPlatform: "0" };
const hsm = { exportable: false, hsmPlatform: "2" };
const times = (created: number, updated = created) => ({ created, updated });
const deletion = (name: string, deletedDate: number, scheduledPurgeDate: number) => ({
    recoveryId: `https://vault/deletedkeys/${name}`,
    deletedDate,
    scheduledPurgeDate,
});

const failure = (code: string, message: string, innerCode?: string) => ({
    error: { code, message, ...(innerCode && { innererror: { code: innerCode } }) },
});
const badParameter = (message: string) => failure("BadParameter", message);
const deletedKeyNotFound = (name: string) =>
    failure("KeyNotFound", `Deleted Key not found: ${name}`);
const keyNotFound = (id: string) =>
    failure(
        "KeyNotFound",
        `A key with (name/id) ${id} was not found in this key vault. If you recently deleted this key you may be able ` +
            "to recover it using the correct recovery command. For help resolving this issue, please see " +
            "https://go.microsoft.com/fwlink/?linkid=2125182",
    );

const notify = { trigger: { timeBeforeExpiry: "P30D" }, action: { type: "Notify" } };
const rotateAfter = (timeAfterCreate: string) => ({
    trigger: { timeAfterCreate },
    action: { type: "Rotate" },
});

/** The key that the SDKs import in their tests, as Python's writes it: each number begins with a zero byte. */
const importedKey = {
    n: "AKCRTQAjSsaDshtMFdW-2Ie9yVnC5Xr1Suc06PAHINd10nXkVSB-N4TO62ClCkZV3XKnqU0nHo7o95WaZpym53W_DiO62umRtFKdl4UotL2QUh0y3SZWeWuoK2u_x2aMj17rUFN0f9GZMZ0pqEQNCPRBLVJ_-TEe2nGCWSC0exxGsRqz6R1zFkB-icfzQPe4WjQELOUXQ7J9RxhAPTTHtDivYYG-BeTRHrmF04JT1_6b9T_C8bAC0i0teT-nmlBLarQtBJKATXBx1yegbPOoiTqlQrFQP4MrKWNxtnB9Tcbjcvj-Z9je0ckI_eRc4DvAhqcUh_p15Dqg4GeaoNIO_jU",
    e: "AQAB",
    d: "Ynx9JGaBSP4iUsf6ZJ6opantRNdcdmzaQrKbZg6ZQE8Ohi1FYabJWvaoPSE-CiJEsDzShXZHMhUHN4X7Bn8BXaGQhK3p9HXgiwQKmix7oAJTu4ElUIyd8UC3UWHSZr40el4PaQD-HYu_eMzCXus34MnRiNbh_BUWm6T-Eidhk9d3kNIyaSi9YNDQHW6tjWrEhhq63O7JU1j9ZonFChZxpKk20jdkQKQURVAdpOdL-5j4I70ZxFuU6wHZj8DS8oRQfwGOvZKbgYDb5jgf3UNL_7eACqq92XPVX56vm7iKbqeyjCqAIx5y3hrSRIJtZlWCwjYnYQGd4unxDLi8wmJWSQ",
    dp: "AMmhWb5yZcu6vJr8xJZ-t0_likxJRUMZAtEULaWZt2DgODj4y9JrZDJP6mvckzhQP0WXk2NuWbU2HR5pUeCN2wieG1B76VKoH76vfnaJDqT1NuJVBcP2SLHog3ffwZtMME5zjfygchG3kihqOSpwTQ9ETAqAJTkRC38fEhwAz_Cp",
    dq: "AKC9TAo9n2RDaggjdLXK8kiLrBVoaWFTpqXkzYXRhtsx4vWPAkxhfSnze05rVMl6HiXv7FnE0f0wYawzUJzoyuXBH0zS6D9BqCZPeF543AmWB27iPf38Q9Z8Rjr6oBgMSnGDV_mm8nDVQkeaDyE4cOZh-5UKvKShTKKQVwunmDNH",
    qi: "AJ_nrkLpK8BPzVeARkvSHQyKwMWZ-a8CD95qsKfn0dOZAvXY-2xhQYTEwbED-0bpTNEKbIpA-ZkaHygmnzJkNbbFAnb9pkkzU8ZQqDP3JNgMfVIroWx58Oth9nJza2j7i-MkPRCUPEq3Ao0J52z7WJIiLji8TTVYW_NaiM1oxzsH",
    p: "ANHerI1o3dLB_VLVmZZVss8VZSYN5SaeQ_0qhfOSgOFwj__waCFmy2EG7l6l6f_Z-Y0L7Mn_LNov68lyWSFa2EuQUeVj4UoFHc5Di8ZUGiSsTwFM-XMtNuv8HmGgDYLL5BIJD3eTz71LdgW-Ez38OZH34b7VeG8zfeUDb8Hi30zz",
    q: "AMPcZrZBqbc82DO8Q5zTT8ZXRGWrW36KktMllaIk1W2RHnRiQiW0jBWmcCgqUcQNHa1LwumjyNqwx28QBS37BTvG7ULGUoio6LrOeoiBGEMj-U19sX6m37plEhj5Mak7j3OPPY_T9rohjTW5aGGg9YSwq4jdz0RrmBX00ofYOjI3",
};
/** Its modulus as the service returns it. */
const importedModulus =
    "oJFNACNKxoOyG0wV1b7Yh73JWcLlevVK5zTo8Acg13XSdeRVIH43hM7rYKUKRlXdcqepTScejuj3lZpmnKbndb8OI7ra6ZG0Up2XhSi0vZBSHTLdJlZ5a6gra7_HZoyPXutQU3R_0ZkxnSmoRA0I9EEtUn_5MR7acYJZILR7HEaxGrPpHXMWQH6Jx_NA97haNAQs5RdDsn1HGEA9NMe0OK9hgb4F5NEeuYXTglPX_pv1P8LxsALSLS15P6eaUEtqtC0EkoBNcHHXJ6Bs86iJOqVCsVA_gyspY3G2cH1NxuNy-P5n2N7RyQj95FzgO8CGpxSH-nXkOqDgZ5qg0g7-NQ";

/** The name of a test ends with the source of its facts. */
const recorded = (fact: string, source: string) => `${fact} (${source})`;

const go = "go/sdk/security/keyvault/azkeys/testdata/recordings";
const js = "js/sdk/keyvault/keyvault-keys/recordings/browsers";
const net = "net/sdk/keyvault/Azure.Security.KeyVault.Keys/tests/SessionRecords/KeyClientLiveTests";
const python = "python/sdk/keyvault/azure-keyvault-keys/tests/recordings";
const java = "java/sdk/keyvault/azure-security-keyvault-keys/src/test/resources/session-records";
const cpp = "sdk/keyvault/azure-security-keyvault-keys/test/ut/recordings";

test(recorded("create, read, disable, delete, purge", `${go}/TestCRUD/RSA.json`), async () => {
    const name = "testcrud4141929168";
    const dates = { nbf: 2208992461, exp: 2524611661 };
    const tags = { key: "value" };
    const request = { attributes: dates, key_size: 2048, kty: "RSA", public_exponent: 65537, tags };
    const key = rsa(name, "3882");
    const attributes = { ...dates, ...times(1716930500), ...sevenDays, ...software };
    const created = { key, attributes: { enabled: true, ...attributes }, tags };
    const disabled = {
        key,
        attributes: { enabled: false, ...attributes, updated: 1716930501 },
        tags,
    };
    const deleted = { ...deletion(name, 1716930501, 1717535301), ...disabled };
    const off = { attributes: { enabled: false } };
    await replay("7.5", [
        [1716930500, "POST", `/keys/${name}/create`, request, 200, created],
        [1716930500, "GET", `/keys/${name}/`, undefined, 200, created],
        [1716930501, "PATCH", `/keys/${name}/3882`, off, 200, disabled],
        [1716930501, "DELETE", `/keys/${name}`, undefined, 200, deleted],
        [1716930501, "GET", `/deletedkeys/${name}`, undefined, 404, deletedKeyNotFound(name)],
        [1716930512, "GET", `/deletedkeys/${name}`, undefined, 200, deleted],
        [1716930512, "DELETE", `/deletedkeys/${name}`, undefined, 204],
    ]);
});

test(recorded("a recovery, seen late", `${go}/TestRecoverDeletedKey/KV.json`), async () => {
    const name = "key1533221169";
    const attributes = { enabled: true, ...times(1716930581), ...sevenDays, ...software };
    const created = { key: ec(name, "0ae3"), attributes };
    const deleted = { ...deletion(name, 1716930582, 1717535382), ...created };
    await replay("7.5", [
        [1716930581, "POST", `/keys/${name}/create`, { kty: "EC" }, 200, created],
        [1716930582, "DELETE", `/keys/${name}`, undefined, 200, deleted],
        [1716930582, "GET", `/deletedkeys/${name}`, undefined, 404, deletedKeyNotFound(name)],
        [1716930592, "GET", `/deletedkeys/${name}`, undefined, 200, deleted],
        [1716930593, "POST", `/deletedkeys/${name}/recover`, undefined, 200, created],
        [1716930593, "GET", `/keys/${name}/0ae3`, undefined, 404],
        [1716930603, "GET", `/keys/${name}/0ae3`, undefined, 200, created],
    ]);
});

test(recorded("a rotation of an HSM key", `${go}/TestRotateKey/KV.json`), async () => {
    const name = "testrotatekey2561576831";
    const attributes = (dates: object) => ({ enabled: true, ...dates, ...sevenDays, ...hsm });
    const created = {
        key: ec(name, "ec34", { kty: "EC-HSM" }),
        attributes: attributes(times(1716930623)),
    };
    const policy = {
        id: `https://vault/keys/${name}/rotationpolicy`,
        lifetimeActions: [rotateAfter("P30D"), notify],
        attributes: { expiryTime: "P90D", ...times(1716930624) },
    };
    const rotated = {
        key: ec(name, "1d59", { kty: "EC-HSM", x: "x2", y: "y2" }),
        attributes: attributes({ exp: 1724706624, ...times(1716930624) }),
    };
    const put = {
        attributes: { expiryTime: "P90D" },
        lifetimeActions: [rotateAfter("P30D")],
    };
    await replay("7.5", [
        [1716930623, "POST", `/keys/${name}/create`, { kty: "EC-HSM" }, 200, created],
        [1716930624, "PUT", `/keys/${name}/rotationpolicy`, put, 200, policy],
        [1716930624, "GET", `/keys/${name}/rotationpolicy`, undefined, 200, policy],
        [1716930624, "POST", `/keys/${name}/rotate`, undefined, 200, rotated],
        [
            1716930624,
            "POST",
            "/keys/keynonexistent/rotate",
            undefined,
            404,
            keyNotFound("keynonexistent"),
        ],
    ]);
});

const rotation = `${js}/keys_client__create_read_update_and_delete_operations_key_rotation`;
test(
    recorded(
        "a rotation policy replaces the one before",
        `${rotation}/recording_updatekeyrotationpolicy_supports_updating_an_existing_policy.json`,
    ),
    async () => {
        const name = "keyrotationpolicy-918";
        const id = `https://vault/keys/${name}/rotationpolicy`;
        const now = 1777635837;
        const withRotation = { lifetimeActions: [rotateAfter("P2M")], attributes: {} };
        const withoutRotation = {
            lifetimeActions: [notify],
            attributes: { expiryTime: "P90D" },
        };
        await replay("7.6", [
            [now, "POST", `/keys/${name}/create`, { kty: "RSA", attributes: {} }, 200],
            [
                now,
                "PUT",
                `/keys/${name}/rotationpolicy`,
                withRotation,
                200,
                { id, lifetimeActions: [rotateAfter("P2M"), notify], attributes: times(now) },
            ],
            [
                now,
                "PUT",
                `/keys/${name}/rotationpolicy`,
                withoutRotation,
                200,
                {
                    id,
                    lifetimeActions: [notify],
                    attributes: { expiryTime: "P90D", ...times(now) },
                },
            ],
        ]);
    },
);

test(
    recorded(
        "Java's RSA keys have a public exponent of 0; a policy without actions",
        `${java}/KeyAsyncClientTest.updateGetKeyRotationPolicyWithMinimumProperties[1].json, [7.6-preview.2]`,
    ),
    async () => {
        const name = "rotatekey0658335b";
        const now = 1741078887;
        const request = { kty: "RSA", public_exponent: 0, attributes: {} };
        const created = {
            key: rsa(name, "5335"),
            attributes: { enabled: true, ...times(now), ...sevenDays, ...software },
        };
        const policy = {
            id: `https://vault/keys/${name}/rotationpolicy`,
            lifetimeActions: [notify],
            attributes: times(now),
        };
        await replay("7.5", [
            [now, "POST", `/keys/${name}/create`, request, 200, created],
            [now, "PUT", `/keys/${name}/rotationpolicy`, { lifetimeActions: [] }, 200, policy],
            [now, "GET", `/keys/${name}/rotationpolicy`, undefined, 200, policy],
        ]);
    },
);

test(
    recorded(
        "a new key's policy is the service's own",
        `${net}/GetKeyRotationPolicyReturnsDefault.json, [7.6-preview.1]`,
    ),
    async () => {
        const now = 1722561149;
        const policy = { lifetimeActions: [notify], attributes: null };
        await replay("7.6", [
            [now, "POST", "/keys/526345824/create", { kty: "RSA" }, 200],
            [now, "GET", "/keys/526345824/rotationpolicy", undefined, 200, policy],
        ]);
    },
);

test(
    recorded(
        "import with leading zeros, change without a version, key_size before exp",
        `${python}/test_key_client.pyTestKeyClienttest_key_crud_operations[2025-07-01_vault].json`,
    ),
    async () => {
        const other = "livekvtestimport-test-key9b252e19";
        const imported = {
            key: rsa(other, "1deb", { n: importedModulus }),
            attributes: {
                enabled: true,
                key_size: 2048,
                ...times(1777476608),
                ...sevenDays,
                ...software,
            },
        };
        const name = "livekvtestcrud-rsa-key9b252e19";
        const attributes = (dates: object) => ({
            enabled: true,
            key_size: 2048,
            ...dates,
            ...sevenDays,
            ...software,
        });
        const tags = { purpose: "unit test", "test name ": "CreateRSAKeyTest" };
        const created = {
            key: rsa(name, "5092"),
            attributes: attributes(times(1777476611)),
            tags,
        };
        const changed = {
            key: rsa(name, "5092", { key_ops: ["decrypt", "encrypt"] }),
            attributes: attributes({ exp: 2524723200, ...times(1777476611, 1777476614) }),
            tags: { foo: "updated tag" },
        };
        const deleted = { ...deletion(name, 1777476615, 1778081415), ...changed };
        const put = { key: { kty: "RSA", key_ops: rsaOps, ...importedKey } };
        const post = { kty: "RSA", key_size: 2048, key_ops: rsaOps, tags };
        const patch = {
            key_ops: ["decrypt", "encrypt"],
            attributes: { exp: 2524723200 },
            tags: { foo: "updated tag" },
        };
        await replay("2025-07-01", [
            [1777476608, "PUT", `/keys/${other}`, put, 200, imported],
            [1777476611, "POST", `/keys/${name}/create`, post, 200, created],
            [1777476611, "GET", `/keys/${name}/5092`, undefined, 200, created],
            [1777476611, "GET", `/keys/${name}/`, undefined, 200, created],
            [1777476614, "PATCH", `/keys/${name}/`, patch, 200, changed],
            [1777476615, "DELETE", `/keys/${name}`, undefined, 200, deleted],
            [1777476615, "GET", `/deletedkeys/${name}`, undefined, 404, deletedKeyNotFound(name)],
            [1777476620, "GET", `/deletedkeys/${name}`, undefined, 200, deleted],
        ]);
    },
);

const crud = `${js}/keys_client__create_read_update_and_delete_operations`;
test(
    recorded("an expiry in the past", `${crud}/recording_can_create_a_key_with_expires.json`),
    async () => {
        const name = "CRUDKeyName-cancreateakeywithexpires-";
        const dates = { exp: 1546300805 };
        const created = {
            key: rsa(name, "5a82"),
            attributes: {
                enabled: true,
                key_size: 2048,
                ...dates,
                ...times(1777635759),
                ...sevenDays,
                ...software,
            },
        };
        const request = { kty: "RSA", attributes: dates };
        await replay("7.6", [[1777635759, "POST", `/keys/${name}/create`, request, 200, created]]);
    },
);

test(
    recorded(
        "Hsm makes an HSM key of a software key; the list of deleted keys",
        `${go}/TestImportKey/KV.json, TestListDeletedKeys/KV.json`,
    ),
    async () => {
        const name = "testimport2202992193";
        const now = 1716930539;
        const attributes = { enabled: true, ...times(now), ...sevenDays, ...hsm };
        const members = { key_ops: ["encrypt"], n: importedModulus };
        const created = { key: rsa(name, "4d85", { kty: "RSA-HSM", ...members }), attributes };
        const gone = deletion(name, now, 1717535339);
        const list = { value: [{ ...gone, kid: kid(name), attributes }], nextLink: null };
        const request = { Hsm: true, key: { ...importedKey, kty: "RSA", ...members } };
        await replay("7.5", [
            [now, "PUT", `/keys/${name}`, request, 200, created],
            [now, "DELETE", `/keys/${name}`, undefined, 200, { ...gone, ...created }],
            [1716930549, "GET", "/deletedkeys", undefined, 200, list],
        ]);
    },
);

// That preview's GET /deletedkeys/{name} leaves hsmPlatform out; 7.5, 7.6 and 2025-07-01 don't, as the sessions above show.
test(
    recorded(
        "an empty set of operations and of tags; a deleted name",
        `cpp/${cpp}/KeyVaultKeyClient.CreateDeletedKey.json, [7.6-preview.2]`,
    ),
    async () => {
        const name = "CreateDeletedKey";
        const now = 1743195655;
        const request = { key_ops: [], kty: "EC", tags: {} };
        const attributes = { enabled: true, ...times(now), ...ninetyDays, ...software };
        const created = { key: ec(name, "bb2d"), attributes, tags: {} };
        const deleted = { ...deletion(name, now, 1750971655), ...created };
        const refusal = failure(
            "Conflict",
            `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused; ` +
                "in this state, the key can only be recovered or purged.",
            "ObjectIsDeletedButRecoverable",
        );
        const steps: Step[] = [
            [now, "POST", `/keys/${name}/create`, request, 200, created],
            [now, "DELETE", `/keys/${name}`, undefined, 200, deleted],
            [1743195715, "POST", `/keys/${name}/create`, request, 409, refusal],
        ];
        await replay("7.5", steps, { softDeleteRetentionInDays: 90 });
    },
);

test(
    recorded(
        "attributes that are null; a name that is being deleted",
        `Azure/azure-sdk-for-cpp, ${cpp}/KeyVaultKeyClient.CreateDeletedKeyBeforePollComplete.json, [7.3]`,
    ),
    async () => {
        const name = "CreateDeletedKeyBeforePollComplete";
        const now = 1668714728;
        const request = { attributes: null, kty: "EC" };
        const attributes = { enabled: true, ...times(now), ...ninetyDays, exportable: false };
        const refusal = failure(
            "Conflict",
            `Key ${name} is currently being deleted and cannot be re-created; retry later.`,
            "ObjectIsBeingDeleted",
        );
        const created = { key: ec(name, "f6f5"), attributes };
        const steps: Step[] = [
            [now, "POST", `/keys/${name}/create`, request, 200, created],
            [now, "DELETE", `/keys/${name}`, undefined, 200],
            [now, "POST", `/keys/${name}/create`, request, 409, refusal],
        ];
        await replay("7.4", steps, { softDeleteRetentionInDays: 90 });
    },
);

test(
    recorded(
        "changes that repeat exportable: false",
        `${net}/UpdateEcHsmKeyOps.json, [7.6-preview.1]`,
    ),
    async () => {
        const name = "335664137";
        const now = 1722561249;
        const exp = 1722647649;
        const bundle = (key_ops: string[], dates: object) => ({
            key: ec(name, "56f2", { kty: "EC-HSM", key_ops }),
            attributes: { enabled: true, ...dates, ...sevenDays, ...hsm },
        });
        const created = bundle(["verify"], times(now));
        const dated = bundle(["verify"], { exp, ...times(now) });
        const widened = bundle(["sign", "verify"], { exp, ...times(now, now + 1) });
        const attributes = { enabled: true, exp, exportable: false };
        const both = { attributes, key_ops: ["sign", "verify"] };
        const request = { kty: "EC-HSM", key_ops: ["verify"] };
        await replay("7.6", [
            [now, "POST", `/keys/${name}/create`, request, 200, created],
            [now, "PATCH", `/keys/${name}/56f2`, { attributes }, 200, dated],
            [now + 1, "PATCH", `/keys/${name}/56f2`, both, 200, widened],
        ]);
    },
);

const lists = `${js}/keys_client__list_keys_in_various_ways`;
test(
    recorded(
        "versions, page by page",
        `${lists}/recording_can_get_the_versions_of_a_key_paged.json`,
    ),
    async () => {
        const name = "listKeyName-cangettheversionsofakeypaged-";
        const next = `/keys/${name}/versions?api-version=7.6&$skiptoken=Sanitized&maxresults=1`;
        const page = (version: string, created: number, nextLink: string | null) => ({
            value: [
                {
                    kid: kid(name, version),
                    attributes: {
                        enabled: true,
                        key_size: 2048,
                        ...times(created),
                        ...sevenDays,
                        ...software,
                    },
                },
            ],
            nextLink,
        });
        const first = page("0a59", 1777635779, `https://vault${next}`);
        const last = page("af69", 1777635780, null);
        const request = { kty: "RSA", attributes: {} };
        await replay("7.6", [
            [1777635779, "POST", `/keys/${name}/create`, request, 200],
            [1777635780, "POST", `/keys/${name}/create`, request, 200],
            [1777635780, "GET", `/keys/${name}/versions?maxresults=1`, undefined, 200, first],
            [1777635780, "GET", next, undefined, 200, last],
        ]);
    },
);

test(
    recorded(
        "versions of a key that isn't there",
        `${lists}/recording_list_0_versions_of_a_nonexisting_key_paged.json`,
    ),
    async () => {
        const path = "/keys/listKeyName-list0versionsofanon-existingkeypaged-/versions";
        const none = { value: [], nextLink: null };
        await replay("7.6", [[1777635792, "GET", path, undefined, 200, none]]);
    },
);

test(
    recorded(
        "an operation that a vault doesn't have",
        `${net}/GetKeyAttestationNonExisting.json, [7.6-preview.2]`,
    ),
    async () => {
        const refusal = badParameter("Method GET does not allow operation 'attestation'");
        const path = "/keys/847921454//attestation";
        await replay("7.6", [[1742850230, "GET", path, undefined, 400, refusal]]);
    },
);

test(recorded("no key type", `${java}/KeyAsyncClientTest.createKeyNullType[1].json`), async () => {
    const path = "/keys/javaKeyTemp/create";
    const refusal = badParameter("Property  has invalid value\r\nProperty  has invalid value\r\n");
    await replay("7.4", [[1695668893, "POST", path, { attributes: {} }, 400, refusal]]);
});

test(
    recorded("an empty name", `${java}/KeyAsyncClientTest.createKeyEmptyName[1].json`),
    async () => {
        const request = { kty: "RSA", attributes: {} };
        const refusal = badParameter("Operation not specified");
        await replay("7.4", [[1695668765, "POST", "/keys//create", request, 400, refusal]]);
    },
);

test(
    recorded(
        "a release policy",
        `${crud}_releasekey/recording_errors_when_a_key_has_a_release_policy_but_is_not_exportable.json`,
    ),
    async () => {
        const release_policy = { data: "eyAic2FuaXRpemVkIjogInNhbml0aXplZCIgfQ==" };
        const request = { kty: "RSA-HSM", attributes: {}, release_policy };
        const refusal = badParameter(
            "AKV.SKR.1005: Non-exportable keys must not have release policy.",
        );
        const path = "/keys/policynonexportable-139/create";
        await replay("7.6", [[1777635854, "POST", path, request, 400, refusal]]);
    },
);

test(
    recorded(
        "a malformed backup",
        `${js}/keys_client__restore_keys_and_recover_backups/recording_fails_to_restore_a_key_with_a_malformed_backup.json`,
    ),
    async () => {
        const request = { value: "A".repeat(11_591) };
        const refusal = failure(
            "Malformed backup blob",
            "Backup blob contains invalid or corrupt version.",
        );
        await replay("7.6", [[1777635727, "POST", "/keys/restore", request, 400, refusal]]);
    },
);

test(
    recorded(
        "a backup that is none",
        `${net}/RestoreKeyNonExisting.json, [7.6-preview.1], ${java}/KeyAsyncClientTest.restoreKeyFromMalformedBackup[1].json`,
    ),
    async () => {
        const request = { value: "bm9uLWV4aXN0aW5n" };
        const refusal = failure("Malformed backup blob", "Backup blob is corrupt.");
        await replay("7.4", [
            [1695668890, "POST", "/keys//restore", request, 400, refusal],
            [1695668890, "POST", "/keys/restore", request, 400, refusal],
        ]);
    },
);

test(
    recorded(
        "exportable without a release policy",
        `${crud}_releasekey/recording_errors_when_key_is_exportable_without_a_release_policy.json`,
    ),
    async () => {
        const request = { kty: "RSA-HSM", attributes: { exportable: true } };
        const refusal = badParameter("AKV.SKR.1004: Exportable keys must have release policy.");
        const path = "/keys/exportablenopolicy-960/create";
        await replay("7.6", [[1777635851, "POST", path, request, 400, refusal]]);
    },
);

test(recorded("a P-256K key signs and verifies", `${go}/TestSignVerify/KV.json`), async () => {
    const name = "key3534672839";
    const now = 1716930633;
    const request = { crv: "P-256K", key_ops: ["sign", "verify"], kty: "EC" };
    const created = {
        key: ec(name, "5bec", { crv: "P-256K" }),
        attributes: { enabled: true, ...times(now), ...sevenDays, ...software },
    };
    const digest = "ltYuKr0-Qt5fUDMPuO_ExVmYNSeAd7IemqCzPB3wehw";
    const sign = { alg: "ES256K", value: digest };
    const signed = { kid: kid(name, "5bec"), value: "s1" };
    const verify = { alg: "ES256K", digest, value: "s1" };
    await replay("7.5", [
        [now, "POST", `/keys/${name}/create`, request, 200, created],
        [now, "POST", `/keys/${name}/sign`, sign, 200, signed],
        [now, "POST", `/keys/${name}/verify`, verify, 200, { value: true }],
    ]);
});

test.each([
    [
        "rust/sdk/keyvault/azure_security_keyvault_keys/tests/data/key_client/wrap_key_unwrap_key.json, [7.6-preview.2]",
        { name: "wrap-key-unwrap-key", now: 1739923513, request: { key_size: 2048, kty: "RSA" } },
        sevenDays,
        { alg: "RSA-OAEP-256", value: "NCdcaE95hqEGNkaUtAv_y8Cew7MvDodJUavbboBCtHA" },
        ["wrapkey", "unwrapkey"],
    ],
    [
        `cpp/${cpp}/Crypto-KeyVaultKeyClientWithParam.RemoteEncrypt-13.json`,
        { name: "RemoteEncrypt-13", now: 1713812595, request: { attributes: null, kty: "RSA" } },
        ninetyDays,
        { alg: "RSA-OAEP", value: "QSBzaW5nbGUgYmxvY2sgb2YgcGxhaW50ZXh0AA" },
        ["encrypt", "decrypt"],
    ],
] as const)(
    "what a version wraps or encrypts it opens (%s)",
    async (_source, { name, now, request }, retention, { alg, value }, [seal, open]) => {
        const created = {
            key: rsa(name, "2889"),
            attributes: { enabled: true, ...times(now), ...retention, ...software },
        };
        const answer = (text: string) => ({ kid: kid(name, "2889"), value: text });
        await replay(
            "7.5",
            [
                [now, "POST", `/keys/${name}/create`, request, 200, created],
                [now, "POST", `/keys/${name}/2889/${seal}`, { alg, value }, 200, answer("s1")],
                [
                    now,
                    "POST",
                    `/keys/${name}/2889/${open}`,
                    { alg, value: "s1" },
                    200,
                    answer(value),
                ],
            ],
            { softDeleteRetentionInDays: retention.recoverableDays },
        );
    },
);

describe("without a session of its own", () => {
    let server: Server;
    beforeAll(async () => {
        server = await startServer();
    });
    afterAll(() => server.stop());

    test("every answer has the service's headers, refusals too", async () => {
        // go/sdk/security/keyvault/azkeys/testdata/recordings/TestCRUD/RSA.json, js/…/recording_can_get_a_deleted_key.json
        const recorded = {
            "cache-control": "no-cache",
            "content-type": "application/json; charset=utf-8",
            expires: "-1",
            pragma: "no-cache",
            "x-content-type-options": "nosniff",
            "x-ms-keyvault-network-info":
                "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
            "x-ms-keyvault-service-version": "1.9.3070.2",
            "x-ms-client-request-id": "0768fab0-c5b2-4705-bf82-571fa896be7d",
            "x-ms-keyvault-region": "westeurope",
            "x-ms-request-id": expect.stringMatching(
                /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
            ) as string,
        };
        const headers = { "x-ms-client-request-id": recorded["x-ms-client-request-id"] };
        for (const [path, status, more] of [
            ["/keys", 200, {}],
            ["/keys/nobody", 404, {}],
            ["/keys/nobody/latest", 400, {}],
            ["/keys", 401, { authorization: "" }],
        ] as const) {
            const answer = await server.send("GET", path, undefined, {
                headers: { ...headers, ...more },
            });
            expect([answer.status, answer.headers]).toEqual([
                status,
                expect.objectContaining(recorded),
            ]);
        }
    });

    test("a version's place is an operation's name, unless it is an id", async () => {
        await server.send("POST", "/keys/one/create", { kty: "EC" });
        // "Method DELETE does not allow operation 'purge'" and "Method GET does not allow operation 'latest'" are the answers for
        // secrets that others quote: DELETE /deletedsecrets/n/purge, GET /secrets/n/latest.
        for (const [method, path, operation] of [
            ["GET", "/keys/one/latest", "latest"],
            ["PATCH", "/keys/one/latest", "latest"],
            ["DELETE", "/deletedkeys/one/purge", "purge"],
            ["POST", "/keys/one/unknown/", "unknown"],
        ] as const) {
            const answer = await server.send(method, path, method === "PATCH" ? {} : undefined);
            expect([answer.status, answer.body]).toEqual([
                400,
                badParameter(`Method ${method} does not allow operation '${operation}'`),
            ]);
        }
        const unknown = await server.send("GET", `/keys/one/${"0".repeat(32)}`);
        expect([unknown.status, unknown.body]).toEqual([404, keyNotFound(`one/${"0".repeat(32)}`)]);
    });
});
