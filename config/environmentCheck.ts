import type { Environment } from "../kms/azureKeyVault/environment";

/**
 * Why a run must not go on: a local stack without the local Azure would make real, billed resources; a real stack with its stand-in
 * providers would make none.
 * @param variables the process's environment variables
 */
export function environmentProblem(
    environment: Environment,
    variables: NodeJS.ProcessEnv,
): string | undefined {
    const standIns = /\bazure(-native|ad):/.test(variables.PULUMI_DEBUG_PROVIDERS ?? "");
    if (environment === "local" && !standIns) {
        return (
            "keymgmt:environment is local, but the local Azure isn't there: azure-native and azuread would reach for a real cloud. " +
            "Run it with: npm run pulumi -- <arguments>"
        );
    }
    if (environment !== "local" && standIns) {
        return (
            `keymgmt:environment is ${environment}, but PULUMI_DEBUG_PROVIDERS names stand-ins for azure-native or azuread. ` +
            "Unset it: a real stack has to use the real ones."
        );
    }
    return undefined;
}
