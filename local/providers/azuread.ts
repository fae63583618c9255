import { GraphError, type Directory } from "../entra/directory";
import { signedIn, type Tenant, type Tenants } from "../entra/tenants";
import type {
    Application,
    ApplicationAttributes,
    Certificate,
    FederatedCredential,
    FederatedCredentialAttributes,
    Password,
    ServicePrincipal,
    ServicePrincipalAttributes,
} from "../entra/directory";
import { omit, pick, unknown, type Properties } from "./properties";
import type { ProviderDefinition, Services } from "./providerService";
import type { ResourceKind } from "./resourceKind";

/** The resources of `@pulumi/azuread` that the local Azure has, in the tenant that is configured. */
export function azuread(tenants: Tenants): ProviderDefinition {
    return {
        name: "azuread",
        configured({ tenantId }) {
            const id = typeof tenantId === "string" ? tenantId : tenants.home.tenantId;
            const tenant = tenants.find(id);
            if (!tenant) throw new Error(`Tenant '${id}' not found.`);
            return services(tenant);
        },
    };
}

function services(tenant: Tenant): Services {
    const { directory, tenantId } = tenant;
    const { clientId, objectId } = signedIn(tenant);
    const id = Buffer.from(`${tenantId}-${clientId}-${objectId}`).toString("base64");
    return {
        resources: {
            "azuread:index/application:Application": application(directory),
            "azuread:index/servicePrincipal:ServicePrincipal": servicePrincipal(
                directory,
                tenantId,
            ),
            "azuread:index/applicationPassword:ApplicationPassword": password(directory),
            "azuread:index/applicationCertificate:ApplicationCertificate": certificate(directory),
            "azuread:index/applicationFederatedIdentityCredential:ApplicationFederatedIdentityCredential":
                federatedCredential(directory),
        },
        functions: {
            "azuread:index/getClientConfig:getClientConfig": () => ({
                id,
                clientId,
                objectId,
                tenantId,
            }),
        },
    };
}

function application(directory: Directory): ResourceKind {
    const inputs = ["description", "displayName", "notes", "owners", "signInAudience", "tags"];
    const computed = {
        appRoleIds: {},
        disabledByMicrosoft: "",
        logoUrl: "",
        oauth2PermissionScopeIds: {},
        publisherDomain: "local.onmicrosoft.com",
    };
    const outputs = (found: Application): Properties => ({
        ...computed,
        ...found,
        tags: found.tags ?? [],
        signInAudience: found.signInAudience ?? "AzureADMyOrg",
    });
    const objectId = (id: string) => lastSegment(id, "applications");
    return {
        inputs,
        required: ["displayName"],
        replaceOn: [],
        deleteBeforeReplace: false,
        preview: (wanted, old) => ({
            ...(old ?? allUnknown(["clientId", "objectId", ...Object.keys(computed)])),
            ...wanted,
        }),
        async create(wanted) {
            const created = await directory.createApplication(
                wanted as unknown as ApplicationAttributes,
            );
            return { id: `/applications/${created.objectId}`, outputs: outputs(created) };
        },
        read(id) {
            const found = directory.application(objectId(id));
            return found && outputs(found);
        },
        inputsOf: (state) => pick(state, inputs),
        update: async (id, wanted) =>
            outputs(
                await asPlugin(() =>
                    directory.updateApplication(
                        objectId(id),
                        wanted as unknown as ApplicationAttributes,
                    ),
                ),
            ),
        delete: (id) => directory.deleteApplication(objectId(id)),
    };
}

function servicePrincipal(directory: Directory, tenantId: string): ResourceKind {
    const attributes = [
        "accountEnabled",
        "appRoleAssignmentRequired",
        "description",
        "notes",
        "owners",
        "tags",
    ];
    const inputs = ["clientId", ...attributes];
    const fixed = {
        appRoleIds: {},
        appRoles: [],
        homepageUrl: "",
        logoutUrl: "",
        oauth2PermissionScopeIds: {},
        oauth2PermissionScopes: [],
        redirectUris: [],
        samlMetadataUrl: "",
        signInAudience: "AzureADMyOrg",
        type: "Application",
    };
    const outputs = (found: ServicePrincipal): Properties => ({
        ...fixed,
        ...found,
        accountEnabled: found.accountEnabled ?? true,
        appRoleAssignmentRequired: found.appRoleAssignmentRequired ?? false,
        applicationTenantId: tenantId,
        displayName: directory.applicationOf(found.clientId)?.displayName ?? "",
        servicePrincipalNames: [found.clientId],
        tags: found.tags ?? [],
    });
    const computed = [
        ...Object.keys(fixed),
        "applicationTenantId",
        "displayName",
        "objectId",
        "servicePrincipalNames",
    ];
    const objectId = (id: string) => lastSegment(id, "servicePrincipals");
    return {
        inputs,
        required: ["clientId"],
        replaceOn: ["clientId"],
        deleteBeforeReplace: false,
        preview: (wanted, old) => ({ ...(old ?? allUnknown(computed)), ...wanted }),
        async create(wanted) {
            const created = await asPlugin(() =>
                directory.createServicePrincipal(
                    String(wanted.clientId),
                    omit(wanted, ["clientId"]) as ServicePrincipalAttributes,
                ),
            );
            return { id: `/servicePrincipals/${created.objectId}`, outputs: outputs(created) };
        },
        read(id) {
            const found = directory.servicePrincipal(objectId(id));
            return found && outputs(found);
        },
        inputsOf: (state) => pick(state, inputs),
        update: async (id, wanted) =>
            outputs(
                await asPlugin(() =>
                    directory.updateServicePrincipal(
                        objectId(id),
                        omit(wanted, ["clientId"]) as ServicePrincipalAttributes,
                    ),
                ),
            ),
        delete: (id) => directory.deleteServicePrincipal(objectId(id)),
    };
}

function password(directory: Directory): ResourceKind {
    const inputs = [
        "applicationId",
        "displayName",
        "endDate",
        "endDateRelative",
        "rotateWhenChanged",
        "startDate",
    ];
    const outputs = (found: Password, old: Properties): Properties => ({
        ...pick(old, ["endDateRelative", "rotateWhenChanged"]),
        applicationId: `/applications/${found.applicationObjectId}`,
        displayName: found.displayName ?? "",
        endDate: found.endDate,
        keyId: found.keyId,
        startDate: found.startDate,
        // Entra ID tells the value once; from then on only the state has it.
        value: old.value,
    });
    const keyId = (id: string) => lastSegment(id, "password");
    return {
        inputs,
        required: ["applicationId"],
        replaceOn: inputs,
        deleteBeforeReplace: false,
        secrets: ["value"],
        preview: (wanted) => ({
            ...allUnknown(["displayName", "endDate", "keyId", "startDate", "value"]),
            ...wanted,
        }),
        async create(wanted) {
            const application = lastSegment(String(wanted.applicationId), "applications");
            const { password: created, value } = await asPlugin(() =>
                directory.addPassword(application, {
                    ...pick(wanted, ["displayName", "endDate", "startDate"]),
                    ...(typeof wanted.endDateRelative === "string" && {
                        lifetime: goDuration(wanted.endDateRelative),
                    }),
                }),
            );
            return {
                id: `${application}/password/${created.keyId}`,
                outputs: outputs(created, { ...wanted, value }),
            };
        },
        read(id, old) {
            const found = directory.password(keyId(id));
            return found && outputs(found, old);
        },
        inputsOf: (state) => pick(state, inputs),
        delete: (id) => directory.removePassword(keyId(id)),
    };
}

function certificate(directory: Directory): ResourceKind {
    const inputs = [
        "applicationId",
        "encoding",
        "endDate",
        "endDateRelative",
        "startDate",
        "type",
        "value",
    ];
    const outputs = (found: Certificate, old: Properties): Properties => ({
        ...pick(old, ["encoding", "endDateRelative", "type", "value"]),
        applicationId: `/applications/${found.applicationObjectId}`,
        keyId: found.keyId,
        startDate: found.startDate,
        endDate: found.endDate,
    });
    const keyId = (id: string) => lastSegment(id, "certificate");
    return {
        inputs,
        required: ["applicationId", "value"],
        replaceOn: inputs,
        deleteBeforeReplace: false,
        // Public, but the plugin marks it so.
        secrets: ["value"],
        preview: (wanted) => ({
            ...allUnknown(["endDate", "keyId", "startDate"]),
            ...wanted,
        }),
        async create(wanted) {
            const application = lastSegment(String(wanted.applicationId), "applications");
            const { type = "AsymmetricX509Cert" } = wanted;
            if (type !== "AsymmetricX509Cert") {
                throw new Error(
                    `The local Azure does not do certificates of type '${String(type)}' yet; it does AsymmetricX509Cert.`,
                );
            }
            const created = await asPlugin(() =>
                directory.addCertificate(application, {
                    value: String(wanted.value),
                    ...pick(wanted, ["encoding", "endDate", "startDate"]),
                    ...(typeof wanted.endDateRelative === "string" && {
                        lifetime: goDuration(wanted.endDateRelative),
                    }),
                }),
            );
            return {
                id: `${application}/certificate/${created.keyId}`,
                outputs: outputs(created, wanted),
            };
        },
        read(id, old) {
            const found = directory.certificate(keyId(id));
            return found && outputs(found, old);
        },
        inputsOf: (state) => pick(state, inputs),
        delete: (id) => directory.removeCertificate(keyId(id)),
    };
}

function federatedCredential(directory: Directory): ResourceKind {
    const attributes = ["audiences", "description", "displayName", "issuer", "subject"];
    const inputs = ["applicationId", ...attributes];
    const outputs = (found: FederatedCredential): Properties => ({
        ...pick({ ...found }, [...attributes, "credentialId"]),
        applicationId: `/applications/${found.applicationObjectId}`,
    });
    const attributesOf = (wanted: Properties) =>
        pick(wanted, attributes) as unknown as FederatedCredentialAttributes;
    const credentialId = (id: string) => lastSegment(id, "federatedIdentityCredential");
    return {
        inputs,
        required: ["applicationId", "audiences", "displayName", "issuer", "subject"],
        replaceOn: ["applicationId", "displayName"],
        deleteBeforeReplace: false,
        preview: (wanted, old) => ({ ...(old ?? allUnknown(["credentialId"])), ...wanted }),
        async create(wanted) {
            const application = lastSegment(String(wanted.applicationId), "applications");
            const created = await asPlugin(() =>
                directory.addFederatedCredential(application, attributesOf(wanted)),
            );
            return {
                id: `${application}/federatedIdentityCredential/${created.credentialId}`,
                outputs: outputs(created),
            };
        },
        read(id) {
            const found = directory.federatedCredential(credentialId(id));
            return found && outputs(found);
        },
        inputsOf: (state) => pick(state, inputs),
        update: async (id, wanted) =>
            outputs(
                await asPlugin(() =>
                    directory.updateFederatedCredential(credentialId(id), attributesOf(wanted)),
                ),
            ),
        delete: (id) => directory.removeFederatedCredential(credentialId(id)),
    };
}

const allUnknown = (names: readonly string[]): Properties =>
    Object.fromEntries(names.map((name) => [name, unknown]));

const milliseconds = { h: 3_600_000, m: 60_000, s: 1000 } as const;

/** Milliseconds of a duration as Go writes it, such as `4320h` or `1h30m`: azuread's form of `endDateRelative`. */
function goDuration(text: string): number {
    if (!/^(\d+[hms])+$/.test(text)) {
        throw new Error(`endDateRelative '${text}' is not a duration such as '4320h' or '1h30m'.`);
    }
    return [...text.matchAll(/(\d+)([hms])/g)].reduce(
        (sum, [, count, unit]) => sum + Number(count) * milliseconds[unit as "h" | "m" | "s"],
        0,
    );
}

/** The object id at the end of ids such as `/applications/<object id>`. */
function lastSegment(id: string, collection: string): string {
    const found = new RegExp(`(?:^|/)${collection}/([^/]+)$`).exec(id)?.[1];
    if (!found) throw new Error(`'${id}' is not an id of the form '/${collection}/<object id>'.`);
    return found;
}

/** Microsoft Graph's refusals in the words of the real plugin. */
async function asPlugin<T>(work: () => Promise<T>): Promise<T> {
    try {
        return await work();
    } catch (error) {
        if (!(error instanceof GraphError)) throw error;
        throw new Error(
            `unexpected status ${error.status} with error: ${error.code}: ${error.message}`,
            { cause: error },
        );
    }
}
