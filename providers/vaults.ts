import { KeymgmtError } from "../keys/errors";
import { unseal, type SealKey } from "../keys/seal";
import type { SecretLocation } from "../keys/secretLocation";
import { AzureKeyVault, type VaultAddress } from "../kms/azureKeyVault/azureKeyVault";
import { cloudOf, type Environment } from "../kms/azureKeyVault/environment";
import { credentialOf, identityOfVariables, type Identity } from "../kms/azureKeyVault/identity";
import type { Sku } from "../kms/azureKeyVault/sku";
import { readSecret } from "./readSecret";

/** A vault's data plane, as the inputs and the state know it. */
export interface Vault extends VaultAddress {
    sku: Sku;
    environment: Environment;
    /** Azure region. */
    location?: string;
    /** ISO 8601. A vault of another date is another vault, at the same address. */
    createdAt?: string;
    purgeProtection?: boolean;
}

/** Who uses the vault, as the inputs and the state know it. */
export interface IdentityReference {
    tenantId: string;
    clientId: string;
    /** The secret, sealed: the stack's own service principal. */
    clientSecret?: string;
    /** Where the secret is: an identity that was chosen for this vault. */
    clientSecretFrom?: SecretLocation;
}

// One token and one client for each vault, identity and process: all resources of a run come through here.
const vaults = new Map<string, AzureKeyVault>();

/** @throws KeymgmtError IDENTITY, SEALED_TOKEN */
export async function vaultOf(
    vault: Vault,
    reference: IdentityReference,
    sealKey: SealKey,
): Promise<AzureKeyVault> {
    const identity = await identityOf(reference, sealKey);
    const place = JSON.stringify([vault.uri, vault.environment, identity]);
    let client = vaults.get(place);
    if (!client) {
        const cloud = cloudOf(vault.environment, process.env);
        client = new AzureKeyVault(vault, credentialOf(identity, cloud), cloud);
        vaults.set(place, client);
    }
    return client;
}

/** An identity chosen for the vault wins over the one in `AZURE_*`, and that one over the stack's own. */
async function identityOf(reference: IdentityReference, sealKey: SealKey): Promise<Identity> {
    const { tenantId, clientId, clientSecret, clientSecretFrom } = reference;
    if (clientSecretFrom) {
        const secret = readSecret(clientSecretFrom, `client secret of ${clientId}`, "IDENTITY");
        return { tenantId, clientId, clientSecret: secret };
    }
    const fromVariables = identityOfVariables(process.env);
    if (fromVariables) {
        return fromVariables;
    }
    if (!clientSecret) {
        throw new KeymgmtError(
            "IDENTITY",
            `The identity ${clientId} has no client secret. Give clientSecret or clientSecretFrom, or set AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID.`,
        );
    }
    const opened = await unseal(sealKey, clientSecret, credentialBinding({ tenantId, clientId }));
    return { tenantId, clientId, clientSecret: Buffer.from(opened).toString() };
}

/** What a sealed client secret is bound to. */
export function credentialBinding(identity: { tenantId: string; clientId: string }) {
    return { use: "client secret", tenant: identity.tenantId, client: identity.clientId };
}

/**
 * Sealing the same secret twice gives two tokens, so that a run's token is another one each time. The old one is kept where it opens
 * to the same secret: what didn't change must not look changed.
 */
export async function keepToken(
    old: IdentityReference | undefined,
    given: IdentityReference,
    sealKey: SealKey,
): Promise<IdentityReference> {
    const sameClient = old && old.tenantId === given.tenantId && old.clientId === given.clientId;
    if (!sameClient || !old.clientSecret || !given.clientSecret) {
        return given;
    }
    const open = async (identity: IdentityReference) =>
        Buffer.from(await unseal(sealKey, identity.clientSecret!, credentialBinding(identity)));
    try {
        const same = (await open(old)).equals(await open(given));
        return same ? { ...given, clientSecret: old.clientSecret } : given;
    } catch {
        return given; // unknown, or sealed with another seal key: not the same
    }
}
