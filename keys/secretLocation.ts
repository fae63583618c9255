/** Where a secret is: `env:NAME`, an environment variable, or `file:PATH`, a file of which it is the whole content. */
export type SecretLocation = `env:${string}` | `file:${string}`;

export function isSecretLocation(value: unknown): value is SecretLocation {
    return typeof value === "string" && /^(env:[A-Za-z_]\w*|file:.+)$/.test(value);
}
