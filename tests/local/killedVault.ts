import type { AddressInfo } from "node:net";
import { systemClock } from "../../local/clock";
import { keyVaultApp } from "../../local/keyvault/app";
import { KeyRecords } from "../../local/keyvault/records";
import { defaultSettings } from "../../local/settings";
import { openStore } from "../../local/store";
import { tenantId, vaultFixture } from "./keyvaultFixture";

/** The data plane of one vault over HTTP, open to all, from the store in this folder. Prints its address. */
async function serve(folder: string) {
    const vault = vaultFixture();
    const app = keyVaultApp(
        {
            vault: () => vault,
            authorization: () => "",
            authenticate: () =>
                Promise.resolve({ tenantId, appId: "app", objectId: "object", operator: true }),
            records: new KeyRecords(await openStore(folder), vault.name),
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
