import type { Protection } from "../../keys/keyType";

export const skus = ["standard", "premium"] as const;
export type Sku = (typeof skus)[number];

/**
 * Why a vault can't hold copies of a protection; undefined if it can.
 * Source: https://learn.microsoft.com/azure/key-vault/keys/about-keys (HSM-protected keys are for premium)
 */
export function protectionProblem(
    vault: { name: string; sku: Sku },
    protection: Protection,
): string | undefined {
    return protection === "hsm" && vault.sku === "standard"
        ? `vault ${vault.name} has the standard SKU, which has no HSM; make its sku premium, or the protection software`
        : undefined;
}
