import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyError, FastifyInstance } from "fastify";
import { z } from "zod";
import type { MovableClock } from "./clock";
import { newClient, type Operator, type Tenant, type Tenants } from "./entra/tenants";
import { faultRule, type Faults } from "./faults";
import type { Subscriptions } from "./resourceManager/subscriptions";
import { readSettings, type CurrentSettings } from "./settings";

export interface ControlOptions {
    /** Whoever knows these may control the cloud. */
    operator: Operator;
    settings: CurrentSettings;
    clock: MovableClock;
    faults: Faults;
    tenants: Tenants;
    subscriptions: Subscriptions;
}

const clockRequest = z.union(
    [
        z.strictObject({ advance: z.number().min(0) }),
        z.strictObject({ set: z.iso.datetime({ offset: true }) }),
    ],
    { error: 'it has to be {"advance": <seconds>} or {"set": "<ISO 8601 with Z or offset>"}' },
);
const ofTenant = { tenantId: z.string().optional() };
const subscriptionRequest = z.strictObject(ofTenant).default({});
const applicationRequest = z
    .strictObject({ ...ofTenant, displayName: z.string().default("Application") })
    .prefault({});
/** The last moment that four digits of a year can tell. */
const lastTime = Date.parse("9999-12-31T23:59:59Z");

class ControlError extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
    ) {
        super(message);
    }
}

/**
 * How a test or a developer controls the local Azure while it runs; Azure has nothing like it. HTTP basic
 * authentication (RFC 7617) and no token: it has to work while tokens fail, or have expired with a moved clock.
 */
export function controlRoutes(options: ControlOptions) {
    const { operator, settings, clock, faults, tenants, subscriptions } = options;
    const secret = Buffer.from(`${operator.clientId}:${operator.clientSecret}`).toString("base64");
    const tenantOf = ({ tenantId }: { tenantId?: string }): Tenant => {
        const tenant = tenantId === undefined ? tenants.home : tenants.find(tenantId);
        if (!tenant) throw new ControlError(404, "NotFound", `There is no tenant '${tenantId}'.`);
        return tenant;
    };
    const time = () => ({ now: new Date(clock.now()).toISOString() });

    return (app: FastifyInstance, _options: object, done: () => void): void => {
        app.addHook("onRequest", (request, reply, next) => {
            const { authorization = "" } = request.headers;
            const [, sent = ""] = /^Basic +(\S+)$/i.exec(authorization) ?? [];
            if (!sameText(sent, secret)) {
                void reply.header("www-authenticate", 'Basic realm="local Azure"');
                const message =
                    "The operator's client id and secret are needed, as user name and password.";
                return next(new ControlError(401, "Unauthorized", message));
            }
            request.clientId = operator.clientId;
            next();
        });

        app.get("/local/settings", () => settings());
        app.put("/local/settings", ({ body }) => {
            settings.replace(readSettings(body));
            return settings();
        });

        app.get("/local/clock", time);
        app.post("/local/clock", async ({ body }) => {
            const wanted = clockRequest.parse(body);
            const next =
                "set" in wanted ? Date.parse(wanted.set) : clock.now() + wanted.advance * 1000;
            if (next > lastTime)
                throw new ControlError(400, "BadRequest", "The year can't be after 9999.");
            await clock.set(next);
            return time();
        });

        app.get("/local/faults", () => faults.list());
        app.post("/local/faults", ({ body }, reply) => {
            void reply.code(201);
            return faults.add(faultRule.parse(body));
        });
        app.delete("/local/faults", (_request, reply) => {
            faults.clear();
            return reply.code(204).send();
        });

        app.get("/local/tenants", () => tenants.all().map(tenantView));
        app.post("/local/tenants", async (_request, reply) => {
            const tenant = await subscriptions.addTenant();
            return reply.code(201).send(tenantView(tenant));
        });
        app.post("/local/subscriptions", async ({ body }, reply) => {
            const tenant = tenantOf(subscriptionRequest.parse(body ?? undefined));
            const subscriptionId = await subscriptions.add(tenant);
            return reply.code(201).send({ tenantId: tenant.tenantId, subscriptionId });
        });
        app.post("/local/applications", async ({ body }, reply) => {
            const wanted = applicationRequest.parse(body ?? undefined);
            const { tenantId, directory } = tenantOf(wanted);
            const client = await newClient(directory, wanted.displayName);
            return reply.code(201).send({ tenantId, ...client });
        });

        app.setErrorHandler((thrown, request, reply) => {
            const error = asControlError(thrown);
            request.errorCode = error.code;
            return reply
                .code(error.status)
                .send({ error: { code: error.code, message: error.message } });
        });
        done();
    };
}

const tenantView = ({ tenantId, subscriptionIds, operator }: Tenant) => ({
    tenantId,
    subscriptionIds,
    operator,
});

/** In a time that doesn't depend on where they differ. */
function sameText(one: string, other: string): boolean {
    const digest = (text: string) => createHash("sha256").update(text).digest();
    return timingSafeEqual(digest(one), digest(other));
}

function asControlError(thrown: unknown): ControlError {
    if (thrown instanceof ControlError) return thrown;
    if (thrown instanceof z.ZodError)
        return new ControlError(400, "BadRequest", z.prettifyError(thrown));
    const { message, statusCode = 500 } = thrown as FastifyError;
    return statusCode < 500
        ? new ControlError(statusCode, "BadRequest", message)
        : new ControlError(500, "InternalServerError", `The local Azure failed: ${message}`);
}
