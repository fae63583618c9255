import { createHash } from "node:crypto";
import { assertResource } from "../entra/app";
import { signedIn, type Tenant } from "../entra/tenants";
import type { Tokens } from "../entra/tokens";
import { errors, ResourceManagerError } from "../resourceManager/errors";
import {
    normalizedLocation,
    vaultId,
    type ResourceManager,
} from "../resourceManager/resourceManager";
import { groupResource, roleAssignmentResource, vaultResource } from "../resourceManager/routes";
import type { Subscriptions } from "../resourceManager/subscriptions";
import {
    createBeforeDelete,
    isProperties,
    omit,
    pick,
    unknown,
    type Properties,
} from "./properties";
import type { ProviderDefinition } from "./providerService";
import type { CheckContext, ResourceKind } from "./resourceKind";

/** The resources of `@pulumi/azure-native` that the local Azure has, in the subscription that is configured. */
export function azureNative(subscriptions: Subscriptions, tokens: Tokens): ProviderDefinition {
    return {
        name: "azure-native",
        configured({ subscriptionId }) {
            const id =
                typeof subscriptionId === "string"
                    ? subscriptionId
                    : subscriptions.home.resourceManager.subscriptionId;
            const subscription = subscriptions.get(id);
            if (!subscription) throw inWordsOfPlugin(errors.subscriptionNotFound(id));
            const { resourceManager: manager, tenant } = subscription;
            return {
                resources: {
                    "azure-native:resources:ResourceGroup": resourceGroup(manager),
                    "azure-native:keyvault:Vault": vault(manager),
                    "azure-native:authorization:RoleAssignment": roleAssignment(manager),
                },
                functions: {
                    "azure-native:authorization:getClientConfig": () => ({
                        ...signedIn(tenant),
                        subscriptionId: manager.subscriptionId,
                    }),
                    "azure-native:authorization:getClientToken": ({ endpoint }) =>
                        clientToken(tenant, tokens, endpoint),
                },
            };
        },
    };
}

/** A token of whoever the provider is signed in as, for the resource manager if nothing else is asked for. */
async function clientToken(tenant: Tenant, tokens: Tokens, endpoint: unknown): Promise<Properties> {
    const resource = typeof endpoint === "string" ? endpoint : "https://management.azure.com/";
    assertResource(resource);
    const { access_token } = await tokens.issue(tenant.tenantId, resource, signedIn(tenant));
    return { token: access_token };
}

function resourceGroup(manager: ResourceManager): ResourceKind {
    const inputs = ["location", "managedBy", "resourceGroupName", "tags"];
    const outputs = (name: string) => ({
        ...groupResource(manager.subscriptionId, manager.group(name)),
        azureApiVersion: "2024-03-01",
    });
    const nameOf = (id: string) => segment(id, "resourceGroups");
    const put = async (wanted: Properties) => {
        const name = String(wanted.resourceGroupName);
        await manager.putGroup(name, omit(wanted, ["resourceGroupName"]));
        return outputs(name);
    };
    return {
        inputs,
        required: [],
        replaceOn: ["location", "resourceGroupName"],
        deleteBeforeReplace: true,
        check: (wanted, context) =>
            withLocation(named(wanted, "resourceGroupName", 90, context), context),
        comparable,
        preview: (wanted, old) =>
            previewed(wanted, old, ["azureApiVersion", "name", "properties", "type"]),
        async create(wanted) {
            const name = String(wanted.resourceGroupName);
            refuseExisting(
                () => manager.group(name),
                `/subscriptions/${manager.subscriptionId}/resourcegroups/${name}`,
            );
            return withId(await asPlugin(() => put(wanted)));
        },
        read: (id) => ifThere(() => outputs(nameOf(id))),
        inputsOf: (state, id) => ({
            ...pick(state, inputs),
            resourceGroupName: nameOf(id),
        }),
        update: (_id, wanted) => asPlugin(() => put(wanted)),
        delete: (id) => ignoreGone(() => manager.deleteGroup(nameOf(id))),
    };
}

/** What ARM adds to a vault's properties. */
const vaultReadOnly = [
    "hsmPoolResourceId",
    "privateEndpointConnections",
    "provisioningState",
    "vaultUri",
];

function vault(manager: ResourceManager): ResourceKind {
    const inputs = ["location", "properties", "resourceGroupName", "tags", "vaultName"];
    const outputs = (group: string, name: string) => ({
        ...vaultResource(manager.subscriptionId, manager.vault(group, name)),
        azureApiVersion: "2024-11-01",
    });
    const groupOf = (id: string) => segment(id, "resourceGroups");
    const nameOf = (id: string) => segment(id, "vaults");
    const put = async (wanted: Properties) => {
        const [group, name] = [String(wanted.resourceGroupName), String(wanted.vaultName)];
        // Policies that the program doesn't have are kept, or none at first: the plugin treats them as resources
        // of their own (azure-native's crud.go, MaintainSubResourcePropertiesIfNotSet).
        const kept = ifThere(() => manager.vault(group, name))?.properties.accessPolicies ?? [];
        const properties = { accessPolicies: kept, ...(wanted.properties as Properties) };
        await manager.putVault(group, name, { ...pick(wanted, ["location", "tags"]), properties });
        return outputs(group, name);
    };
    return {
        inputs,
        required: ["properties", "resourceGroupName"],
        replaceOn: ["location", "resourceGroupName", "vaultName"],
        deleteBeforeReplace: true,
        check(wanted, context) {
            const group = ifThere(() => manager.group(String(wanted.resourceGroupName)));
            return withLocation(named(wanted, "vaultName", 24, context), context, group?.location);
        },
        comparable,
        preview(wanted, old) {
            const properties = isProperties(wanted.properties) && {
                properties: { ...allUnknown(vaultReadOnly), ...wanted.properties },
            };
            const computed = ["azureApiVersion", "name", "systemData", "type"];
            return { ...previewed(wanted, old, computed), ...properties };
        },
        async create(wanted) {
            const [group, name] = [String(wanted.resourceGroupName), String(wanted.vaultName)];
            refuseExisting(
                () => manager.vault(group, name),
                `/subscriptions/${manager.subscriptionId}/resourceGroups/${group}/providers/Microsoft.KeyVault/vaults/${name}`,
            );
            return withId(await asPlugin(() => put(wanted)));
        },
        read: (id) => ifThere(() => outputs(groupOf(id), nameOf(id))),
        inputsOf: (state, id) => ({
            ...pick(state, inputs),
            properties: isProperties(state.properties)
                ? omit(state.properties, vaultReadOnly)
                : undefined,
            resourceGroupName: groupOf(id),
            vaultName: nameOf(id),
        }),
        update: (_id, wanted) => asPlugin(() => put(wanted)),
        delete: (id) => ignoreGone(() => manager.deleteVault(groupOf(id), nameOf(id))),
    };
}

function roleAssignment(manager: ResourceManager): ResourceKind {
    const replaceOn = [
        "principalId",
        "principalType",
        "roleAssignmentName",
        "roleDefinitionId",
        "scope",
    ];
    const inputs = [...replaceOn, "description"];
    const at = (scope: string) =>
        [segment(scope, "resourceGroups"), segment(scope, "vaults")] as const;
    const outputs = (scope: string, name: string) => {
        const [group, vaultName] = at(scope);
        const vault = manager.vault(group, vaultName);
        const { properties, ...rest } = roleAssignmentResource(
            vaultId(manager.subscriptionId, vault),
            manager.roleAssignment(group, vaultName, name),
        );
        return { ...rest, ...properties, azureApiVersion: "2022-04-01" };
    };
    const put = async (wanted: Properties) => {
        const [scope, name] = [String(wanted.scope), String(wanted.roleAssignmentName)];
        const properties = omit(wanted, ["roleAssignmentName", "scope"]);
        await manager.putRoleAssignment(...at(scope), name, { properties });
        return outputs(scope, name);
    };
    const nameOf = (id: string) => segment(id, "roleAssignments");
    return {
        inputs,
        required: ["principalId", "roleDefinitionId", "scope"],
        replaceOn,
        deleteBeforeReplace: true,
        check: (wanted, { old, name, random }) =>
            withName(wanted, "roleAssignmentName", guidOf(random + name), old),
        preview: (wanted, old) =>
            previewed(wanted, old, ["azureApiVersion", "createdOn", "name", "type", "updatedOn"]),
        async create(wanted) {
            const [scope, name] = [String(wanted.scope), String(wanted.roleAssignmentName)];
            refuseExisting(
                () => outputs(scope, name),
                `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`,
            );
            return withId(await asPlugin(() => put(wanted)));
        },
        read: (id) => ifThere(() => outputs(id, nameOf(id))),
        inputsOf: (state, id) => ({
            ...pick(state, inputs),
            roleAssignmentName: nameOf(id),
        }),
        update: (_id, wanted) => asPlugin(() => put(wanted)),
        delete: (id) =>
            ignoreGone(async () => {
                await manager.deleteRoleAssignment(...at(id), nameOf(id));
            }),
    };
}

/** The plugin names role assignments by GUIDs; the same text gives the same one in a preview and its update. */
function guidOf(text: string): string {
    const digits = createHash("sha256").update(text).digest("hex");
    return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-8$4-$5");
}

/** With a name of the resource's own and eight digits, if none is given. */
function named(
    wanted: Properties,
    property: string,
    maxLength: number,
    { old, name, random }: CheckContext,
): Properties {
    const auto = name.slice(0, maxLength - 8) + random.slice(0, 8);
    return withName(wanted, property, auto, old);
}

/** A name that isn't given is kept from the last update, or chosen. */
function withName(
    wanted: Properties,
    property: string,
    chosen: string,
    old: Properties,
): Properties {
    if (wanted[property] !== undefined) return wanted;
    if (old[property] === undefined) {
        return { ...wanted, [property]: chosen, [createBeforeDelete]: true };
    }
    return { ...wanted, ...pick(old, [property, createBeforeDelete]) };
}

/** A location that isn't given is the last one, or the provider's, or the resource group's. */
function withLocation(
    wanted: Properties,
    { old, config }: CheckContext,
    ofGroup?: string,
): Properties {
    const location = wanted.location ?? old.location ?? config.location ?? ofGroup;
    return location === undefined ? wanted : { ...wanted, location };
}

const comparable = (wanted: Properties): Properties =>
    typeof wanted.location === "string"
        ? { ...wanted, location: normalizedLocation(wanted.location) }
        : wanted;

/** In the preview of an update the real plugin knows only these two of the outputs (provider.go, Update). */
const stable = ["name", "location"];

const previewed = (
    wanted: Properties,
    old: Properties | undefined,
    computed: readonly string[],
) => ({
    ...allUnknown(computed),
    ...omit(wanted, ["resourceGroupName", "roleAssignmentName", "vaultName"]),
    ...pick(old ?? {}, stable),
});

const allUnknown = (names: readonly string[]): Properties =>
    Object.fromEntries(names.map((name) => [name, unknown]));

const withId = (outputs: Properties) => ({ id: String(outputs.id), outputs });

/** The part of a resource's id that comes after another. */
function segment(id: string, after: string): string {
    const parts = id.split("/");
    const at = parts.findIndex((part) => part.toLowerCase() === after.toLowerCase());
    const value = parts[at + 1];
    if (at < 0 || !value)
        throw new Error(`'${id}' is not the id of such a resource: no '${after}'.`);
    return value;
}

/** PUT would update what is there already; the real plugin refuses to create it. */
function refuseExisting(find: () => unknown, id: string): void {
    if (ifThere(find)) throw new Error(`cannot create already existing resource '${id}'`);
}

const isGone = (error: unknown) => error instanceof ResourceManagerError && error.status === 404;

function ifThere<T>(find: () => T): T | undefined {
    try {
        return find();
    } catch (error) {
        if (isGone(error)) return undefined;
        throw error;
    }
}

async function ignoreGone(work: () => Promise<void>): Promise<void> {
    await asPlugin(work).catch((error: unknown) => {
        if (!isGone((error as Error).cause)) throw error;
    });
}

/** ARM's refusals in the words of the real plugin. */
async function asPlugin<T>(work: () => Promise<T>): Promise<T> {
    try {
        return await work();
    } catch (error) {
        if (!(error instanceof ResourceManagerError)) throw error;
        throw inWordsOfPlugin(error);
    }
}

const inWordsOfPlugin = (error: ResourceManagerError) =>
    new Error(`Status=${error.status} Code="${error.code}" Message="${error.message}"`, {
        cause: error,
    });
