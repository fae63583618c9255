import { z } from "zod";
import { errors } from "./errors";
import { curves, type ImportedJwk } from "./keyMaterial";
import { keyTypes } from "./rules";

/** Unix seconds: 64 bits, past and negative ones are taken too (seen in a recorded session). */
const attributes = z
    .object({
        enabled: z.boolean().nullish(),
        nbf: z.int().nullish(),
        exp: z.int().nullish(),
        exportable: z.boolean().nullish(),
    })
    .nullish();
const tags = z.record(z.string(), z.string()).nullish();
const keyOps = z.array(z.string()).nullish();
const common = { attributes, tags, release_policy: z.unknown().optional() };

export type Attributes = z.infer<typeof attributes>;

export const createRequest = z.object({
    ...common,
    kty: z.enum(keyTypes),
    key_size: z.int().nullish(),
    public_exponent: z
        .int()
        .min(3)
        .max(0xffffffff)
        .refine((exponent) => exponent % 2 === 1)
        // Azure's SDK for Java sends 0 where none was asked for.
        .or(z.literal(0).transform(() => undefined))
        .nullish(),
    crv: z.enum(curves).nullish(),
    key_ops: keyOps,
});
export type CreateRequest = z.infer<typeof createRequest>;

const member = z.string().optional();
export const importRequest = z.object({
    ...common,
    Hsm: z.boolean().nullish(),
    key: z.object({
        kty: z.enum(keyTypes),
        key_ops: keyOps,
        /** A key transfer blob, instead of the members. */
        key_hsm: z.string().nullish(),
        crv: member,
        n: member,
        e: member,
        d: member,
        p: member,
        q: member,
        dp: member,
        dq: member,
        qi: member,
        x: member,
        y: member,
    } satisfies Record<keyof ImportedJwk, unknown> & Record<string, unknown>),
});
export type ImportRequest = z.infer<typeof importRequest>;

export const updateRequest = z.object({ ...common, key_ops: keyOps });
export type UpdateRequest = z.infer<typeof updateRequest>;

/** Bytes on the wire: base64url without padding. */
const bytes = z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/)
    .transform((text) => Buffer.from(text, "base64url"));

export const cryptoRequest = z.object({ alg: z.string(), value: bytes });
export const verifyRequest = z.object({ alg: z.string(), value: bytes, digest: bytes });

export const restoreRequest = z.object({ value: bytes });

/** Zod's own format of ISO 8601 durations, without signs and with whole parts but for seconds. */
const duration = z.iso.duration().nullish();
/** The service takes any case and answers with this one. */
const actionType = z
    .string()
    .toLowerCase()
    .pipe(z.enum(["rotate", "notify"]))
    .transform((type) => (type === "rotate" ? "Rotate" : "Notify"));
export const rotationPolicyRequest = z.object({
    lifetimeActions: z
        .array(
            z.object({
                trigger: z.object({ timeAfterCreate: duration, timeBeforeExpiry: duration }),
                action: z.object({ type: actionType }),
            }),
        )
        .nullish(),
    attributes: z.object({ expiryTime: duration }).nullish(),
});
export type RotationPolicyRequest = z.infer<typeof rotationPolicyRequest>;

/** The body, or the service's error for the first thing that is wrong with it. */
export function read<T>(schema: z.ZodType<T>, body: unknown): T {
    const result = schema.safeParse(body);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    const path = issue?.path.join(".") ?? "";
    if (path === "") throw errors.malformedRequest("its body has to be a JSON object");
    if (path === "kty" || path === "key.kty") throw invalidKty(body);
    if (issue?.code === "invalid_format" && issue.format === "regex")
        throw errors.notBase64Url(path);
    throw valueAt(body, issue?.path ?? []) === undefined
        ? errors.propertyRequired(path)
        : errors.invalidProperty(path);
}

function invalidKty(body: unknown) {
    const kty = valueAt(body, ["kty"]) ?? valueAt(body, ["key", "kty"]);
    return kty === undefined || kty === null ? errors.missingKty() : errors.invalidProperty("kty");
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
    return path.reduce<unknown>(
        (value, name) =>
            typeof value === "object" && value !== null
                ? (value as Record<PropertyKey, unknown>)[name]
                : undefined,
        body,
    );
}
