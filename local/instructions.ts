import type { CloudDescription } from "./cloud";

/** How to point any client at a local Azure; its operator's secret only if that was asked for. */
export function instructions(
    cloud: CloudDescription,
    files: { description: string; showSecret: boolean },
): string {
    const { authorityHost, tenantId, caFile, operator } = cloud;
    const vaults = Object.entries(cloud.vaults);
    const [, uri = "https://127.0.0.1:<port>/"] = vaults[0] ?? [];
    const secret = files.showSecret
        ? `AZURE_CLIENT_SECRET=${operator.clientSecret}`
        : `AZURE_CLIENT_SECRET=$(jq -r .operator.clientSecret '${files.description}')`;
    return `The local Azure is ready. It ends with Ctrl-C and keeps what it has.

Entra ID and resource manager   ${authorityHost}
CA to trust                     ${caFile}
Everything else, credentials    ${files.description}
${vaults.map(([name, address]) => `Vault ${name.padEnd(26)}${address}`).join("\n") || "No vault yet: docs/local-azure.md makes one"}

For a shell (jq reads the secret, which isn't shown here unless you start with --show-secret):

    export AZURE_TENANT_ID=${tenantId} AZURE_CLIENT_ID=${operator.clientId}
    export AZURE_AUTHORITY_HOST=${authorityHost} ${secret}
    export NODE_EXTRA_CA_CERTS='${caFile}' REQUESTS_CA_BUNDLE='${caFile}' CURL_CA_BUNDLE='${caFile}'
    token() { curl -s "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials \\
        -d client_id=$AZURE_CLIENT_ID -d "client_secret=$AZURE_CLIENT_SECRET" -d scope=$1/.default | jq -r .access_token; }

curl:

    curl -s -H "Authorization: Bearer $(token https://vault.azure.net)" '${uri}keys?api-version=2025-07-01'

JavaScript (@azure/identity, @azure/keyvault-keys):

    const credential = new EnvironmentCredential({ disableInstanceDiscovery: true });
    const client = new KeyClient("${uri}", credential, { disableChallengeResourceVerification: true });

Python (azure-identity, azure-keyvault-keys):

    credential = EnvironmentCredential(disable_instance_discovery=True)
    client = KeyClient("${uri}", credential, verify_challenge_resource=False)

docs/local-azure.md has whole programs.`;
}
