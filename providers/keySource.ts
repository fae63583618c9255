import { createPrivateKey } from "node:crypto";
import { parseByokFile } from "../keys/byokFile";
import {
    externalKeyVersion,
    importedKeyVersion,
    openKeyVersion,
    type KeyVersion,
    type VersionIdentity,
} from "../keys/keyVersion";
import { KeymgmtError } from "../keys/errors";
import type { KeySource } from "../keys/keySource";
import type { GivenVersion } from "../keys/lifecycle";
import { readPrivateKey, readPublicKey } from "../keys/material";
import type { SealKey } from "../keys/seal";
import type { SecretLocation } from "../keys/secretLocation";
import { readSecret } from "./readSecret";

/** What the engine may know of it before it is there. @throws KeymgmtError KEY_MATERIAL, SEALED_TOKEN */
export async function givenVersion(
    source: KeySource,
    identity: VersionIdentity,
    sealKey: SealKey,
): Promise<GivenVersion> {
    const { version, origin, thumbprint, byok } = await sourceVersion(
        source,
        identity,
        sealKey,
        "",
    );
    return {
        version,
        origin: origin!,
        thumbprint,
        ...(byok && { vaultHost: vaultHostOf(byok, source, identity) }),
    };
}

/** The version itself, its private key sealed. @throws KeymgmtError KEY_MATERIAL, SEALED_TOKEN */
export async function sourceVersion(
    source: KeySource,
    identity: VersionIdentity,
    sealKey: SealKey,
    createdAt: string,
): Promise<KeyVersion> {
    const what = describe(source, identity);
    const { type } = identity;
    if ("byok" in source) {
        const publicKey = read(source.publicKey, `public key of ${what}`);
        const byok = Buffer.from(read(source.byok, `.byok file of ${what}`)).toString("base64url");
        vaultHostOf(byok, source, identity);
        return externalKeyVersion(
            identity,
            { ...(await readPublicKey(publicKey, type, what)), byok },
            createdAt,
        );
    }
    const [text, passphrase] =
        "sealed" in source
            ? [await openedText(source.sealed, identity, sealKey)]
            : [
                  read(source.from, `private key of ${what}`),
                  source.passphraseFrom && read(source.passphraseFrom, `passphrase of ${what}`),
              ];
    const key = await readPrivateKey(text, type, what, passphrase);
    try {
        return await importedKeyVersion(identity, key, sealKey, createdAt);
    } finally {
        key.material.fill(0);
    }
}

function vaultHostOf(byok: string, source: KeySource, identity: VersionIdentity): string {
    return parseByokFile(Buffer.from(byok, "base64url"), describe(source, identity)).vaultHost;
}

async function openedText(
    sealed: string,
    identity: VersionIdentity,
    sealKey: SealKey,
): Promise<string> {
    const material = Buffer.from(await opened(sealed, identity, sealKey));
    try {
        const key = createPrivateKey({ key: material, format: "der", type: "pkcs8" });
        return key.export({ format: "pem", type: "pkcs8" }) as string;
    } finally {
        material.fill(0);
    }
}

async function opened(
    sealed: string,
    identity: VersionIdentity,
    sealKey: SealKey,
): Promise<Uint8Array> {
    try {
        return await openKeyVersion(identity, sealed, sealKey);
    } catch (cause) {
        const { key, type, version } = identity;
        throw new KeymgmtError(
            "KEY_MATERIAL",
            `The sealed token for version ${version} of key ${key} doesn't open: it was sealed for another key, type or version, with another seal key, or it is damaged. ` +
                `Seal the private key again: keymgmt seal --key ${key} --type ${type} --version ${version}`,
            { cause },
        );
    }
}

function describe(source: KeySource, { key, version }: VersionIdentity): string {
    const place = "from" in source ? source.from : "byok" in source ? source.byok : "sealed token";
    return `${place}, version ${version} of key ${key}`;
}

function read(location: SecretLocation, what: string): string {
    return readSecret(location, what, "KEY_MATERIAL");
}
