import * as z from "zod";
import {
    keyTypes,
    protections,
    purposes,
    purposeProblem,
    type KeyType,
    type Protection,
    type Purpose,
} from "../keys/keyType";
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
    vaults: Record<string, VaultConfig>;
    keys: Record<string, KeyConfig>;
}

export interface VaultConfig {
    sku: Sku;
    identity?: { tenantId: string; clientId: string; clientSecretFrom: SecretLocation };
    access?: { objectId: string; keyPermissions: KeyPermission[] }[];
}

export interface KeyConfig {
    type: KeyType;
    rotation?: { trigger?: string };
    deletionAllowed?: boolean;
    distribute: DistributionConfig[];
}

export interface DistributionConfig {
    vault: string;
    name?: string;
    purpose: Purpose[];
    protection: Protection;
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
const location = z.custom<SecretLocation>(
    isSecretLocation,
    "allowed: env:NAME or file:PATH, which say where it is; the secret itself never stands in the config",
);
const required = { error: "allowed: a text that isn't empty" };
const text = z.string(required).min(1, required);
function object<Shape extends z.ZodRawShape>(shape: Shape) {
    return z.strictObject(shape, {
        error: `allowed: an object with ${Object.keys(shape).join(", ")}`,
    });
}

const schemas = {
    environment: z.enum(environments, oneOf(environments)),
    location: z
        .string({ error: "allowed: the name of an Azure region, such as westeurope" })
        .regex(/^[A-Za-z0-9 ]+$/, "allowed: the name of an Azure region, such as westeurope"),
    seal: location.optional(),
    vault: object({
        sku: z.enum(skus, oneOf(skus)),
        identity: object({ tenantId: text, clientId: text, clientSecretFrom: location }).optional(),
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
        rotation: object({
            // `pulumi config set` writes 2 and true as a number and a boolean.
            trigger: z
                .union([z.string(), z.number(), z.boolean()], {
                    error: "allowed: a text, a number, true or false",
                })
                .transform(String)
                .optional(),
        }).optional(),
        deletionAllowed: z.boolean({ error: "allowed: true, false" }).optional(),
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
    }),
};

const sections = ["environment", "location", "seal", "vaults", "keys"];

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
    const region = reader.read(schemas.location, texts.location, ["location"]);
    const seal = reader.read(schemas.seal, texts.seal, ["seal"]);
    const vaults = reader.readVaults(texts.vaults);
    const keys = reader.readKeys(texts.keys, vaults);
    if (reader.problems.length > 0) {
        return { problems: reader.problems };
    }
    return {
        config: {
            environment: environment!,
            location: region!,
            ...(seal && { seal }),
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
                    // In the place of a secret's location there may be the secret itself: it isn't quoted.
                    issue.code === "custom" ? undefined : found,
                    found === undefined ? `missing; ${issue.message}` : issue.message,
                );
            }
        }
        return result.data;
    }

    readVaults(json: string | undefined): DeclaredVaults {
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
            vaults.set(name, this.read(schemas.vault, value, path));
        }
        return vaults;
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

    private checkDistribution(
        { vault, purpose, protection }: DistributionParts,
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
}

function partsOf(entry: unknown): DistributionParts {
    const { vault, name, purpose, protection } = (entry ?? {}) as Record<string, unknown>;
    const { shape } = schemas.distribution;
    const list = Array.isArray(purpose) ? (purpose as unknown[]) : [];
    return {
        vault: shape.vault.safeParse(vault).data,
        name: shape.name.safeParse(name).data,
        purpose: list.map((one) => shape.purpose.element.safeParse(one).data),
        protection: shape.protection.safeParse(protection).data,
    };
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
