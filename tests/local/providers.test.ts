import { status } from "@grpc/grpc-js";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import forge from "node-forge";
import { azuread } from "../../local/providers/azuread";
import { azureNative } from "../../local/providers/azureNative";
import { serveProvider } from "../../local/providers/providerService";
import { rsaKeyPair } from "../keyPair";
import { cloudServices, subscriptionId, tenantId } from "./cloudFixture";
import { Engine, urnOf } from "./providerEngine";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const secretMark = "4dabf18193072939515e22adb298388d";

const groupType = "azure-native:resources:ResourceGroup";
const vaultType = "azure-native:keyvault:Vault";
const applicationType = "azuread:index/application:Application";
const servicePrincipalType = "azuread:index/servicePrincipal:ServicePrincipal";
const certificateType = "azuread:index/applicationCertificate:ApplicationCertificate";
const federatedType =
    "azuread:index/applicationFederatedIdentityCredential:ApplicationFederatedIdentityCredential";
const roleAssignmentType = "azure-native:authorization:RoleAssignment";
const passwordType = "azuread:index/applicationPassword:ApplicationPassword";

/** Valid from the fixture's first day on; its key was thrown away. */
let certificate: string;
beforeAll(() => {
    const { privateKey } = rsaKeyPair(2048);
    const key = forge.pki.privateKeyFromPem(
        privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    );
    const made = forge.pki.createCertificate();
    made.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
    made.serialNumber = "01";
    made.validity.notBefore = new Date("2026-11-24T00:00:00Z");
    made.validity.notAfter = new Date("2027-11-24T00:00:00Z");
    made.sign(key, forge.md.sha256.create());
    certificate = forge.pki.certificateToPem(made);
});

let services: Awaited<ReturnType<typeof cloudServices>>;
let native: Engine;
let ad: Engine;
let closers: (() => Promise<void> | void)[];

beforeEach(async () => {
    services = await cloudServices();
    closers = [];
    const attach = async (definition: ReturnType<typeof azuread>) => {
        const provider = await serveProvider(definition, "dev");
        const engine = new Engine(provider.port);
        closers.push(
            () => provider.close(),
            () => engine.close(),
        );
        return engine;
    };
    native = await attach(azureNative(services.subscriptions, services.tokens));
    ad = await attach(azuread(services.tenants));
});
afterEach(async () => {
    for (const close of closers.reverse()) await close();
});

/** The plugin's mark of a name that it chose. */
const chosen = { __createBeforeDelete: true };
const groupInputs = { resourceGroupName: "group", location: "westeurope" };
const groupId = `/subscriptions/${subscriptionId}/resourceGroups/group`;
const vaultId = `${groupId}/providers/Microsoft.KeyVault/vaults/learn-keyvault`;
const policies = [
    { tenantId, objectId: "33333333-3333-4333-8333-333333333333", permissions: { keys: ["get"] } },
];
const vaultInputs = {
    resourceGroupName: "group",
    vaultName: "learn-keyvault",
    location: "westeurope",
    properties: { tenantId, sku: { family: "A", name: "premium" }, accessPolicies: policies },
};

describe("the protocol", () => {
    test("previews, and leaves secrets to the engine", async () => {
        expect(await native.configure({})).toEqual({ supportsPreview: true, acceptSecrets: false });
        expect(await native.version()).toMatch(/^\d+\.\d+\.\d+$/);
    });

    test("another stack is refused in everything that names it", async () => {
        const refusal = {
            code: status.FAILED_PRECONDITION,
            details:
                "These stand-in providers belong to the local Azure of stack dev; stack prod has to use the real " +
                "azure-native plugin: unset PULUMI_DEBUG_PROVIDERS.",
        };
        const urn = urnOf(groupType, "it", "prod");
        await expect(native.checkConfig("prod")).rejects.toMatchObject(refusal);
        await expect(native.check(groupType, groupInputs, {}, urn)).rejects.toMatchObject(refusal);
        await expect(native.create(groupType, groupInputs, false, urn)).rejects.toMatchObject(
            refusal,
        );
        expect(services.resourceManager.groups()).toEqual([]);
        await native.checkConfig("dev");
    });

    test("what the local Azure doesn't have is named", async () => {
        await expect(native.check("azure-native:storage:StorageAccount", {})).rejects.toMatchObject(
            {
                code: status.UNIMPLEMENTED,
                details: expect.stringContaining(
                    "The local Azure has no resource 'azure-native:storage:StorageAccount'",
                ) as string,
            },
        );
        await expect(ad.invoke("azuread:index/getUser:getUser")).rejects.toMatchObject({
            code: status.UNIMPLEMENTED,
            details: expect.stringContaining("'azuread:index/getUser:getUser'") as string,
        });
        const { failures } = await ad.check(applicationType, { web: {} });
        expect(failures).toEqual([
            ["displayName", "missing required property 'displayName'"],
            ["web", expect.stringContaining("the local Azure does not do 'web' yet")],
        ]);
    });

    test("functions tell the operator's identity", async () => {
        const { clientId, principal } = services.operator;
        const { objectId } = principal;
        expect(await native.invoke("azure-native:authorization:getClientConfig")).toEqual({
            clientId,
            objectId,
            subscriptionId,
            tenantId,
        });
        expect(await ad.invoke("azuread:index/getClientConfig:getClientConfig")).toEqual({
            id: expect.any(String) as string,
            clientId,
            objectId,
            tenantId,
        });
    });

    test("a token is the operator's, for the resource manager or what is asked for", async () => {
        const token = "azure-native:authorization:getClientToken";
        const claims = async (args: Record<string, unknown>) => {
            const answer = await native.invoke(token, args);
            return services.tokens.verify(String(answer?.token));
        };
        expect(await claims({})).toMatchObject({
            audience: "https://management.azure.com/",
            clientId: services.operator.clientId,
            tenantId,
        });
        expect(await claims({ endpoint: "https://vault.azure.net" })).toMatchObject({
            audience: "https://vault.azure.net",
        });
        await expect(native.invoke(token, { endpoint: "https://example.com" })).rejects.toThrow(
            /https:\/\/example\.com/,
        );
    });
});

describe("an explicit provider", () => {
    test("of azure-native works in its subscription", async () => {
        const second = await services.subscriptions.add(services.tenants.home);
        await native.configure({ subscriptionId: second });
        const { id } = await native.create(groupType, groupInputs);
        expect(id).toBe(`/subscriptions/${second}/resourceGroups/group`);
        expect(services.subscriptions.get(second)!.resourceManager.groups()).toHaveLength(1);
        expect(services.resourceManager.groups()).toEqual([]);
        expect(await native.invoke("azure-native:authorization:getClientConfig")).toMatchObject({
            subscriptionId: second,
            tenantId,
        });
    });

    test("of azure-native in another tenant's subscription is signed in to that tenant", async () => {
        const other = await services.subscriptions.addTenant();
        await native.configure({ subscriptionId: other.subscriptionIds[0] });
        await native.create(groupType, groupInputs);
        const properties = { ...vaultInputs.properties, tenantId: other.tenantId };
        const inputs = { ...vaultInputs, properties: { ...properties, accessPolicies: [] } };
        const { outputs } = await native.create(vaultType, inputs);
        expect(outputs.properties).toMatchObject({ tenantId: other.tenantId });
        expect(await native.invoke("azure-native:authorization:getClientConfig")).toMatchObject({
            clientId: other.operator.clientId,
            tenantId: other.tenantId,
        });
    });

    test("of azure-native with an unknown subscription is refused", async () => {
        const subscriptionId = "99999999-9999-4999-8999-999999999999";
        await native.configure({ subscriptionId });
        await expect(native.create(groupType, groupInputs)).rejects.toThrow(
            `Status=404 Code="SubscriptionNotFound" Message="The subscription '${subscriptionId}' could not be found."`,
        );
    });

    test("of azuread works in its tenant", async () => {
        const other = await services.subscriptions.addTenant();
        await ad.configure({ tenantId: other.tenantId });
        const { outputs } = await ad.create(applicationType, { displayName: "app" });
        const clientId = String(outputs.clientId);
        expect(other.directory.applicationOf(clientId)).toBeDefined();
        expect(services.directory.applicationOf(clientId)).toBeUndefined();
        await ad.configure({ tenantId: vaultId });
        await expect(ad.create(applicationType, { displayName: "app" })).rejects.toThrow(
            /Tenant '.*' not found/,
        );
    });
});

describe("azure-native ResourceGroup", () => {
    test("is named by the plugin once, and takes its location from the provider", async () => {
        await native.configure({ location: "northeurope" });
        const urn = urnOf(groupType, "learn");
        expect(await native.check(groupType, {}, {}, urn)).toEqual({
            inputs: { resourceGroupName: "learn01234567", location: "northeurope", ...chosen },
            failures: [],
        });
        const old = { resourceGroupName: "learnffffffff", location: "westeurope", ...chosen };
        expect((await native.check(groupType, {}, old, urn)).inputs).toEqual(old);
        const named = { ...old, resourceGroupName: "mine" };
        const { resourceGroupName } = named;
        expect((await native.check(groupType, { resourceGroupName }, named, urn)).inputs).toEqual({
            resourceGroupName,
            location: "westeurope",
        });
    });

    test("lives through create, update, refresh, import and delete", async () => {
        const { id, outputs } = await native.create(groupType, groupInputs);
        expect(id).toBe(groupId);
        expect(outputs).toMatchObject({
            name: "group",
            type: "Microsoft.Resources/resourceGroups",
            azureApiVersion: "2024-03-01",
        });
        await expect(native.create(groupType, groupInputs)).rejects.toThrow(
            `cannot create already existing resource '/subscriptions/${subscriptionId}/resourcegroups/group'`,
        );
        const tagged = { ...groupInputs, tags: { a: "1" } };
        const updated = await native.update(groupType, id, outputs, tagged);
        expect(updated.tags).toEqual({ a: "1" });
        expect(await native.read(groupType, id, updated, tagged)).toEqual({
            id,
            outputs: updated,
            inputs: tagged,
        });
        expect((await native.read(groupType, id, {})).inputs).toEqual(tagged);
        await native.delete(groupType, id);
        expect((await native.read(groupType, id, updated, tagged)).id).toBe("");
        await native.delete(groupType, id);
    });

    test("a location is the same however it is written; another one replaces", async () => {
        const spaced = { ...groupInputs, location: "West Europe" };
        expect(await native.diff(groupType, groupInputs, spaced)).toMatchObject({ changed: false });
        const moved = { ...groupInputs, location: "northeurope" };
        expect(await native.diff(groupType, groupInputs, moved)).toMatchObject({
            changed: true,
            replaces: ["location"],
            deleteBeforeReplace: true,
        });
    });

    test("whose name the plugin chose is replaced by another before it is deleted", async () => {
        const { inputs = {} } = await native.check(groupType, { location: "westeurope" });
        const moved = { ...inputs, location: "northeurope" };
        expect(await native.diff(groupType, inputs, moved)).toMatchObject({
            replaces: ["location"],
            deleteBeforeReplace: false,
        });
        const { outputs } = await native.create(groupType, inputs);
        expect(outputs).not.toHaveProperty("__createBeforeDelete");
    });
});

describe("azure-native Vault", () => {
    beforeEach(async () => {
        await native.create(groupType, groupInputs);
    });

    test("takes the resource group's location and a name of at most 24 characters", async () => {
        const { resourceGroupName, properties } = vaultInputs;
        const urn = urnOf(vaultType, "a-rather-long-resource-name");
        expect(
            (await native.check(vaultType, { resourceGroupName, properties }, {}, urn)).inputs,
        ).toEqual({
            resourceGroupName,
            properties,
            vaultName: "a-rather-long-re01234567",
            location: "westeurope",
            ...chosen,
        });
        const { failures } = await native.check(vaultType, {});
        expect(failures.map(([property]) => property)).toEqual(["properties", "resourceGroupName"]);
    });

    test("a preview of its creation knows inputs only, and makes nothing", async () => {
        const { id, outputs } = await native.create(vaultType, vaultInputs, true);
        expect(id).toBe("");
        expect(outputs).toMatchObject({
            name: unknown,
            location: "westeurope",
            properties: {
                ...vaultInputs.properties,
                vaultUri: unknown,
                provisioningState: unknown,
            },
        });
        expect(outputs).not.toHaveProperty("vaultName");
        expect(services.resourceManager.vaults()).toEqual([]);
    });

    test("a preview of an update keeps name and location, as the plugin does", async () => {
        const { id, outputs } = await native.create(vaultType, vaultInputs);
        const tagged = { ...vaultInputs, tags: { a: "1" } };
        const previewed = await native.update(vaultType, id, outputs, tagged, true);
        expect(previewed).toMatchObject({
            name: "learn-keyvault",
            location: "westeurope",
            tags: { a: "1" },
            properties: { vaultUri: unknown },
        });
        expect(services.resourceManager.vault("group", "learn-keyvault").tags).toBeUndefined();
    });

    test("lives through create, update, and soft-delete, whose name is named", async () => {
        const { id, outputs } = await native.create(vaultType, vaultInputs);
        expect(id).toBe(vaultId);
        expect(outputs).toMatchObject({
            name: "learn-keyvault",
            type: "Microsoft.KeyVault/vaults",
            azureApiVersion: "2024-11-01",
            systemData: { createdAt: "2026-11-24T00:00:00.000Z" },
            properties: { vaultUri: "https://127.0.0.1:20001/", accessPolicies: policies },
        });
        const { tenantId, sku } = vaultInputs.properties;
        const others = { tenantId, sku };
        const none = { ...vaultInputs, properties: others };
        const kept = await native.update(vaultType, id, outputs, none);
        expect(kept.properties).toMatchObject({ accessPolicies: policies });
        const emptied = { ...none, properties: { ...others, accessPolicies: [] } };
        const updated = await native.update(vaultType, id, outputs, emptied);
        expect(updated.properties).toMatchObject({ accessPolicies: [] });

        await native.delete(vaultType, id);
        await native.delete(vaultType, id);
        expect((await native.read(vaultType, id, updated, emptied)).id).toBe("");
        await expect(native.create(vaultType, vaultInputs)).rejects.toThrow(
            /Status=409 Code="ConflictError" Message="A vault with the same name already exists in deleted state/,
        );
        const elsewhere = { ...vaultInputs, location: "northeurope" };
        await expect(native.create(vaultType, elsewhere)).rejects.toThrow(
            /Status=409 Code="VaultAlreadyExists"/,
        );
    });

    test("comes back by createMode recover, created when it was", async () => {
        const { id, outputs } = await native.create(vaultType, vaultInputs);
        await native.delete(vaultType, id);
        services.clock.set("2026-11-25T00:00:00Z");
        const properties = { ...vaultInputs.properties, createMode: "recover" };
        const recovered = await native.create(vaultType, { ...vaultInputs, properties });
        expect(recovered.outputs).toEqual(outputs);
    });

    test("a refresh copies to the inputs what was changed, and only that", async () => {
        const { id, outputs } = await native.create(vaultType, vaultInputs);
        expect(await native.read(vaultType, id, outputs, vaultInputs)).toEqual({
            id,
            outputs,
            inputs: vaultInputs,
        });
        await services.resourceManager.patchVault("group", "learn-keyvault", {
            tags: { drift: "1" },
            properties: { accessPolicies: [], enablePurgeProtection: true },
        });
        const { inputs } = await native.read(vaultType, id, outputs, vaultInputs);
        expect(inputs).toEqual({
            ...vaultInputs,
            tags: { drift: "1" },
            properties: {
                ...vaultInputs.properties,
                accessPolicies: [],
                enablePurgeProtection: true,
            },
        });
    });

    test("an import takes names from the id", async () => {
        const { id, outputs } = await native.create(vaultType, vaultInputs);
        const imported = await native.read(vaultType, id, {});
        expect(imported.outputs).toEqual(outputs);
        expect(imported.inputs).toMatchObject(vaultInputs);
        expect(imported.inputs?.properties).not.toHaveProperty("vaultUri");
    });

    test("differences by path; names and location replace", async () => {
        const { Kind } = rpc.PropertyDiff;
        expect(await native.diff(vaultType, vaultInputs, vaultInputs)).toEqual({
            changed: false,
            replaces: [],
            deleteBeforeReplace: false,
            detailed: {},
        });
        const properties = {
            ...vaultInputs.properties,
            softDeleteRetentionInDays: 7,
            accessPolicies: [{ ...policies[0], permissions: { keys: ["get", "list"] } }],
        };
        expect(await native.diff(vaultType, vaultInputs, { ...vaultInputs, properties })).toEqual({
            changed: true,
            replaces: [],
            deleteBeforeReplace: false,
            detailed: {
                "properties.softDeleteRetentionInDays": Kind.ADD,
                "properties.accessPolicies[0].permissions.keys[1]": Kind.ADD,
            },
        });
        const renamed = { ...vaultInputs, vaultName: "other-keyvault" };
        expect(await native.diff(vaultType, vaultInputs, renamed)).toEqual({
            changed: true,
            replaces: ["vaultName"],
            deleteBeforeReplace: true,
            detailed: { vaultName: Kind.UPDATE_REPLACE },
        });
    });

    test("a refusal of the resource manager is readable", async () => {
        const wrong = { ...vaultInputs, vaultName: "no--name" };
        await expect(native.create(vaultType, wrong)).rejects.toThrow(
            /Status=400 Code="VaultNameNotValid" Message="The vault name 'no--name' is invalid\./,
        );
        const lost = { ...vaultInputs, resourceGroupName: "lost" };
        await expect(native.create(vaultType, lost)).rejects.toThrow(
            `Status=404 Code="ResourceGroupNotFound" Message="Resource group 'lost' could not be found."`,
        );
    });
});

describe("azure-native RoleAssignment", () => {
    const officer = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/14b46e9e-c2b7-41b4-b07b-48a6ebf60603`;
    const name = "55555555-5555-4555-8555-555555555555";
    let inputs: Record<string, unknown>;

    beforeEach(async () => {
        await native.create(groupType, groupInputs);
        await native.create(vaultType, vaultInputs);
        inputs = {
            scope: vaultId,
            roleAssignmentName: name,
            roleDefinitionId: officer,
            principalId: services.operator.principal.objectId,
            principalType: "ServicePrincipal",
        };
    });

    test("gets a GUID for a name, which it keeps", async () => {
        const { roleAssignmentName, ...unnamed } = inputs;
        const named = await native.check(roleAssignmentType, unnamed);
        expect(named.failures).toEqual([]);
        expect(named.inputs?.roleAssignmentName).toMatch(
            /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/,
        );
        const again = await native.check(roleAssignmentType, unnamed);
        expect(again.inputs).toEqual(named.inputs);
        const kept = await native.check(roleAssignmentType, unnamed, { roleAssignmentName });
        expect(kept.inputs).toEqual(inputs);
    });

    test("lives through create, refresh, import, replacement and delete", async () => {
        const { id, outputs } = await native.create(roleAssignmentType, inputs);
        expect(id).toBe(`${vaultId}/providers/Microsoft.Authorization/roleAssignments/${name}`);
        expect(outputs).toMatchObject({
            id,
            name,
            scope: vaultId,
            roleDefinitionId: officer,
            azureApiVersion: "2022-04-01",
        });
        await expect(native.create(roleAssignmentType, inputs)).rejects.toThrow(
            `cannot create already existing resource '${id}'`,
        );
        expect(await native.read(roleAssignmentType, id, outputs, inputs)).toEqual({
            id,
            outputs,
            inputs,
        });
        expect((await native.read(roleAssignmentType, id, {})).inputs).toEqual(inputs);
        const other = { ...inputs, principalId: tenantId };
        expect(await native.diff(roleAssignmentType, inputs, other)).toMatchObject({
            replaces: ["principalId"],
            deleteBeforeReplace: true,
        });
        const described = { ...inputs, description: "for keys" };
        expect(await native.diff(roleAssignmentType, inputs, described)).toMatchObject({
            changed: true,
            replaces: [],
        });
        const updated = await native.update(roleAssignmentType, id, outputs, described);
        expect(updated.description).toBe("for keys");
        await native.delete(roleAssignmentType, id);
        await native.delete(roleAssignmentType, id);
        expect((await native.read(roleAssignmentType, id, outputs, inputs)).id).toBe("");
    });

    test("a preview makes nothing; an unknown role is refused readably", async () => {
        const { outputs } = await native.create(
            roleAssignmentType,
            { ...inputs, principalId: unknown },
            true,
        );
        expect(outputs).toMatchObject({ name: unknown, principalId: unknown });
        expect(services.resourceManager.roleAssignments("group", "learn-keyvault")).toEqual([]);
        const wrong = { ...inputs, roleDefinitionId: officer.replace(/.$/, "0") };
        await expect(native.create(roleAssignmentType, wrong)).rejects.toThrow(
            /Status=400 Code="RoleDefinitionDoesNotExist"/,
        );
    });
});

describe("azuread", () => {
    test("application, service principal and password give working credentials", async () => {
        const application = await ad.create(applicationType, { displayName: "app" });
        const { clientId, objectId } = application.outputs as Record<string, string>;
        expect(application.id).toBe(`/applications/${objectId}`);

        const principal = await ad.create(servicePrincipalType, { clientId });
        expect(principal.id).toBe(`/servicePrincipals/${String(principal.outputs.objectId)}`);
        expect(principal.outputs).toMatchObject({
            clientId,
            displayName: "app",
            applicationTenantId: tenantId,
            accountEnabled: true,
        });

        const password = await ad.create(passwordType, {
            applicationId: application.id,
            displayName: "pulumi",
            endDateRelative: "24h30m",
        });
        expect(password.id).toBe(`${objectId}/password/${String(password.outputs.keyId)}`);
        expect(password.outputs).toMatchObject({
            applicationId: application.id,
            displayName: "pulumi",
            startDate: "2026-11-24T00:00:00Z",
            endDate: "2026-11-25T00:30:00Z",
        });
        const value = password.outputs.value as Record<string, string>;
        expect(value).toHaveProperty([secretMark]);
        const known = services.directory.applicationOf(clientId!)!;
        expect(services.directory.checkSecret(known, value.value!)).toBe("valid");

        // The engine sends the state back without the mark; the secret comes from there alone.
        const state = { ...password.outputs, value: value.value };
        const refreshed = await ad.read(passwordType, password.id, state, {
            applicationId: application.id,
            displayName: "pulumi",
            endDateRelative: "24h30m",
        });
        expect(refreshed.outputs).toEqual(password.outputs);
        expect(refreshed.inputs).toEqual({
            applicationId: application.id,
            displayName: "pulumi",
            endDateRelative: "24h30m",
        });

        await ad.delete(passwordType, password.id);
        expect((await ad.read(passwordType, password.id, state, {})).id).toBe("");
        expect(services.directory.checkSecret(known, value.value!)).toBe("invalid");
        // Entra ID deletes the service principal with its application; both deletes succeed all the same.
        await ad.delete(applicationType, application.id);
        expect((await ad.read(servicePrincipalType, principal.id, {}, {})).id).toBe("");
        await ad.delete(servicePrincipalType, principal.id);
        await ad.delete(passwordType, password.id);
    });

    test("a certificate is one of its application, is replaced by any change and removed", async () => {
        const application = await ad.create(applicationType, { displayName: "app" });
        const inputs = {
            applicationId: application.id,
            encoding: "pem",
            type: "AsymmetricX509Cert",
            value: certificate,
            endDateRelative: "24h",
        };
        const created = await ad.create(certificateType, inputs);
        const objectId = String(application.outputs.objectId);
        expect(created.id).toBe(`${objectId}/certificate/${String(created.outputs.keyId)}`);
        expect(created.outputs).toMatchObject({
            applicationId: application.id,
            startDate: "2026-11-24T00:00:00Z",
            endDate: "2026-11-25T00:00:00Z",
        });
        expect(services.directory.certificatesOf(objectId)).toHaveLength(1);
        const state = { ...created.outputs, value: certificate };
        const refreshed = await ad.read(certificateType, created.id, state, inputs);
        expect(refreshed).toEqual({ id: created.id, outputs: created.outputs, inputs });
        const shorter = { ...inputs, endDateRelative: "12h" };
        expect(await ad.diff(certificateType, inputs, shorter)).toMatchObject({
            replaces: ["endDateRelative"],
        });
        await expect(ad.create(certificateType, { ...inputs, value: "x" })).rejects.toThrow(
            "unexpected status 400 with error: KeyCredentialsInvalidKeyValue",
        );
        await ad.delete(certificateType, created.id);
        expect(services.directory.certificatesOf(objectId)).toEqual([]);
        expect((await ad.read(certificateType, created.id, state, inputs)).id).toBe("");
    });

    test("a federated identity credential changes in place, except for its name", async () => {
        const application = await ad.create(applicationType, { displayName: "app" });
        const inputs = {
            applicationId: application.id,
            displayName: "pipeline",
            issuer: "https://127.0.0.1:20000",
            subject: "repo:example/stack",
            audiences: ["api://AzureADTokenExchange"],
        };
        const { id, outputs } = await ad.create(federatedType, inputs);
        const objectId = String(application.outputs.objectId);
        expect(id).toBe(`${objectId}/federatedIdentityCredential/${String(outputs.credentialId)}`);
        expect(await ad.read(federatedType, id, outputs, inputs)).toEqual({ id, outputs, inputs });
        const moved = { ...inputs, subject: "repo:example/other" };
        expect(await ad.diff(federatedType, inputs, moved)).toMatchObject({
            changed: true,
            replaces: [],
        });
        const updated = await ad.update(federatedType, id, outputs, moved);
        expect(updated).toEqual({ ...outputs, subject: "repo:example/other" });
        expect(
            await ad.diff(federatedType, inputs, { ...inputs, displayName: "other" }),
        ).toMatchObject({ replaces: ["displayName"] });
        await ad.delete(federatedType, id);
        expect((await ad.read(federatedType, id, updated, moved)).id).toBe("");
    });

    test("previews know nothing that only Entra ID can say", async () => {
        const { outputs } = await ad.create(applicationType, { displayName: "app" }, true);
        expect(outputs).toMatchObject({ displayName: "app", clientId: unknown, objectId: unknown });
        const principal = await ad.create(servicePrincipalType, { clientId: unknown }, true);
        expect(principal.outputs).toMatchObject({ objectId: unknown, clientId: unknown });
        const password = await ad.create(passwordType, { applicationId: unknown }, true);
        expect(password.outputs).toMatchObject({ value: unknown, keyId: unknown });
    });

    test("an application is renamed in place, and keeps its ids in the preview of that", async () => {
        const { id, outputs } = await ad.create(applicationType, { displayName: "app" });
        const renamed = { displayName: "renamed" };
        expect(await ad.diff(applicationType, { displayName: "app" }, renamed)).toMatchObject({
            changed: true,
            replaces: [],
        });
        const { clientId, objectId } = outputs;
        expect(await ad.update(applicationType, id, outputs, renamed, true)).toMatchObject({
            clientId,
            objectId,
            displayName: "renamed",
        });
        expect(services.directory.application(String(objectId))?.displayName).toBe("app");
        const updated = await ad.update(applicationType, id, outputs, renamed);
        expect(updated).toMatchObject({ clientId, objectId, displayName: "renamed" });
    });

    test("another client, and any change of a password, is a new one", async () => {
        expect(
            await ad.diff(servicePrincipalType, { clientId: "a" }, { clientId: unknown }),
        ).toMatchObject({ replaces: ["clientId"], deleteBeforeReplace: false });
        const old = { applicationId: "/applications/1", rotateWhenChanged: { at: "1" } };
        const rotated = { ...old, rotateWhenChanged: { at: "2" } };
        expect(await ad.diff(passwordType, old, rotated)).toMatchObject({
            replaces: ["rotateWhenChanged"],
            deleteBeforeReplace: false,
        });
    });

    test("refusals of Microsoft Graph are readable", async () => {
        const lost = "44444444-4444-4444-8444-444444444444";
        await expect(ad.create(servicePrincipalType, { clientId: lost })).rejects.toThrow(
            `unexpected status 400 with error: Request_BadRequest: The appId '${lost}'`,
        );
        await expect(
            ad.create(passwordType, { applicationId: `/applications/${lost}` }),
        ).rejects.toThrow(`Request_ResourceNotFound: Resource '${lost}' does not exist`);
        await expect(ad.create(passwordType, { applicationId: lost })).rejects.toThrow(
            `'${lost}' is not an id of the form '/applications/<object id>'.`,
        );
    });
});
