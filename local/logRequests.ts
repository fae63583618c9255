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

/** Logs each answered request of these routes, without its query: it may hold a token. */
export function logRequests(
    app: FastifyInstance,
    plane: RequestLogEntry["plane"],
    clock: Clock,
    log: (entry: RequestLogEntry) => void,
): void {
    app.addHook("onResponse", (request, reply, done) => {
        log({
            time: new Date(clock.now()).toISOString(),
            plane,
            method: request.method,
            path: request.url.split("?")[0] ?? "",
            status: reply.statusCode,
            code: request.errorCode,
            fault: request.fault?.fault,
            clientId: request.clientId,
        });
        done();
    });
}
