import * as azuread from "@pulumi/azuread";
import * as pulumi from "@pulumi/pulumi";

export interface ServicePrincipalArgs {
    /** The application's display name. */
    displayName: pulumi.Input<string>;
}

/**
 * An application in Entra ID with a service principal and a client secret: the identity that reaches the data plane of the stack's vaults.
 * Source: https://learn.microsoft.com/entra/identity-platform/app-objects-and-service-principals
 */
export class ServicePrincipal extends pulumi.ComponentResource {
    readonly tenantId: pulumi.Output<string>;
    /** Of the application; what signs in. */
    readonly clientId: pulumi.Output<string>;
    /** Of the service principal (not the application's): what access policies and role assignments name. */
    readonly objectId: pulumi.Output<string>;
    /** A Pulumi secret. */
    readonly clientSecret: pulumi.Output<string>;

    constructor(name: string, args: ServicePrincipalArgs, opts?: pulumi.ComponentResourceOptions) {
        super("keymgmt:index:ServicePrincipal", name, {}, opts);
        const parent = { parent: this };
        const application = new azuread.Application(
            name,
            { displayName: args.displayName },
            parent,
        );
        const principal = new azuread.ServicePrincipal(
            name,
            { clientId: application.clientId },
            parent,
        );
        const password = new azuread.ApplicationPassword(
            name,
            { applicationId: application.id, displayName: "keymgmt" },
            parent,
        );
        this.tenantId = azuread.getClientConfigOutput(parent).tenantId;
        this.clientId = application.clientId;
        this.objectId = principal.objectId;
        this.clientSecret = pulumi.secret(password.value);
        this.registerOutputs({
            tenantId: this.tenantId,
            clientId: this.clientId,
            objectId: this.objectId,
        });
    }
}
