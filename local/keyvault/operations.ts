import type { Vault } from "../vault";
import type { Permission } from "./access";
import * as bundles from "./bundles";
import * as cryptography from "./cryptography";
import { errors } from "./errors";
import type { Keys } from "./keys";
import { current } from "./lifecycle";
import { page, readMaxResults } from "./paging";
import { nameId } from "./records";
import * as requests from "./requests";
import { versionIdPattern, type KeyOperation } from "./rules";

/** One request, after its caller was admitted. */
export interface Call {
    vault: Vault;
    keys: Keys;
    api: bundles.ApiVersion;
    /** Empty where the path has none. */
    name: string;
    version: string | undefined;
    query: { maxresults?: string; skipToken?: string };
    body: unknown;
}

export interface Operation {
    /** As it is called in the request log. */
    name: string;
    method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
    /** Without case, a trailing slash or doubled ones: `/keys/n/` and `/keys/n//decrypt` mean the current version. */
    paths: string[];
    /** What an access policy has to grant. */
    permission?: Permission;
    /** The answer's body; undefined: 204. */
    run(call: Call): object | undefined | Promise<object | undefined>;
}

const key = "/keys/:name";
const versioned = (suffix: string) => [`${key}${suffix}`, `${key}/:version${suffix}`];
/** Anything else than an id in a version's place is read as an operation's name, by the service too. */
const keyOrVersion = [key, `${key}/:version(^${versionIdPattern}$)`];

/** https://learn.microsoft.com/rest/api/keyvault/keys/operation-groups */
export const operations: Operation[] = [
    {
        name: "create",
        method: "POST",
        paths: [`${key}/create`],
        permission: "create",
        run: async ({ vault, keys, api, name, body }) =>
            bundles.keyBundle(
                vault,
                await keys.create(name, requests.read(requests.createRequest, body ?? {})),
                api,
            ),
    },
    {
        name: "import",
        method: "PUT",
        paths: [key],
        permission: "import",
        run: async ({ vault, keys, api, name, body }) =>
            bundles.keyBundle(
                vault,
                await keys.import(name, requests.read(requests.importRequest, body)),
                api,
            ),
    },
    {
        name: "get",
        method: "GET",
        paths: keyOrVersion,
        permission: "get",
        run: ({ vault, keys, api, name, version }) =>
            bundles.keyBundle(vault, keys.get(name, version), api),
    },
    {
        name: "update",
        method: "PATCH",
        paths: keyOrVersion,
        permission: "update",
        run: async ({ vault, keys, api, name, version, body }) =>
            bundles.keyBundle(
                vault,
                await keys.update(name, version, requests.read(requests.updateRequest, body ?? {})),
                api,
            ),
    },
    {
        name: "delete",
        method: "DELETE",
        paths: [key],
        permission: "delete",
        run: async ({ vault, keys, api, name }) =>
            bundles.deletedKeyBundle(vault, await keys.delete(name), api),
    },
    {
        name: "list",
        method: "GET",
        paths: ["/keys"],
        permission: "list",
        run: (call) =>
            listing(
                call,
                "keys",
                (...where) => call.keys.list(...where),
                nameId,
                (record) =>
                    bundles.keyItem(
                        call.vault,
                        { name: record.name, version: current(record) },
                        call.api,
                        false,
                    ),
            ),
    },
    {
        name: "listVersions",
        method: "GET",
        paths: [`${key}/versions`],
        permission: "list",
        run: (call) =>
            listing(
                call,
                `keys/${call.name}/versions`,
                (...where) => call.keys.versions(call.name, ...where),
                ({ version }) => version.id,
                (named) => bundles.keyItem(call.vault, named, call.api, true),
            ),
    },
    {
        name: "listDeleted",
        method: "GET",
        paths: ["/deletedkeys"],
        permission: "list",
        run: (call) =>
            listing(
                call,
                "deletedkeys",
                (...where) => call.keys.listDeleted(...where),
                nameId,
                (record) => bundles.deletedKeyItem(call.vault, record, call.api),
            ),
    },
    {
        name: "getDeleted",
        method: "GET",
        paths: ["/deletedkeys/:name"],
        permission: "get",
        run: ({ vault, keys, api, name }) =>
            bundles.deletedKeyBundle(vault, keys.getDeleted(name), api),
    },
    {
        name: "recover",
        method: "POST",
        paths: ["/deletedkeys/:name/recover"],
        permission: "recover",
        run: async ({ vault, keys, api, name }) =>
            bundles.keyBundle(vault, await keys.recover(name), api),
    },
    {
        name: "purge",
        method: "DELETE",
        paths: ["/deletedkeys/:name"],
        permission: "purge",
        run: async ({ keys, name }) => {
            await keys.purge(name);
            return undefined;
        },
    },
    crypto("encrypt", cryptography.encrypt),
    crypto("decrypt", cryptography.decrypt),
    crypto("wrapKey", cryptography.encrypt),
    crypto("unwrapKey", cryptography.decrypt),
    crypto("sign", cryptography.sign),
    {
        name: "verify",
        method: "POST",
        paths: versioned("/verify"),
        permission: "verify",
        run: ({ keys, name, version, body }) => {
            const used = keys.use(name, version, "verify").version;
            const { alg, digest, value } = requests.read(requests.verifyRequest, body);
            return { value: cryptography.verify(used, alg, digest, value) };
        },
    },
    {
        name: "none",
        method: "POST",
        paths: [key],
        run: () => {
            throw errors.operationNotSpecified();
        },
    },
    {
        name: "backup",
        method: "POST",
        paths: [`${key}/backup`],
        permission: "backup",
        run: async ({ keys, name }) => ({
            value: (await keys.backup(name)).toString("base64url"),
        }),
    },
    {
        name: "restore",
        method: "POST",
        paths: ["/keys/restore"],
        permission: "restore",
        run: async ({ vault, keys, api, body }) => {
            const { value } = requests.read(requests.restoreRequest, body);
            return bundles.keyBundle(vault, await keys.restore(value), api);
        },
    },
    {
        name: "rotate",
        method: "POST",
        paths: [`${key}/rotate`],
        permission: "rotate",
        run: async ({ vault, keys, api, name }) =>
            bundles.keyBundle(vault, await keys.rotate(name), api),
    },
    {
        name: "getRotationPolicy",
        method: "GET",
        paths: [`${key}/rotationpolicy`],
        permission: "getrotationpolicy",
        run: ({ vault, keys, name }) => {
            const found = keys.rotationPolicy(name);
            return bundles.rotationPolicy(vault, found.name, found.policy);
        },
    },
    {
        name: "setRotationPolicy",
        method: "PUT",
        paths: [`${key}/rotationpolicy`],
        permission: "setrotationpolicy",
        run: async ({ vault, keys, name, body }) => {
            const request = requests.read(requests.rotationPolicyRequest, body);
            const set = await keys.setRotationPolicy(name, request);
            return bundles.rotationPolicy(vault, set.name, set.policy);
        },
    },
    {
        name: "release",
        method: "POST",
        paths: versioned("/release"),
        permission: "release",
        run: ({ keys, name, version }) => {
            keys.get(name, version);
            // Only exportable keys have this operation, and there are none.
            throw errors.keyOperationForbidden("release");
        },
    },
];

/** Takes `alg` and `value`, gives `kid` and `value`. */
function crypto(
    operation: KeyOperation & Permission,
    compute: (pair: cryptography.KeyPair, alg: string, value: Buffer) => Buffer,
): Operation {
    return {
        name: operation,
        method: "POST",
        paths: versioned(`/${operation.toLowerCase()}`),
        permission: operation,
        run: ({ vault, keys, name, version, body }) => {
            const used = keys.use(name, version, operation);
            const { alg, value } = requests.read(requests.cryptoRequest, body);
            return {
                kid: bundles.keyId(vault, used.name, used.version.id),
                value: compute(used.version, alg, value).toString("base64url"),
            };
        },
    };
}

/** One page of a list, with the absolute address of the next. */
function listing<T>(
    { vault, api, query }: Call,
    path: string,
    behind: (id: string, count: number) => readonly T[],
    idOf: (item: T) => string,
    represent: (item: T) => object,
): object {
    const maxResults = readMaxResults(query.maxresults);
    const { items, skipToken } = page(behind, idOf, maxResults, query.skipToken);
    return {
        value: items.map(represent),
        nextLink: skipToken
            ? `${vault.uri}${path}?api-version=${api}&$skiptoken=${skipToken}&maxresults=${maxResults}`
            : null,
    };
}
