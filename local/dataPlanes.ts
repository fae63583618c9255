import { rm } from "node:fs/promises";
import { STATUS_CODES } from "node:http";
import { join } from "node:path";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Faults, FaultStatus } from "./faults";
import { injectFaults } from "./injectFaults";
import { keyVaultApp, type KeyVaultOptions } from "./keyvault/app";
import { errors, KeyVaultError } from "./keyvault/errors";
import { rsaBits } from "./keyvault/keyMaterial";
import { Keys } from "./keyvault/keys";
import type { Operation } from "./keyvault/operations";
import { KeyRecords } from "./keyvault/records";
import { limitRequests } from "./limitRequests";
import type { KeySize } from "./limits";
import { listen } from "./ports";
import { vaultUri, type DataPlanes } from "./resourceManager/resourceManager";
import { openStore, type Store } from "./store";
import type { KeyAndCertificate } from "./tls";

/** Serves each vault at a port of its own, from a store of its own, so that a purge is the removal of a folder. */
export class VaultServers implements DataPlanes {
    readonly #open = new Map<
        string,
        { name: string; port: number; app: FastifyInstance; store: Store; records: KeyRecords }
    >();

    constructor(
        private readonly options: {
            folder: string;
            https: KeyAndCertificate;
            vaultOptions: (vault: { id: string; name: string }) => Omit<KeyVaultOptions, "records">;
            faults: Faults;
            /** Called when a vault came or went. */
            changed: () => void;
        },
    ) {}

    /** The vaults that are served: name -> URI. */
    uris(): Record<string, string> {
        return Object.fromEntries(
            [...this.#open.values()].map((vault) => [vault.name, vaultUri(vault)]),
        );
    }

    /** The keys of a vault that is served. */
    keys(id: string): Keys | undefined {
        const served = this.#open.get(id);
        if (!served) return undefined;
        const { name, records } = served;
        const options = { ...this.options.vaultOptions({ id, name }), records };
        const vault = options.vault();
        return vault && new Keys(vault, options);
    }

    async open(vault: { id: string; name: string; port?: number }): Promise<number> {
        const store = await openStore(this.#folder(vault.id));
        try {
            const records = new KeyRecords(store, vault.name);
            const app = this.#app(vault, records);
            const port = await listen(app, `The key vault '${vault.name}'`, vault.port);
            this.#open.set(vault.id, { name: vault.name, port, app, store, records });
            this.options.changed();
            return port;
        } catch (error) {
            await store.close();
            throw error;
        }
    }

    async close(id: string): Promise<void> {
        const vault = this.#open.get(id);
        if (!vault) return;
        this.#open.delete(id);
        await vault.app.close();
        await vault.store.close();
        this.options.changed();
    }

    async erase(id: string): Promise<void> {
        await rm(this.#folder(id), { recursive: true, force: true });
    }

    async closeAll(): Promise<void> {
        for (const id of [...this.#open.keys()]) await this.close(id);
    }

    #app(vault: { id: string; name: string }, records: KeyRecords): FastifyInstance {
        const { https, faults } = this.options;
        const options: KeyVaultOptions = { ...this.options.vaultOptions(vault), records };
        const { clock, log, settings } = options;
        const app = keyVaultApp(options, https);
        injectFaults(app, {
            faults,
            clock,
            log,
            describe: (request) => ({
                plane: "keyvault",
                vault: vault.name,
                operation: operationOf(request),
                key: paramsOf(request).name,
            }),
            failed,
            tokenExpired: errors.tokenExpired,
        });
        limitRequests(app, {
            enabled: () => settings().limits,
            clock,
            operationOf,
            keyOf: (request) => keySize(request, options),
            throttled: errors.throttled,
        });
        return app;
    }

    #folder(id: string): string {
        return join(this.options.folder, id);
    }
}

/** Codes and texts of 5xx are assumed: nobody has published them. */
function failed(status: FaultStatus): Error {
    if (status === 429) return errors.throttled();
    const reason = STATUS_CODES[status] ?? "";
    return new KeyVaultError(status, reason.replaceAll(" ", ""), `${reason} (an injected fault).`);
}

/** As in the request log. */
const operationOf = (request: FastifyRequest) =>
    (request.routeOptions.config as { operation?: Operation }).operation?.name;

const paramsOf = (request: FastifyRequest) =>
    (request.params ?? {}) as { name?: string; version?: string };

/** Of the key that the request is to make or to use. */
function keySize(request: FastifyRequest, options: KeyVaultOptions): KeySize | undefined {
    if (operationOf(request) === "create") {
        const { kty } = (request.body ?? {}) as { kty?: unknown };
        return { kty: String(kty) };
    }
    const vault = options.vault();
    const { name, version: id } = paramsOf(request);
    if (!vault || !name) return undefined;
    try {
        const { version } = new Keys(vault, options).get(name, id);
        const bits = "n" in version.public ? rsaBits(version.public.n) : undefined;
        return { kty: version.kty, bits };
    } catch {
        return undefined; // The operation says why there is no such key.
    }
}
