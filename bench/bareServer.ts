import { createPrivateKey, type JsonWebKey } from "node:crypto";
import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { bareCryptography } from "./keyMaterial";

export interface BareServerOptions {
    https: { key: string; cert: string };
    /** PEM. */
    decryptionKey: string;
    kek: string;
    /** Answers of the local Azure. */
    answers: Record<"get" | "list" | "decrypt" | "import" | "byok", object>;
}

/** The framework with the same answers, and the bare cryptography: what the local Azure is compared with. */
async function serve({ https, decryptionKey, kek, answers }: BareServerOptions): Promise<number> {
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
    app.put<{ Body: { key: JsonWebKey } }>("/import", ({ body }) => {
        bareCryptography.import(body.key);
        return answers.import;
    });
    app.put<{ Body: { key: { key_hsm: string } } }>("/byok", ({ body }) => {
        bareCryptography.byok(keys.kek, body.key.key_hsm);
        return answers.byok;
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return (app.server.address() as AddressInfo).port;
}

process.once("message", (options: BareServerOptions) => {
    void serve(options).then((port) => process.send?.(port));
});
