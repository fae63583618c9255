import { readFile } from "node:fs/promises";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { createServer, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { serverCertificate } from "../../local/tls";
import type { TestAzure } from "./azure";

export interface Answer {
    status: number;
    headers: IncomingHttpHeaders;
    body: string;
}

/** What comes of the vault's answer: another one, or none, as when a connection breaks. */
export type Meddle = (
    request: { method: string; path: string; body: string },
    answer: Answer,
) => Answer | "lost";

/** Stands between a client and a vault over HTTPS, with a certificate that the client trusts. */
export async function startProxy(azure: TestAzure, vaultUri: string) {
    const files = {
        key: join(azure.folder, "azure", "ca.key"),
        cert: join(azure.folder, "ca.pem"),
    };
    const authority = {
        key: await readFile(files.key, "utf8"),
        cert: await readFile(files.cert, "utf8"),
    };
    let meddle: Meddle = (_request, answer) => answer;
    const server = createServer(await serverCertificate(authority), (request, response) => {
        void (async () => {
            const body = await textOf(request);
            const answer = await forward(new URL(request.url!, vaultUri), request, body);
            const asked = { method: request.method!, path: request.url!, body };
            const result = meddle(asked, answer);
            if (result === "lost") {
                request.socket.destroy();
                return;
            }
            const { "transfer-encoding": _encoding, ...headers } = result.headers;
            headers["content-length"] = String(Buffer.byteLength(result.body));
            response.writeHead(result.status, headers).end(result.body);
        })();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
        uri: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
        /** From now on. */
        meddle: (how: Meddle) => {
            meddle = how;
        },
        close: () =>
            new Promise<void>((resolve) => {
                server.close(() => resolve());
                server.closeAllConnections();
            }),
    };
}

function forward(url: URL, { method, headers }: IncomingMessage, body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
        const { host: _host, ...others } = headers;
        const outgoing = httpsRequest(
            url,
            { method, headers: others, agent: false },
            (incoming) => {
                textOf(incoming).then(
                    (text) =>
                        resolve({
                            status: incoming.statusCode!,
                            headers: incoming.headers,
                            body: text,
                        }),
                    reject,
                );
            },
        );
        outgoing.on("error", reject);
        outgoing.end(body);
    });
}

async function textOf(message: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) {
        chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks).toString();
}
