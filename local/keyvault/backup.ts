import { randomBytes } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import type { Store } from "../store";
import { errors } from "./errors";
import type { KeyVersion } from "./keys";
import type { RotationPolicy } from "./rotation";

/** What is in a backup: everything of a key but where it was. */
export interface Backup {
    name: string;
    versions: KeyVersion[];
    rotationPolicy?: RotationPolicy;
}

/** One key for all vaults of the subscription, so that each of them opens the others' backups, purged ones' too. */
export async function openBackupKey(store: Store): Promise<Uint8Array> {
    const kept = store.collection<string>("keyvault.backupKey");
    const present = kept.get("current");
    if (present) return Buffer.from(present, "base64");
    const made = randomBytes(32);
    await kept.put("current", made.toString("base64"));
    return made;
}

const versionName = "AzureKeyVaultKeyBackupV1.microsoft.com";
/** What a backup of the service begins with: the length of its version's name, and that name. */
const version = Buffer.concat([Buffer.of(versionName.length), Buffer.from(versionName)]);

/** As of the service, a JSON Web Encryption (RFC 7516) behind its version, which clients see as bytes. */
export async function sealBackup(key: Uint8Array, backup: Backup): Promise<Buffer> {
    const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(backup)))
        .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
        .encrypt(key);
    return Buffer.concat([version, Buffer.from(jwe)]);
}

export async function openBackup(key: Uint8Array, blob: Buffer): Promise<Backup> {
    // As recorded: a name that ends behind the blob is corrupt, a whole one that isn't known is of another version.
    const [nameLength = Infinity] = blob;
    if (blob.length <= nameLength) throw errors.corruptBackup();
    if (!blob.subarray(0, version.length).equals(version)) throw errors.backupOfOtherVersion();
    try {
        const jwe = blob.subarray(version.length).toString();
        const { plaintext } = await compactDecrypt(jwe, key, {
            keyManagementAlgorithms: ["dir"],
            contentEncryptionAlgorithms: ["A256GCM"],
        });
        return JSON.parse(Buffer.from(plaintext).toString()) as Backup;
    } catch {
        throw errors.corruptBackup();
    }
}
