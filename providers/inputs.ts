import * as pulumi from "@pulumi/pulumi";
import * as z from "zod";
import { deletions } from "../keys/deletion";
import { durationProblem, momentProblem } from "../keys/duration";
import { isSealedToken, keySourceProblem, type KeySource } from "../keys/keySource";
import { keyTypes, protections, purposes } from "../keys/keyType";
import { retirements } from "../keys/lifecycle";
import { isSecretLocation, type SecretLocation } from "../keys/secretLocation";
import { environments } from "../kms/azureKeyVault/environment";
import { skus } from "../kms/azureKeyVault/sku";

/** Pulumi calls `check` and `diff` with this in place of each value that a preview can't know. */
export function isUnknown(value: unknown): boolean {
    return value === pulumi.runtime.unknownValue;
}

function known<T extends z.ZodType>(schema: T) {
    // In a preview any value may be unknown; what it's checked for then is checked again when it's known.
    return z.union([z.literal(pulumi.runtime.unknownValue), schema]) as unknown as T;
}

const text = known(z.string().min(1));
const location = z.custom<SecretLocation>(isSecretLocation, "allowed: env:NAME or file:PATH");

/** The seal key: where it is, and which one it is. */
const seal = z.object({ location, id: z.string() });

const duration = known(
    z.string().superRefine((value, context) => {
        const problem = durationProblem(value);
        if (problem) {
            context.addIssue(`${JSON.stringify(value)} ${problem}`);
        }
    }),
);
const moment = z.string().superRefine((value, context) => {
    const problem = momentProblem(value);
    if (problem) {
        context.addIssue(`${JSON.stringify(value)} ${problem}`);
    }
});
const count = z.number().int().nonnegative();

const version = z.number().int().positive();
const rotation = z.object({
    trigger: known(z.string()).optional(),
    interval: duration.optional(),
    retire: known(z.object({ after: duration, action: known(z.enum(retirements)) })).optional(),
    keepEnabled: known(z.number().int().positive()).optional(),
    notifyBefore: duration.optional(),
});

const keyVersion = z.object({
    version: z.number(),
    createdAt: z.string(),
    publicKey: z.string(),
    thumbprint: z.string(),
    sealed: z.string(),
    origin: z.enum(["imported", "external"]).optional(),
    byok: z.string().optional(),
});

const lifecycleVersion = z.object({
    version: z.number(),
    createdAt: z.string(),
    reason: z.string(),
    origin: z.enum(["imported", "external"]).optional(),
    thumbprint: z.string().optional(),
    vaultHost: z.string().optional(),
    enabled: z.boolean(),
    disabledBy: z.string().optional(),
    expiresAt: z.string().optional(),
    disabledFrom: z.string().optional(),
});

const keySource = z
    .strictObject({
        version,
        from: location.optional(),
        passphraseFrom: location.optional(),
        sealed: z.custom<string>(isSealedToken, "allowed: what keymgmt seal prints").optional(),
        byok: location.optional(),
        publicKey: location.optional(),
    })
    .superRefine((parts, context) => {
        const problem = keySourceProblem(parts);
        if (problem) {
            context.addIssue(problem);
        }
    })
    .transform((source) => source as KeySource);

export const managedKeyInputs = z.object({
    name: text,
    type: known(z.enum(keyTypes)),
    rotation: known(rotation),
    minEnabledVersion: known(count),
    disabledVersions: known(z.array(known(count))),
    import: z.array(keySource).optional(),
    deletionAllowed: known(z.boolean()),
    seal,
    /** The moment at which rules are looked at: the same for all resources of a run. */
    asOf: moment,
});

export const distributedKeyInputs = z.object({
    /** Our key. */
    key: text,
    type: known(z.enum(keyTypes)),
    version: known(z.number().int().positive()),
    versions: known(z.array(known(keyVersion)).min(1)),
    /** The key's name in the vault. */
    name: text,
    vault: known(
        z.object({
            name: text,
            uri: known(
                z.url({
                    error: "isn't there: the vault couldn't be made, and its own error says why",
                }),
            ),
            sku: known(z.enum(skus)),
            environment: known(z.enum(environments)),
            location: known(z.string()).optional(),
            /** Another date, another vault. */
            createdAt: known(z.string()).optional(),
            purgeProtection: known(z.boolean()).optional(),
        }),
    ),
    identity: known(
        z.object({
            tenantId: text,
            clientId: text,
            /** Sealed. */
            clientSecret: text.optional(),
            clientSecretFrom: location.optional(),
        }),
    ),
    lifecycle: known(z.array(known(lifecycleVersion)).min(1)),
    notifyBefore: duration.optional(),
    purposes: known(z.array(known(z.enum(purposes))).min(1)),
    protection: known(z.enum(protections)),
    tags: known(z.record(z.string(), known(z.string()))),
    notBefore: known(moment).optional(),
    expiresAfter: duration.optional(),
    onDelete: known(z.enum(deletions)),
    verify: z.enum(["deep"]).optional(),
    /** As in project/stack. */
    stack: z.string(),
    deletionAllowed: known(z.boolean()),
    seal,
});

/** The problems that a schema has with inputs, as Pulumi prints them: each with its path. */
export function failuresOf(error: z.ZodError): pulumi.dynamic.CheckFailure[] {
    return problemsOf(error.issues, []);
}

function problemsOf(
    issues: readonly z.core.$ZodIssue[],
    parents: readonly PropertyKey[],
): pulumi.dynamic.CheckFailure[] {
    return issues.flatMap((issue) => {
        const path = [...parents, ...issue.path];
        // Of a value that may be unknown: what the schema for known ones says of it.
        return issue.code === "invalid_union"
            ? problemsOf(issue.errors.at(-1)!, path)
            : [{ property: propertyOf(path), reason: issue.message }];
    });
}

/** A path as Pulumi prints it. */
export function propertyOf(path: readonly PropertyKey[]): string {
    return path
        .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
        .join("")
        .slice(1);
}
