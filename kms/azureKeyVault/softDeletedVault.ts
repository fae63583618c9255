import { KeyVaultManagementClient, type VaultProperties } from "@azure/arm-keyvault";
import type { Cloud } from "./environment";
import { explainVault, statusOf } from "./errors";

/** A vault as the resource manager finds it. */
export interface VaultPlace {
    name: string;
    /** Azure region. */
    location: string;
    subscriptionId: string;
}

/**
 * Whether the name is held by a soft-deleted vault of this subscription and region: it can't be made anew then, only recovered.
 * Source: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
 * @param token for the resource manager
 * @returns false also where the caller may not look, and where nothing says where the resource manager is
 * @throws KeymgmtError KMS
 */
export async function isSoftDeletedVault(
    place: VaultPlace,
    token: string,
    cloud: Cloud,
): Promise<boolean> {
    if (cloud.resourceManager === undefined) {
        return false;
    }
    try {
        await clientOf(place, token, cloud).vaults.getDeleted(place.name, place.location);
        return true;
    } catch (error) {
        // To look takes a right at the subscription's scope, which not everyone has who may make vaults.
        if ([403, 404].includes(statusOf(error) ?? 0)) {
            return false;
        }
        throw explainVault(error, "looked up among the deleted ones", place.name);
    }
}

/**
 * Gives a vault that was just recovered the properties that are declared: the request that recovers one brings it back as it was deleted, and
 * passes over what else it says (https://github.com/Azure/azure-rest-api-specs/issues/21306).
 * @param token for the resource manager
 * @throws KeymgmtError KMS
 */
export async function updateRecoveredVault(
    place: VaultPlace & { resourceGroup: string },
    properties: VaultProperties,
    token: string,
    cloud: Cloud,
): Promise<void> {
    try {
        await clientOf(place, token, cloud).vaults.update(place.resourceGroup, place.name, {
            properties,
        });
    } catch (error) {
        throw explainVault(
            error,
            "brought up to date after it was recovered; run pulumi up --refresh, which does that",
            place.name,
        );
    }
}

function clientOf({ subscriptionId }: VaultPlace, token: string, cloud: Cloud) {
    const expiresOnTimestamp = Date.now() + 60_000; // longer than a request takes, and shorter than the token lives
    const credential = { getToken: () => Promise.resolve({ token, expiresOnTimestamp }) };
    return new KeyVaultManagementClient(credential, subscriptionId, {
        endpoint: cloud.resourceManager,
    });
}
