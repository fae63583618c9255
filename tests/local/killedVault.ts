import type { AddressInfo } from "node:net";
import { systemClock } from "../../local/clock";
import { keyVaultApp } from "../../local/keyvault/app";
import { defaultSettings } from "../../local/settings";
import { openStore } from "../../local/store";

/** The data plane of one vault over HTTP, open to all, from the store in this folder. Prints its address. */
async function serve(folder: string) {
    const tenantId = "11111111-1111-4111-8111-111111111111";
    const app = keyVaultApp(
        {
            vault: () => ({
                name: "killed",
                resourceId: "/vaults/killed",
                uri: "http://127.0.0.1/",
                tenantId,
                location: "westeurope",
                sku: "premium",
                accessPolicies: [],
                enableRbacAuthorization: false,
                roleAssignments: [],
                network: { publicAccess: true, bypass: "AzureServices" },
                softDeleteRetentionInDays: 90,
                enablePurgeProtection: false,
            }),
            authorization: () => "",
            authenticate: () =>
                Promise.resolve({ tenantId, appId: "app", objectId: "object", operator: true }),
            store: await openStore(folder),
            clock: systemClock,
            log: () => {},
            settings: () => defaultSettings,
            backupKey: new Uint8Array(32),
        },
        null,
    );
    await app.listen({ host: "127.0.0.1", port: 0 });
    console.log(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`);
}

void serve(process.argv[2] ?? "");
