import type { KeyOperation, KeyProperties, UpdateKeyPropertiesOptions } from "@azure/keyvault-keys";
import type { Attributes } from "../../keys/copy";

/** Azure's words for purposes, where they are others than ours. */
const operations: Readonly<Record<string, KeyOperation>> = { wrap: "wrapKey", unwrap: "unwrapKey" };
const purposes = new Map(Object.entries(operations).map(([purpose, name]) => [name, purpose]));

export function purposesOf(keyOperations: readonly KeyOperation[] = []): string[] {
    return keyOperations.map((operation) => purposes.get(operation) ?? operation);
}

/*
 * Azure can't take a date away again that was set once
 * (https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/key_vault_key, "expiration_date"): these stand for none.
 * Requests hold seconds as an unsigned 32-bit number: see requestPolicy.ts.
 */
const never = new Date((2 ** 32 - 1) * 1000);
const always = new Date(1000);

export function attributesOf({
    enabled,
    tags,
    notBefore,
    expiresOn,
}: KeyProperties): Omit<Attributes, "purposes"> {
    return {
        enabled: enabled !== false,
        tags: tags ?? {},
        ...(notBefore && notBefore > always && { notBefore: notBefore.toISOString() }),
        ...(expiresOn && expiresOn < never && { expiresAt: expiresOn.toISOString() }),
    };
}

/** Only those that are given; a date that is given as undefined becomes one that stands for none. */
export function sdkProperties(to: Partial<Attributes>): UpdateKeyPropertiesOptions {
    return {
        ...(to.enabled !== undefined && { enabled: to.enabled }),
        ...(to.purposes && {
            keyOps: to.purposes.map((purpose) => operations[purpose] ?? purpose),
        }),
        ...(to.tags && { tags: { ...to.tags } }),
        ...("notBefore" in to && { notBefore: to.notBefore ? new Date(to.notBefore) : always }),
        ...("expiresAt" in to && { expiresOn: to.expiresAt ? new Date(to.expiresAt) : never }),
    };
}
