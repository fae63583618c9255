import type { KeyClient, KeyVaultKey } from "@azure/keyvault-keys";
import type { KeyExchangeKey } from "../../keys/byok";
import { isSoftDeleted, statusOf } from "./errors";
import { kekName } from "./names";
import { publicKeyOf } from "./publicKey";

// The service lets a key exchange key expire 48 hours after its creation; an import must not be under way then.
const marginMilliseconds = 15 * 60_000;

/**
 * The vault's key exchange key; made where there's none that can be used, as a new version of the same key.
 * Source: https://learn.microsoft.com/azure/key-vault/keys/byok-specification (RSA-HSM, in the target vault, operation `import` alone)
 */
export async function keyExchangeKey(client: KeyClient): Promise<CurrentKeyExchangeKey> {
    const found = await latest(client);
    const kek = found && isUsable(found) ? found : await create(client);
    const { expiresOn } = kek.properties;
    return { id: kek.id!, publicKey: publicKeyOf(kek), isCurrent: () => isInTime(expiresOn) };
}

export interface CurrentKeyExchangeKey extends KeyExchangeKey {
    /** Whether an import may still begin with it. */
    isCurrent: () => boolean;
}

async function create(client: KeyClient): Promise<KeyVaultKey> {
    const newVersion = () =>
        client.createKey(kekName, "RSA-HSM", { keySize: 4096, keyOps: ["import"] });
    try {
        return await newVersion();
    } catch (error) {
        if (!isSoftDeleted(error)) {
            throw error;
        }
        const poller = await client.beginRecoverDeletedKey(kekName, { intervalInMs: 500 });
        await poller.pollUntilDone();
        return newVersion();
    }
}

async function latest(client: KeyClient): Promise<KeyVaultKey | undefined> {
    try {
        return await client.getKey(kekName);
    } catch (error) {
        if (statusOf(error) === 404) {
            return undefined;
        }
        throw error;
    }
}

function isUsable({ keyType, keyOperations, properties }: KeyVaultKey): boolean {
    const { enabled, expiresOn } = properties;
    return (
        keyType === "RSA-HSM" &&
        keyOperations?.length === 1 &&
        keyOperations[0] === "import" &&
        enabled !== false &&
        isInTime(expiresOn)
    );
}

function isInTime(expiresOn: Date | undefined): boolean {
    return !expiresOn || expiresOn.getTime() - marginMilliseconds > Date.now();
}
