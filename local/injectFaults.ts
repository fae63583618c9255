import type { OutgoingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "./clock";
import type { FaultRule, Faults, FaultStatus } from "./faults";
import type { RequestLogEntry } from "./requestLog";

declare module "fastify" {
    interface FastifyRequest {
        /** The fault that was injected into it. */
        fault?: FaultRule;
        /** That fault keeps the answer, or a part of it, from the client. */
        losesAnswer?: boolean;
    }
}

export interface FaultOptions {
    faults: Faults;
    clock: Clock;
    log: (entry: RequestLogEntry) => void;
    /** What the request is, for the rules and the log. */
    describe: (
        request: FastifyRequest,
    ) => Pick<RequestLogEntry, "plane" | "operation" | "vault" | "key">;
    /** The errors that the service answers. */
    failed: (status: FaultStatus) => Error;
    tokenExpired?: () => Error;
}

/** Lets the requests of these routes fail as the rules say, after the hooks that are there already. */
export function injectFaults(app: FastifyInstance, options: FaultOptions): void {
    const { faults, clock, log, describe, failed, tokenExpired } = options;

    // Only the TCP connection can be reset, and a request has the TLS connection above it.
    const connections = new Map<number | undefined, Socket>();
    app.server.on("connection", (socket: Socket) => {
        const { remotePort } = socket;
        connections.set(remotePort, socket);
        socket.once("close", () => connections.delete(remotePort));
    });
    const reset = ({ raw }: FastifyRequest) =>
        connections.get(raw.socket.remotePort)?.resetAndDestroy();

    const closing = new AbortController();
    app.addHook("preClose", (done) => {
        closing.abort();
        done();
    });

    /** onSend, where requests are logged, isn't called for one that isn't answered at all. */
    const logUnanswered = (request: FastifyRequest) =>
        log({
            time: new Date(clock.now()).toISOString(),
            ...describe(request),
            method: request.method,
            path: request.url.split("?", 1)[0] ?? "",
            status: 0,
            fault: request.fault?.fault,
        });

    app.addHook("onRequest", async (request, reply) => {
        const rule = faults.next(describe(request));
        if (!rule) return;
        request.fault = rule;
        request.losesAnswer = rule.fault === "resetAfter" || rule.fault === "halfAnswer";
        if (rule.fault === "status") {
            if (rule.retryAfter !== undefined) void reply.header("retry-after", rule.retryAfter);
            throw failed(rule.status);
        }
        if (rule.fault === "expiredToken" && tokenExpired) throw tokenExpired();
        if (rule.fault === "resetBefore") {
            reply.hijack();
            logUnanswered(request);
            reset(request);
        }
        if (rule.fault === "delay") {
            const { signal } = closing;
            await wait(rule.seconds * 1000, undefined, { signal }).catch(() => {
                reply.hijack();
                logUnanswered(request);
            });
        }
    });

    app.addHook("onSend", (request, reply, payload, done) => {
        if (!request.losesAnswer) return done();
        // Without done(), nothing more is sent.
        if (request.fault?.fault === "resetAfter") reset(request);
        else sendHalf(reply, payload);
    });
}

function sendHalf(reply: FastifyReply, payload: unknown): void {
    const body = Buffer.from(typeof payload === "string" ? payload : "");
    const { raw, statusCode } = reply;
    void reply.header("content-length", body.length);
    raw.writeHead(statusCode, reply.getHeaders() as OutgoingHttpHeaders);
    // An answer without a body has no half: the connection ends before it.
    if (body.length === 0) raw.destroy();
    else raw.write(body.subarray(0, body.length / 2), () => raw.destroy());
}
