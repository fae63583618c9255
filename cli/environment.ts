import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Azure } from "./localAzure";
import type { Stack } from "./stack";

type Environment = NodeJS.ProcessEnv;

export const backendFolder = (root: string) => path.join(root, ".local/state");
export const pulumiHome = (root: string) => path.join(root, ".local/pulumi");

/** For every Pulumi command on a local stack: nothing outside the checkout is read or changed. */
export function localEnvironment({ root, name }: Stack, env: Environment): Environment {
    return {
        ...env,
        PULUMI_STACK: name,
        PULUMI_BACKEND_URL: pathToFileURL(backendFolder(root)).href,
        PULUMI_HOME: pulumiHome(root),
        // Belongs to the `encryptionsalt` of the committed Pulumi.dev.yaml. It protects no more than a local
        // Azure's credentials; key material is under the seal.
        PULUMI_CONFIG_PASSPHRASE: "local",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // Else each run first tries to download the real plugins.
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        // Type checking the program takes seconds, and `npm run typecheck` does it.
        PULUMI_NODEJS_TRANSPILE_ONLY: "true",
        TS_NODE_TRANSPILE_ONLY: "1",
    };
}

/** What commands that reach the cloud need besides, to find the local Azure instead of the real one. */
export function cloudEnvironment(azure: Azure, env: Environment): Environment {
    const foreign = env.AZURE_TENANT_ID !== azure.tenantId;
    return {
        ...(foreign ? withoutAzureIdentity(env) : env),
        AZURE_AUTHORITY_HOST: azure.authorityHost,
        AZURE_RESOURCE_MANAGER: azure.resourceManager,
        NODE_EXTRA_CA_CERTS: azure.caFile,
        PULUMI_DEBUG_PROVIDERS: azure.providers,
        // A proxy can't reach this machine's loopback.
        NO_PROXY: [env.NO_PROXY ?? env.no_proxy, "127.0.0.1", "localhost"]
            .filter(Boolean)
            .join(","),
    };
}

/** The user's identity at the real Azure: of no use here, and not to be sent anywhere else. */
function withoutAzureIdentity(env: Environment): Environment {
    const identity = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
    return Object.fromEntries(Object.entries(env).filter(([name]) => !identity.includes(name)));
}

/** For a stack in a real cloud: the user's own environment. */
export function realEnvironment({ name }: Stack, env: Environment): Environment {
    const standIns = (env.PULUMI_DEBUG_PROVIDERS ?? "")
        .split(",")
        .filter((each) => /^\s*(azure-native|azuread):/.test(each));
    if (standIns.length > 0) {
        throw new Error(
            `PULUMI_DEBUG_PROVIDERS is set to ${standIns.join(",")}: the providers of a local Azure must not serve stack ${name}, which is in a real cloud. Unset it and try again.`,
        );
    }
    return { ...env, PULUMI_STACK: name };
}

/**
 * For `pulumi up`: where one vault fails, all that doesn't depend on it is done nevertheless. Pulumi itself begins nothing new after the
 * first error, so that keys would be rotated and the vaults that work wouldn't have them. `--continue-on-error=false` wins over it.
 */
export function continuingEnvironment(env: Environment): Environment {
    return { PULUMI_CONTINUE_ON_ERROR: "true", ...env };
}
