import type { FastifyInstance } from "fastify";
import type { Clock } from "./clock";
import type { RequestLogEntry } from "./requestLog";

declare module "fastify" {
    interface FastifyRequest {
        /** The application that asks. */
        clientId?: string;
        /** The code of the error that is answered. */
        errorCode?: string;
    }
}

/**
 * Logs each answered request of these routes, without its query: it may hold a token. Before the answer leaves, so that
 * whoever has it finds its entry; onResponse comes when the client may have read on already.
 */
export function logRequests(
    app: FastifyInstance,
    plane: RequestLogEntry["plane"],
    clock: Clock,
    log: (entry: RequestLogEntry) => void,
): void {
    app.addHook("onSend", (request, reply, _payload, done) => {
        log({
            time: new Date(clock.now()).toISOString(),
            plane,
            method: request.method,
            path: request.url.split("?")[0] ?? "",
            status: request.losesAnswer ? 0 : reply.statusCode,
            code: request.errorCode,
            fault: request.fault?.fault,
            clientId: request.clientId,
        });
        done();
    });
}
