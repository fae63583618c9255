import { ClientSecretCredential, type TokenCredential } from "@azure/identity";
import type { Cloud } from "./environment";

/** Who asks: a service principal with its client secret. */
export interface Identity {
    tenantId: string;
    clientId: string;
    clientSecret: string;
}

/**
 * The identity of `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and `AZURE_TENANT_ID`, as Azure's SDKs read them; undefined unless
 * all three are set. (Without the secret they mean a managed or federated identity of the machine.)
 */
export function identityOfVariables(variables: NodeJS.ProcessEnv): Identity | undefined {
    const { AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_TENANT_ID } = variables;
    return AZURE_CLIENT_ID && AZURE_CLIENT_SECRET && AZURE_TENANT_ID
        ? {
              tenantId: AZURE_TENANT_ID,
              clientId: AZURE_CLIENT_ID,
              clientSecret: AZURE_CLIENT_SECRET,
          }
        : undefined;
}

export function credentialOf(identity: Identity, cloud: Cloud): TokenCredential {
    return new ClientSecretCredential(identity.tenantId, identity.clientId, identity.clientSecret, {
        ...(cloud.authorityHost && { authorityHost: cloud.authorityHost }),
        // Otherwise MSAL asks login.microsoftonline.com whether it knows the host.
        disableInstanceDiscovery: !cloud.wellKnownHosts,
    });
}
