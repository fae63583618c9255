import type { SecretLocation } from "./secretLocation";

/** Where a version comes from, if it isn't generated: its private key, a sealed token of that, or a `.byok` file with the public key. */
export type KeySource = { version: number } & (
    | { from: SecretLocation; passphraseFrom?: SecretLocation }
    | { sealed: string }
    | { byok: SecretLocation; publicKey: SecretLocation }
);

/** What may be given of it, each right in itself. */
export interface KeySourceParts {
    version: number;
    from?: SecretLocation;
    passphraseFrom?: SecretLocation;
    sealed?: string;
    byok?: SecretLocation;
    publicKey?: SecretLocation;
}

/** Why parts don't make a source; undefined if they do. */
export function keySourceProblem({
    from,
    passphraseFrom,
    sealed,
    byok,
    publicKey,
}: KeySourceParts): string | undefined {
    const given = [from, sealed, byok].filter(Boolean).length;
    return given === 1 && (!passphraseFrom || from) && !byok === !publicKey
        ? undefined
        : "allowed: version and one of from (with passphraseFrom, if it is encrypted), sealed, or byok with publicKey";
}

/** Whether a text looks like a sealed token: JWE compact serialisation with `dir`, so without an encrypted key (RFC 7516, section 7.1). */
export function isSealedToken(value: unknown): value is string {
    return typeof value === "string" && /^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/.test(value);
}
