import { createPrivateKey, randomUUID, type JsonWebKey } from "node:crypto";
import type { AddressInfo } from "node:net";
import { ClassicLevel } from "classic-level";
import { fastify } from "fastify";
import { bareCryptography } from "./keyMaterial";

export interface BareServerOptions {
    https: { key: string; cert: string };
    /** Where it keeps imported keys. */
    folder: string;
    /** PEM. */
    decryptionKey: string;
    kek: string;
    /** Answers of the local Azure. */
    answers: Record<"get" | "list" | "decrypt" | "import" | "byok", object>;
}

/**
 * The framework with the same answers, and what no vault can do without: the cryptography, and that an imported key is on
 * disk before it is answered, by the same library. What the local Azure is compared with.
 */
async function serve(options: BareServerOptions): Promise<number> {
    const { https, folder, decryptionKey, kek, answers } = options;
    const keep = await openDisk(folder);
    const app = fastify({ https });
    const keys = {
        decrypt: createPrivateKey(decryptionKey),
        kek: createPrivateKey(kek),
    };
    app.get("/get", () => answers.get);
    app.get("/list", () => answers.list);
    app.post<{ Body: { value: string } }>("/decrypt", ({ body }) => ({
        ...answers.decrypt,
        value: bareCryptography.decrypt(keys.decrypt, body.value).toString("base64url"),
    }));
    app.put<{ Body: { key: JsonWebKey } }>("/import", async ({ body }) => {
        await keep({ ...answers.import, ...bareCryptography.import(body.key) });
        return answers.import;
    });
    app.put<{ Body: { key: { key_hsm: string } } }>("/byok", async ({ body }) => {
        await keep({ ...answers.byok, ...bareCryptography.byok(keys.kek, body.key.key_hsm) });
        return answers.byok;
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return (app.server.address() as AddressInfo).port;
}

/** Everything that arrives while a batch is on its way to disk goes with the next one: the fastest way to write much. */
async function openDisk(folder: string): Promise<(record: object) => Promise<void>> {
    const disk = new ClassicLevel<string, object>(folder, { valueEncoding: "json" });
    await disk.open();
    const waiting: { type: "put"; key: string; value: object }[] = [];
    let last = Promise.resolve();
    return (value) => {
        waiting.push({ type: "put", key: randomUUID(), value });
        last = last.then(() => disk.batch(waiting.splice(0)));
        return last;
    };
}

process.once("message", (options: BareServerOptions) => {
    void serve(options).then((port) => process.send?.(port));
});
