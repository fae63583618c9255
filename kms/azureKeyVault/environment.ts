import { AzureAuthorityHosts } from "@azure/identity";

/** The clouds, by Azure's names of them; `local` is the local Azure. */
export const environments = [
    "AzurePublicCloud",
    "AzureUSGovernment",
    "AzureChinaCloud",
    "local",
] as const;
export type Environment = (typeof environments)[number];

export interface Cloud {
    authorityHost: string | undefined;
    /** URL of the resource manager. */
    resourceManager: string | undefined;
    /** What a token for a vault's keys is asked for. */
    vaultScope: string;
    /**
     * Real clouds prove where they are by well-known names. A local one has no such names: it is trusted by its own CA, and
     * by being on loopback.
     */
    wellKnownHosts: boolean;
}

/** @param variables the process's environment variables; `AZURE_AUTHORITY_HOST` and `AZURE_RESOURCE_MANAGER` say where the local Azure is */
export function cloudOf(environment: Environment, variables: NodeJS.ProcessEnv): Cloud {
    switch (environment) {
        case "AzurePublicCloud":
            return {
                authorityHost: AzureAuthorityHosts.AzurePublicCloud,
                resourceManager: "https://management.azure.com",
                vaultScope: "https://vault.azure.net/.default",
                wellKnownHosts: true,
            };
        case "AzureUSGovernment":
            return {
                authorityHost: AzureAuthorityHosts.AzureGovernment,
                resourceManager: "https://management.usgovcloudapi.net",
                vaultScope: "https://vault.usgovcloudapi.net/.default",
                wellKnownHosts: true,
            };
        case "AzureChinaCloud":
            return {
                authorityHost: AzureAuthorityHosts.AzureChina,
                resourceManager: "https://management.chinacloudapi.cn",
                vaultScope: "https://vault.azure.cn/.default",
                wellKnownHosts: true,
            };
        case "local":
            return {
                authorityHost: variables.AZURE_AUTHORITY_HOST,
                resourceManager: variables.AZURE_RESOURCE_MANAGER,
                vaultScope: "https://vault.azure.net/.default",
                wellKnownHosts: false,
            };
    }
}
