import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { KeyType } from "../keys/keyType";
import { sealMaterial } from "../keys/keyVersion";
import { readPrivateKey } from "../keys/material";
import type { SecretLocation } from "../keys/secretLocation";
import { readSealKey, readSecret } from "../providers/readSecret";

export interface SealOptions {
    key: string;
    type: KeyType;
    version: number;
    seal: SecretLocation;
    /** A file's path. */
    in?: string;
    passphrase?: SecretLocation;
}

/**
 * Seals a private key as the material of one version of a key.
 * @param input where the private key is, unless a file is named
 * @throws KeymgmtError
 */
export async function sealToken(options: SealOptions, input: Readable): Promise<string> {
    const { key, type, version } = options;
    const sealKey = readSealKey(options.seal);
    const passphrase =
        options.passphrase && readSecret(options.passphrase, "passphrase", "KEY_MATERIAL");
    const file: SecretLocation | undefined = options.in ? `file:${options.in}` : undefined;
    const what = `${file ?? "standard input"} for version ${version} of key ${key}`;
    const source = file ? readSecret(file, "private key", "KEY_MATERIAL") : await text(input);
    const { material } = await readPrivateKey(source, type, what, passphrase);
    try {
        return await sealMaterial({ key, type, version }, material, sealKey);
    } finally {
        material.fill(0);
    }
}
