import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import type { Clock } from "../clock";
import type { Collection } from "../store";
import type { Collections } from "../storePart";
import { parseCertificate, thumbprint, type CertificateEncoding } from "./certificates";

/** What is kept of an application and of a service principal beside its ids. */
export interface Attributes {
    description?: string;
    notes?: string;
    owners?: string[];
    tags?: string[];
}
export interface ApplicationAttributes extends Attributes {
    displayName: string;
    signInAudience?: string;
}
export interface Application extends ApplicationAttributes {
    objectId: string;
    clientId: string;
}
export interface ServicePrincipalAttributes extends Attributes {
    accountEnabled?: boolean;
    appRoleAssignmentRequired?: boolean;
}
export interface ServicePrincipal extends ServicePrincipalAttributes {
    objectId: string;
    clientId: string;
}
/** A client secret, without its value: that is told once, when it is made. */
export interface Password {
    keyId: string;
    applicationObjectId: string;
    displayName?: string;
    startDate: string;
    endDate: string;
    sha256: string;
}

/** A certificate with whose key the application signs its assertions. */
export interface Certificate {
    keyId: string;
    applicationObjectId: string;
    startDate: string;
    endDate: string;
    /** DER, base64. */
    value: string;
    /** Its thumbprints, base64url. */
    x5t: string;
    x5tS256: string;
}

/** Whose tokens the application accepts as proof of being it. */
export interface FederatedCredentialAttributes {
    displayName: string;
    description?: string;
    issuer: string;
    subject: string;
    audiences: string[];
}
export interface FederatedCredential extends FederatedCredentialAttributes {
    credentialId: string;
    applicationObjectId: string;
}

/** A refusal of Microsoft Graph. */
export class GraphError extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        message: string,
    ) {
        super(message);
        this.name = "GraphError";
    }
}

const notFound = (objectId: string) =>
    new GraphError(
        404,
        "Request_ResourceNotFound",
        `Resource '${objectId}' does not exist or one of its queried reference-property objects are not present.`,
    );
const sha256 = (secret: string) => createHash("sha256").update(secret).digest("hex");
/** A new client secret: 40 characters that are safe in a URL, a shell and a YAML file. */
const newSecret = () => randomBytes(30).toString("base64url");

/** The applications of the tenant with their credentials, and its service principals. */
export class Directory {
    readonly #clock: Clock;
    readonly #applications: Collection<Application>;
    readonly #servicePrincipals: Collection<ServicePrincipal>;
    readonly #passwords: Collection<Password>;
    readonly #certificates: Collection<Certificate>;
    readonly #federatedCredentials: Collection<FederatedCredential>;

    constructor(store: Collections, clock: Clock) {
        this.#clock = clock;
        this.#applications = store.collection("entra.applications");
        this.#servicePrincipals = store.collection("entra.servicePrincipals");
        this.#passwords = store.collection("entra.passwords");
        this.#certificates = store.collection("entra.certificates");
        this.#federatedCredentials = store.collection("entra.federatedCredentials");
    }

    // Applications

    application(objectId: string): Application | undefined {
        return this.#applications.get(objectId);
    }

    applicationOf(clientId: string): Application | undefined {
        return find(this.#applications, (application) => application.clientId === clientId);
    }

    async createApplication(attributes: ApplicationAttributes): Promise<Application> {
        const application = { ...attributes, objectId: randomUUID(), clientId: randomUUID() };
        await this.#applications.put(application.objectId, application);
        return application;
    }

    async updateApplication(
        objectId: string,
        attributes: ApplicationAttributes,
    ): Promise<Application> {
        const old = this.application(objectId);
        if (!old) throw notFound(objectId);
        const application = { ...attributes, objectId, clientId: old.clientId };
        await this.#applications.put(objectId, application);
        return application;
    }

    /** Deletes the application, its credentials and, as Entra ID does, its service principal. */
    async deleteApplication(objectId: string): Promise<void> {
        const application = this.application(objectId);
        if (!application) return;
        for (const password of this.#passwordsOf(objectId)) {
            await this.#passwords.delete(password.keyId);
        }
        for (const { keyId } of this.certificatesOf(objectId)) {
            await this.#certificates.delete(keyId);
        }
        for (const { credentialId } of this.federatedCredentialsOf(objectId)) {
            await this.#federatedCredentials.delete(credentialId);
        }
        const servicePrincipal = this.servicePrincipalOf(application.clientId);
        if (servicePrincipal) await this.deleteServicePrincipal(servicePrincipal.objectId);
        await this.#applications.delete(objectId);
    }

    // Service principals

    servicePrincipal(objectId: string): ServicePrincipal | undefined {
        return this.#servicePrincipals.get(objectId);
    }

    servicePrincipalOf(clientId: string): ServicePrincipal | undefined {
        return find(this.#servicePrincipals, (principal) => principal.clientId === clientId);
    }

    async createServicePrincipal(
        clientId: string,
        attributes: ServicePrincipalAttributes = {},
    ): Promise<ServicePrincipal> {
        if (!this.applicationOf(clientId)) {
            throw new GraphError(
                400,
                "Request_BadRequest",
                `The appId '${clientId}' of the service principal does not reference a valid application object.`,
            );
        }
        if (this.servicePrincipalOf(clientId)) {
            throw new GraphError(
                409,
                "Request_MultipleObjectsWithSameKeyValue",
                `The service principal cannot be created, updated, or restored because the service principal name ${clientId} is already in use.`,
            );
        }
        const servicePrincipal = { ...attributes, objectId: randomUUID(), clientId };
        await this.#servicePrincipals.put(servicePrincipal.objectId, servicePrincipal);
        return servicePrincipal;
    }

    async updateServicePrincipal(
        objectId: string,
        attributes: ServicePrincipalAttributes,
    ): Promise<ServicePrincipal> {
        const old = this.servicePrincipal(objectId);
        if (!old) throw notFound(objectId);
        const servicePrincipal = { ...attributes, objectId, clientId: old.clientId };
        await this.#servicePrincipals.put(objectId, servicePrincipal);
        return servicePrincipal;
    }

    deleteServicePrincipal(objectId: string): Promise<void> {
        return this.#servicePrincipals.delete(objectId);
    }

    // Client secrets

    password(keyId: string): Password | undefined {
        return this.#passwords.get(keyId);
    }

    /** Adds a client secret; its value comes back this once. Two years, if nothing is said, as in Microsoft Graph. */
    async addPassword(
        applicationObjectId: string,
        options: {
            displayName?: string;
            startDate?: string;
            endDate?: string;
            /** Milliseconds from the start, instead of an end date. */
            lifetime?: number;
        },
    ): Promise<{ password: Password; value: string }> {
        if (!this.application(applicationObjectId)) throw notFound(applicationObjectId);
        const start = options.startDate ? new Date(options.startDate) : this.#now();
        const end = endOf(start, options);
        if (!(start < end)) {
            throw new GraphError(
                400,
                "Request_BadRequest",
                "The client secret's end date has to be a date after its start date.",
            );
        }
        const value = newSecret();
        const password: Password = {
            keyId: randomUUID(),
            applicationObjectId,
            displayName: options.displayName,
            startDate: seconds(start),
            endDate: seconds(end),
            sha256: sha256(value),
        };
        await this.#passwords.put(password.keyId, password);
        return { password, value };
    }

    removePassword(keyId: string): Promise<void> {
        return this.#passwords.delete(keyId);
    }

    /** Whether a secret is one of the application's, and within its dates. */
    checkSecret(application: Application, secret: string): "valid" | "expired" | "invalid" {
        const digest = Buffer.from(sha256(secret));
        const password = this.#passwordsOf(application.objectId).find((known) =>
            timingSafeEqual(Buffer.from(known.sha256), digest),
        );
        const now = this.#now();
        if (!password || now < new Date(password.startDate)) return "invalid";
        return now < new Date(password.endDate) ? "valid" : "expired";
    }

    // Certificates

    certificate(keyId: string): Certificate | undefined {
        return this.#certificates.get(keyId);
    }

    certificatesOf(applicationObjectId: string): Certificate[] {
        return [...this.#certificates.values()].filter(
            (certificate) => certificate.applicationObjectId === applicationObjectId,
        );
    }

    /** Adds a certificate; it counts as long as it is valid itself, or shorter. */
    async addCertificate(
        applicationObjectId: string,
        options: {
            value: string;
            encoding?: CertificateEncoding;
            startDate?: string;
            endDate?: string;
            /** Milliseconds from the start, instead of an end date. */
            lifetime?: number;
        },
    ): Promise<Certificate> {
        if (!this.application(applicationObjectId)) throw notFound(applicationObjectId);
        const parsed = parseCertificate(options.value, options.encoding ?? "pem");
        if (!parsed) {
            throw new GraphError(
                400,
                "KeyCredentialsInvalidKeyValue",
                "Key credential value is not a valid certificate.",
            );
        }
        const [earliest, latest] = [new Date(parsed.validFrom), new Date(parsed.validTo)];
        const start = options.startDate ? new Date(options.startDate) : earliest;
        const limited = options.endDate !== undefined || options.lifetime !== undefined;
        const end = limited ? endOf(start, options) : latest;
        if (!(earliest <= start && start < end && end <= latest)) {
            throw new GraphError(
                400,
                "KeyCredentialsInvalidEndDate",
                "Key credential end date is invalid: its dates have to be within the certificate's own.",
            );
        }
        const certificate: Certificate = {
            keyId: randomUUID(),
            applicationObjectId,
            startDate: seconds(start),
            endDate: seconds(end),
            value: parsed.raw.toString("base64"),
            x5t: thumbprint(parsed.raw, "sha1"),
            x5tS256: thumbprint(parsed.raw, "sha256"),
        };
        await this.#certificates.put(certificate.keyId, certificate);
        return certificate;
    }

    removeCertificate(keyId: string): Promise<void> {
        return this.#certificates.delete(keyId);
    }

    // Federated identity credentials

    federatedCredential(credentialId: string): FederatedCredential | undefined {
        return this.#federatedCredentials.get(credentialId);
    }

    federatedCredentialsOf(applicationObjectId: string): FederatedCredential[] {
        return [...this.#federatedCredentials.values()].filter(
            (credential) => credential.applicationObjectId === applicationObjectId,
        );
    }

    async addFederatedCredential(
        applicationObjectId: string,
        attributes: FederatedCredentialAttributes,
    ): Promise<FederatedCredential> {
        if (!this.application(applicationObjectId)) throw notFound(applicationObjectId);
        const present = this.federatedCredentialsOf(applicationObjectId);
        if (present.some((known) => known.displayName === attributes.displayName)) {
            throw new GraphError(
                409,
                "Request_MultipleObjectsWithSameKeyValue",
                `FederatedIdentityCredential with name ${attributes.displayName} already exists.`,
            );
        }
        return this.#putFederated({
            ...attributes,
            credentialId: randomUUID(),
            applicationObjectId,
        });
    }

    async updateFederatedCredential(
        credentialId: string,
        attributes: FederatedCredentialAttributes,
    ): Promise<FederatedCredential> {
        const old = this.federatedCredential(credentialId);
        if (!old) throw notFound(credentialId);
        const { applicationObjectId } = old;
        return this.#putFederated({ ...attributes, credentialId, applicationObjectId });
    }

    removeFederatedCredential(credentialId: string): Promise<void> {
        return this.#federatedCredentials.delete(credentialId);
    }

    async #putFederated(credential: FederatedCredential): Promise<FederatedCredential> {
        await this.#federatedCredentials.put(credential.credentialId, credential);
        return credential;
    }

    #passwordsOf(applicationObjectId: string): Password[] {
        return [...this.#passwords.values()].filter(
            (password) => password.applicationObjectId === applicationObjectId,
        );
    }

    #now(): Date {
        return new Date(this.#clock.now());
    }
}

const seconds = (date: Date) => date.toISOString().replace(/\.\d+Z$/, "Z");

function endOf(start: Date, options: { endDate?: string; lifetime?: number }): Date {
    if (options.endDate) return new Date(options.endDate);
    if (options.lifetime !== undefined) return new Date(start.getTime() + options.lifetime);
    const end = new Date(start);
    end.setUTCFullYear(end.getUTCFullYear() + 2);
    return end;
}

function find<T>(collection: Collection<T>, matches: (value: T) => boolean): T | undefined {
    for (const value of collection.values()) if (matches(value)) return value;
    return undefined;
}
