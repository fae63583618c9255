import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "./clock";
import { costOf, spend, type KeySize, type Usage } from "./limits";

export interface LimitOptions {
    /** Whether limits are kept now. */
    enabled: () => boolean;
    clock: Clock;
    operationOf: (request: FastifyRequest) => string | undefined;
    keyOf: (request: FastifyRequest) => KeySize | undefined;
    throttled: () => Error;
}

/** Refuses requests to a vault that are over its limits. Refused requests don't count (the documentation says both). */
export function limitRequests(app: FastifyInstance, options: LimitOptions): void {
    const { enabled, clock, operationOf, keyOf, throttled } = options;
    let usage: Usage | undefined;
    // A creation's key type is in its body, so this comes after the body is parsed.
    app.addHook("preHandler", (request, _reply, done) => {
        if (!enabled()) return done();
        const next = spend(usage, costOf(operationOf(request), keyOf(request)), clock.now());
        if (!next) return done(throttled());
        usage = next;
        done();
    });
}
