import * as z from "zod";
import { tagsProblem } from "../keys/copy";
import { deletions, type Deletion } from "../keys/deletion";
import { durationProblem, moment, momentProblem } from "../keys/duration";
import { isSealedToken, keySourceProblem, type KeySource } from "../keys/keySource";
import {
    keyTypes,
    protections,
    purposes,
    purposeProblem,
    type KeyType,
    type Protection,
    type Purpose,
} from "../keys/keyType";
import { retirements, rotationProblems, type Rotation } from "../keys/lifecycle";
import { isSecretLocation, type SecretLocation } from "../keys/secretLocation";
import { environments, type Environment } from "../kms/azureKeyVault/environment";
import { foldName, keyNameProblem, vaultNameProblem } from "../kms/azureKeyVault/names";
import { allKeyPermissions, type KeyPermission } from "../kms/azureKeyVault/permissions";
import { protectionProblem, skus, type Sku } from "../kms/azureKeyVault/sku";

/** What a stack's config says, with all defaults that don't depend on anything else. */
export interface StackConfig {
    environment: Environment;
    location: string;
    seal?: SecretLocation;
    /** ISO 8601, UTC. */
    asOf?: string;
    verify?: "deep";
    vaults: Record<string, VaultConfig>;
    keys: Record<string, KeyConfig>;
}

export interface VaultConfig {
    sku: Sku;
    location?: string;
    purgeProtection?: boolean;
    allowPurge?: boolean;
    retentionDays?: number;
    subscriptionId?: string;
    tenantId?: string;
    environment?: Environment;
    identity?: {
        tenantId: string;
        clientId: string;
        objectId?: string;
        clientSecretFrom: SecretLocation;
    };
    access?: { objectId: string; keyPermissions: KeyPermission[] }[];
}

export interface KeyConfig {
    type: KeyType;
    rotation?: Rotation;
    minEnabledVersion?: number;
    disabledVersions?: number[];
    import?: KeySource[];
    deletionAllowed?: boolean;
    distribute: DistributionConfig[];
}

export interface DistributionConfig {
    vault: string;
    name?: string;
    purpose: Purpose[];
    protection: Protection;
    tags?: Record<string, string>;
    /** ISO 8601, UTC. */
    notBefore?: string;
    /** ISO 8601 duration. */
    expiresAfter?: string;
    onDelete?: Deletion;
}

/** One thing that is wrong with the config. */
export interface Problem {
    /** As in `keys.rsa-1.distribute[0].purpose[1]`. */
    path: string;
    /** What stands there; undefined where something is missing. */
    value: unknown;
    /** Why it's refused, and what is allowed. */
    reason: string;
}

type Path = readonly (string | number)[];

const oneOf = (values: readonly string[]) => ({ error: `allowed: ${values.join(", ")}` });
const location = z.custom<SecretLocation>(isSecretLocation, {
    error: "allowed: env:NAME or file:PATH, which say where it is; the secret itself never stands in the config",
    params: { secret: true },
});
const required = { error: "allowed: a text that isn't empty" };
const text = z.string(required).min(1, required);
const flag = z.boolean({ error: "allowed: true, false" });
function wholeNumber(least: number, most?: number) {
    const range = most === undefined ? `${least} or more` : `from ${least} to ${most}`;
    const error = `allowed: a whole number, ${range}`;
    return z
        .number({ error })
        .refine(
            (value) => Number.isSafeInteger(value) && value >= least && value <= (most ?? Infinity),
            { error },
        );
}
/** What also has to pass a rule of `keys/`, which says what is wrong. */
function checked<T extends z.ZodType>(
    schema: T,
    problemOf: (value: z.output<T>) => string | undefined,
) {
    return schema.superRefine((value, context) => {
        const problem = problemOf(value);
        if (problem) {
            context.addIssue(problem);
        }
    });
}
const duration = checked(
    z.string({ error: "allowed: an ISO 8601 duration, such as P90D" }),
    durationProblem,
);
const date = checked(
    z
        .string({ error: "allowed: an ISO 8601 date, such as 2027-01-31" })
        // A date without quotes is a timestamp in YAML, which Pulumi hands on as Go prints one.
        .transform((value) => value.replace(/^(\S+) (\S+) ([+-]\d{4}) \S+$/, "$1T$2$3")),
    momentProblem,
).transform(moment);
const tags = z
    .unknown()
    .superRefine((value, context) => {
        // zod's records leave it out without a word.
        if (Object.keys(value ?? {}).includes("__proto__")) {
            context.addIssue({
                code: "custom",
                path: ["__proto__"],
                message: "can't be a tag; allowed: any other name",
            });
        }
    })
    .pipe(
        checked(
            z.record(z.string(), z.string({ error: "allowed: a text" }), {
                error: "allowed: an object of texts",
            }),
            tagsProblem,
        ),
    );
function object<Shape extends z.ZodRawShape>(shape: Shape) {
    return z.strictObject(shape, {
        error: `allowed: an object with ${Object.keys(shape).join(", ")}`,
    });
}

const region = z
    .string({ error: "allowed: the name of an Azure region, such as westeurope" })
    .regex(/^[A-Za-z0-9 ]+$/, "allowed: the name of an Azure region, such as westeurope");
const keySource = checked(
    object({
        version: wholeNumber(1),
        from: location.optional(),
        passphraseFrom: location.optional(),
        sealed: z
            .custom<string>(isSealedToken, {
                error: "allowed: what keymgmt seal prints, a sealed token; never a private key itself",
                params: { secret: true },
            })
            .optional(),
        byok: location.optional(),
        publicKey: location.optional(),
    }),
    keySourceProblem,
).transform((source) => source as KeySource);

const retire = object({ after: duration, action: z.enum(retirements, oneOf(retirements)) });
const rotation = object({
    // `pulumi config set` writes 2 and true as a number and a boolean.
    trigger: z
        .union([z.string(), z.number(), z.boolean()], {
            error: "allowed: a text, a number, true or false",
        })
        .transform(String)
        .optional(),
    interval: duration.optional(),
    retire: retire.optional(),
    keepEnabled: wholeNumber(1).optional(),
    notifyBefore: duration.optional(),
});

const environment = z.enum(environments, oneOf(environments));
const guid = z
    .guid({ error: "allowed: a GUID, such as 00000000-0000-0000-0000-000000000000" })
    .transform((id) => id.toLowerCase());

const schemas = {
    environment,
    location: region,
    seal: location.optional(),
    asOf: date.optional(),
    verify: z.enum(["deep"], oneOf(["deep"])).optional(),
    vault: object({
        sku: z.enum(skus, oneOf(skus)),
        location: region.optional(),
        purgeProtection: flag.optional(),
        allowPurge: flag.optional(),
        // https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
        retentionDays: wholeNumber(7, 90).optional(),
        subscriptionId: guid.optional(),
        tenantId: guid.optional(),
        environment: environment.optional(),
        identity: object({
            tenantId: text,
            clientId: text,
            objectId: text.optional(),
            clientSecretFrom: location,
        }).optional(),
        access: z
            .array(
                object({
                    objectId: text,
                    keyPermissions: z
                        .array(z.enum(allKeyPermissions, oneOf(allKeyPermissions)), {
                            error: `allowed: a list of ${allKeyPermissions.join(", ")}`,
                        })
                        .min(1, {
                            error: `empty; allowed: at least one of ${allKeyPermissions.join(", ")}`,
                        }),
                }),
                { error: "allowed: a list of objects with objectId, keyPermissions" },
            )
            .optional(),
    }),
    key: object({
        type: z.enum(keyTypes, oneOf(keyTypes)),
        rotation: rotation.optional(),
        minEnabledVersion: wholeNumber(0).optional(),
        disabledVersions: z
            .array(wholeNumber(1), { error: "allowed: a list of version numbers" })
            .optional(),
        import: z
            .array(keySource, { error: "allowed: a list of versions that come from outside" })
            .optional(),
        deletionAllowed: flag.optional(),
        distribute: z.array(z.unknown(), { error: "allowed: a list of distributions" }).default([]),
    }),
    distribution: object({
        vault: text,
        name: z.string({ error: "allowed: a text" }).optional(),
        purpose: z
            .array(z.enum(purposes, oneOf(purposes)), {
                error: `allowed: a list of ${purposes.join(", ")}`,
            })
            .min(1, { error: `empty; allowed: at least one of ${purposes.join(", ")}` }),
        protection: z.enum(protections, oneOf(protections)),
        tags: tags.optional(),
        notBefore: date.optional(),
        expiresAfter: duration.optional(),
        onDelete: z.enum(deletions, oneOf(deletions)).optional(),
    }),
};

const sections = ["environment", "location", "seal", "asOf", "verify", "vaults", "keys"];

/**
 * Reads a stack's config as a whole.
 * @param texts the config values of the project, by name without namespace: texts, of which `vaults` and `keys` are JSON
 * @returns the config, or all that is wrong with it
 */
export function parseStackConfig(
    texts: Readonly<Record<string, string>>,
): { config: StackConfig } | { problems: Problem[] } {
    const reader = new Reader();
    for (const name of Object.keys(texts)) {
        if (!sections.includes(name)) {
            reader.problem([name], undefined, unknownProperty(sections));
        }
    }
    const environment = reader.read(schemas.environment, texts.environment, ["environment"]);
    const place = reader.read(schemas.location, texts.location, ["location"]);
    const seal = reader.read(schemas.seal, texts.seal, ["seal"]);
    const asOf = reader.read(schemas.asOf, texts.asOf, ["asOf"]);
    const verify = reader.read(schemas.verify, texts.verify, ["verify"]);
    const vaults = reader.readVaults(texts.vaults, environment);
    const keys = reader.readKeys(texts.keys, vaults);
    if (reader.problems.length > 0) {
        return { problems: reader.problems };
    }
    return {
        config: {
            environment: environment!,
            location: place!,
            ...(seal && { seal }),
            ...(asOf && { asOf }),
            ...(verify && { verify }),
            vaults: Object.fromEntries(vaults) as Record<string, VaultConfig>,
            keys,
        },
    };
}

/** The problems as a text, a line each. */
export function describeProblems(problems: readonly Problem[]): string {
    const lines = problems.map(({ path, value, reason }) => {
        const quoted = value === undefined ? "" : `${abbreviate(value)}: `;
        return printable(`  keymgmt:${path}: ${quoted}${reason}`);
    });
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    return `The stack's config has ${count}. Nothing was changed.\n${lines.join("\n")}`;
}

/** Vaults that were declared, by name; undefined where one is wrong in itself. */
type DeclaredVaults = Map<string, VaultConfig | undefined>;

class Reader {
    readonly problems: Problem[] = [];

    problem(path: Path, value: unknown, reason: string): void {
        this.problems.push({ path: pathText(path), value, reason });
    }

    read<T>(schema: z.ZodType<T>, value: unknown, path: Path): T | undefined {
        const result = schema.safeParse(value);
        for (const issue of result.error?.issues ?? []) {
            const at = [
                ...path,
                ...issue.path.map((part) => (typeof part === "symbol" ? 0 : part)),
            ];
            if (issue.code === "unrecognized_keys") {
                for (const name of issue.keys) {
                    this.problem(
                        [...at, name],
                        undefined,
                        unknownProperty(propertiesAt(schema, issue.path)),
                    );
                }
            } else {
                const found = valueAt(value, issue.path);
                this.problem(
                    at,
                    // In the place of a secret's location there may be the secret itself: it isn't quoted, nor what stands around it.
                    (issue.code === "custom" && issue.params?.secret) || at[2] === "import"
                        ? undefined
                        : found,
                    found === undefined ? `missing; ${issue.message}` : issue.message,
                );
            }
        }
        return result.data;
    }

    readVaults(json: string | undefined, environment: Environment | undefined): DeclaredVaults {
        const vaults: DeclaredVaults = new Map();
        const seen = new Map<string, string>();
        for (const [name, value] of this.readRecord(json, "vaults")) {
            const path = ["vaults", name];
            const nameProblem = vaultNameProblem(name);
            if (nameProblem) {
                this.problem(path, undefined, nameProblem);
            }
            const same = seen.get(foldName(name));
            if (same !== undefined) {
                this.problem(
                    path,
                    undefined,
                    `is the same vault as ${same}: Azure compares names without case`,
                );
            }
            seen.set(foldName(name), name);
            const vault = this.read(schemas.vault, value, path);
            vaults.set(name, vault);
            if (vault) {
                this.checkPlace(vault, environment, path);
            }
        }
        this.checkSubscriptions(vaults);
        return vaults;
    }

    /** Where a vault is, if it is elsewhere than the stack, and who reaches it there. */
    private checkPlace(
        { subscriptionId, tenantId, environment, location, identity }: VaultConfig,
        ofStack: Environment | undefined,
        path: Path,
    ): void {
        const missing = (name: string, allowed: string) =>
            this.problem([...path, name], undefined, `missing; allowed: ${allowed}`);
        const elsewhere = environment !== undefined && environment !== ofStack;
        if (elsewhere && ofStack && (environment === "local" || ofStack === "local")) {
            this.problem(
                [...path, "environment"],
                environment,
                `a run is either in the local Azure or in real clouds; allowed: ${ofStack === "local" ? "local" : environments.filter((each) => each !== "local").join(", ")}`,
            );
        }
        if (elsewhere && tenantId === undefined) {
            missing("tenantId", "a tenant of that cloud");
        }
        if (elsewhere && location === undefined) {
            missing("location", "a region of that cloud; keymgmt:location is one of the stack's");
        }
        if (tenantId !== undefined && subscriptionId === undefined) {
            missing("subscriptionId", "a subscription of that tenant");
        }
        if (tenantId !== undefined && identity === undefined) {
            missing("identity", "an identity of that tenant, since a vault lets in no others");
        }
        if (tenantId !== undefined && identity && !sameId(identity.tenantId, tenantId)) {
            this.problem(
                [...path, "identity", "tenantId"],
                identity.tenantId,
                `isn't the vault's tenant; allowed: ${tenantId}`,
            );
        }
    }

    private checkSubscriptions(vaults: DeclaredVaults): void {
        const seen = new Map<string, [name: string, vault: VaultConfig]>();
        for (const [name, vault] of vaults) {
            const id = vault?.subscriptionId;
            if (!vault || !id) {
                continue;
            }
            const [other, first] = seen.get(id) ?? [];
            seen.set(id, seen.get(id) ?? [name, vault]);
            for (const member of ["tenantId", "environment"] as const) {
                if (first && first[member] !== vault[member]) {
                    this.problem(
                        ["vaults", name, member],
                        vault[member],
                        `vault ${other} is in the same subscription; allowed: the same as there, ${first[member] ?? "none"}`,
                    );
                }
            }
        }
    }

    readKeys(json: string | undefined, vaults: DeclaredVaults): Record<string, KeyConfig> {
        const keys: Record<string, KeyConfig> = {};
        // Which path has a name in a vault already.
        const taken = new Map<string, string>();
        for (const [name, value] of this.readRecord(json, "keys")) {
            const path = ["keys", name];
            const nameProblem = keyNameProblem(name);
            if (nameProblem) {
                this.problem(path, undefined, nameProblem);
            }
            const type = schemas.key.shape.type.safeParse(
                (value as { type?: unknown } | null)?.type,
            );
            const key = this.read(schemas.key, value, path);
            this.checkRotation(value, path);
            const list = key?.distribute ?? listAt(value);
            const distribute = list.map((entry, index) => {
                const at = [...path, "distribute", index];
                const parts = partsOf(entry);
                const distribution = this.read(schemas.distribution, entry, at);
                this.checkDistribution(parts, type.data, vaults, at);
                this.checkName(parts, name, taken, at);
                return distribution!;
            });
            if (key) {
                keys[name] = { ...key, distribute };
            }
        }
        return keys;
    }

    private checkRotation(key: unknown, path: Path): void {
        const given = valueAt(key, ["rotation"]);
        const { interval, notifyBefore } = validParts(rotation, given);
        const { after } = validParts(retire, valueAt(given, ["retire"]));
        const rule: Rotation = { interval, ...(after && { retire: { after, action: "keep" } }) };
        for (const { path: at, reason } of rotationProblems(rule)) {
            this.problem([...path, ...at], valueAt(key, at), reason);
        }
        const action = valueAt(given, ["retire", "action"]);
        const nothingExpires =
            (action === undefined || action === "keep" || action === "disable") &&
            listAt(key).every((entry) => valueAt(entry, ["expiresAfter"]) === undefined);
        if (notifyBefore !== undefined && nothingExpires) {
            this.problem(
                [...path, "rotation", "notifyBefore"],
                notifyBefore,
                "gives notice of expiry only, and no version of this key ever expires; allowed: with retire.action expire, or a distribution that has expiresAfter",
            );
        }
    }

    private checkDistribution(
        { vault, purpose, protection, onDelete }: DistributionParts,
        type: KeyType | undefined,
        vaults: DeclaredVaults,
        path: Path,
    ): void {
        if (vault !== undefined && !vaults.has(vault)) {
            const names = [...vaults.keys()];
            const allowed =
                names.length > 0 ? names.join(", ") : "none, since keymgmt:vaults has none";
            this.problem([...path, "vault"], vault, `isn't declared; allowed: ${allowed}`);
        }
        const declared = vault === undefined ? undefined : vaults.get(vault);
        const skuProblem =
            declared && protection && protectionProblem({ name: vault!, ...declared }, protection);
        if (skuProblem) {
            this.problem([...path, "protection"], protection, skuProblem);
        }
        if (onDelete === "purge" && declared?.purgeProtection) {
            this.problem(
                [...path, "onDelete"],
                onDelete,
                `vault ${vault} has purge protection, so nothing in it can be purged; allowed: delete, detach`,
            );
        } else if (onDelete === "purge" && declared && !declared.allowPurge) {
            this.problem(
                [...path, "onDelete"],
                onDelete,
                `it takes allowPurge: true of vault ${vault}, until this distribution has gone; without it allowed: delete, detach`,
            );
        }
        for (const [index, one] of purpose.entries()) {
            if (!one) {
                continue;
            }
            const reason = type && purposeProblem(type, one);
            if (reason) {
                this.problem([...path, "purpose", index], one, reason);
            } else if (purpose.indexOf(one) < index) {
                this.problem([...path, "purpose", index], one, "stands there twice");
            }
        }
    }

    private checkName(
        { vault, name }: DistributionParts,
        key: string,
        taken: Map<string, string>,
        path: Path,
    ): void {
        const problem = name === undefined ? undefined : keyNameProblem(name);
        if (problem) {
            this.problem([...path, "name"], name, problem);
        }
        if (vault === undefined) {
            return;
        }
        const place = `${foldName(vault)}/${foldName(name ?? key)}`;
        const other = taken.get(place);
        if (other !== undefined) {
            this.problem(
                path,
                name ?? key,
                `vault ${vault} has a key of this name already, by ${other}; give one of them another name`,
            );
        }
        taken.set(place, pathText(path));
    }

    private readRecord(json: string | undefined, section: string): [string, unknown][] {
        const value = parseJson(json);
        if (typeof value !== "object" || value === null || Array.isArray(value)) {
            const reason = `allowed: an object with an entry for each of the ${section}`;
            this.problem([section], json, json === undefined ? `missing; ${reason}` : reason);
            return [];
        }
        return Object.entries(value);
    }
}

/** What of a distribution is right in itself, and can be checked further whatever else is wrong. */
interface DistributionParts {
    vault: string | undefined;
    name: string | undefined;
    purpose: (Purpose | undefined)[];
    protection: Protection | undefined;
    onDelete: Deletion | undefined;
}

function partsOf(entry: unknown): DistributionParts {
    const { vault, name, protection, onDelete } = validParts(schemas.distribution, entry);
    const purpose = valueAt(entry, ["purpose"]);
    const list = Array.isArray(purpose) ? (purpose as unknown[]) : [];
    const { element } = schemas.distribution.shape.purpose;
    return {
        vault,
        name,
        purpose: list.map((one) => element.safeParse(one).data),
        protection,
        onDelete,
    };
}

/** The members of an object that are right in themselves. */
function validParts<Shape extends z.ZodRawShape>(
    schema: z.ZodObject<Shape>,
    value: unknown,
): Partial<z.output<z.ZodObject<Shape>>> {
    const parts = Object.entries(schema.shape).map(([name, member]) => [
        name,
        z.safeParse(member, valueAt(value, [name])).data,
    ]);
    return Object.fromEntries(parts) as Partial<z.output<z.ZodObject<Shape>>>;
}

function sameId(one: string, other: string): boolean {
    return one.toLowerCase() === other.toLowerCase();
}

function parseJson(text: string | undefined): unknown {
    try {
        return text === undefined ? undefined : JSON.parse(text);
    } catch {
        return text;
    }
}

function listAt(value: unknown): unknown[] {
    const list = (value as { distribute?: unknown } | null)?.distribute;
    return Array.isArray(list) ? list : [];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
    return path.reduce<unknown>(
        (current, part) => (current as Record<PropertyKey, unknown> | undefined)?.[part],
        value,
    );
}

/** The properties that the object at `path` of a schema has. */
function propertiesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
    let current: z.ZodType = schema;
    for (const part of ["", ...path]) {
        if (part !== "" && current instanceof z.ZodObject) {
            current = (current.shape as Record<PropertyKey, z.ZodType>)[part]!;
        } else if (current instanceof z.ZodArray) {
            current = current.element as z.ZodType;
        }
        while (current instanceof z.ZodOptional || current instanceof z.ZodDefault) {
            current = current.unwrap() as z.ZodType;
        }
    }
    return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

function unknownProperty(allowed: readonly string[]): string {
    return `unknown property; allowed: ${allowed.join(", ")}`;
}

function pathText(path: Path): string {
    return path
        .map((part, index) =>
            typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${part}`,
        )
        .join("");
}

function abbreviate(value: unknown): string {
    // JSON has no Infinity, but a config can hold 1e999.
    const text = typeof value === "number" ? String(value) : json(value);
    return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function json(value: unknown): string {
    try {
        return JSON.stringify(value);
    } catch {
        // Unlike JSON.parse, it ends with the stack where a value is nested some thousand times.
        return Array.isArray(value) ? "[…]" : "{…}";
    }
}

/** Control and formatting characters would reach the terminal. */
function printable(line: string): string {
    return line.replace(
        /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
        (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
    );
}
