import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { keyVaultApp, type KeyVaultOptions } from "./keyvault/app";
import { listen } from "./ports";
import { vaultUri, type DataPlanes } from "./resourceManager/resourceManager";
import { openStore, type Store } from "./store";
import type { KeyAndCertificate } from "./tls";

/** Serves each vault at a port of its own, from a store of its own, so that a purge is the removal of a folder. */
export class VaultServers implements DataPlanes {
    readonly #open = new Map<
        string,
        { name: string; port: number; app: FastifyInstance; store: Store }
    >();

    constructor(
        private readonly options: {
            folder: string;
            https: KeyAndCertificate;
            vaultOptions: (vault: { id: string; name: string }) => Omit<KeyVaultOptions, "store">;
            /** Called when a vault came or went. */
            changed: () => Promise<void>;
        },
    ) {}

    /** The vaults that are served: name -> URI. */
    uris(): Record<string, string> {
        return Object.fromEntries(
            [...this.#open.values()].map((vault) => [vault.name, vaultUri(vault)]),
        );
    }

    async open(vault: { id: string; name: string; port?: number }): Promise<number> {
        const store = await openStore(this.#folder(vault.id));
        try {
            const app = keyVaultApp(
                { ...this.options.vaultOptions(vault), store },
                this.options.https,
            );
            const port = await listen(app, `The key vault '${vault.name}'`, vault.port);
            this.#open.set(vault.id, { name: vault.name, port, app, store });
            await this.options.changed();
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
        await this.options.changed();
    }

    async erase(id: string): Promise<void> {
        await rm(this.#folder(id), { recursive: true, force: true });
    }

    async closeAll(): Promise<void> {
        for (const id of [...this.#open.keys()]) await this.close(id);
    }

    #folder(id: string): string {
        return join(this.options.folder, id);
    }
}
