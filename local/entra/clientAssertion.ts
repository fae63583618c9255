import { X509Certificate, type KeyObject } from "node:crypto";
import {
    createLocalJWKSet,
    decodeJwt,
    decodeProtectedHeader,
    errors as joseErrors,
    jwtVerify,
    type JSONWebKeySet,
    type JWTPayload,
    type JWTVerifyGetKey,
} from "jose";
import { thumbprint } from "./certificates";
import type { Application, Certificate, Directory, FederatedCredential } from "./directory";
import { errors } from "./errors";
import { leeway } from "./tokens";

export const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

export interface AssertionContext {
    directory: Directory;
    /** Milliseconds since the Unix epoch. */
    now: number;
    /** What a certificate assertion may be for: the token endpoint or the tenant. */
    audiences: readonly string[];
    /** The signing keys that an issuer publishes. */
    issuerKeys: (issuer: string) => Promise<JSONWebKeySet>;
}

/**
 * Refuses a client assertion (RFC 7523) that doesn't prove to be the application: signed by itself with one of its
 * certificates, or issued by someone whom one of its federated identity credentials trusts.
 * https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
export async function checkClientAssertion(
    assertion: string,
    application: Application,
    context: AssertionContext,
): Promise<void> {
    const claims = claimsOf(assertion);
    if (claims.iss === application.clientId) {
        await checkCertificateAssertion(assertion, claims, application, context);
    } else {
        await checkFederatedAssertion(assertion, claims, application, context);
    }
}

function claimsOf(assertion: string): JWTPayload {
    try {
        return decodeJwt(assertion);
    } catch {
        throw errors.malformedAssertion();
    }
}

async function checkCertificateAssertion(
    assertion: string,
    claims: JWTPayload,
    application: Application,
    { directory, now, audiences }: AssertionContext,
): Promise<void> {
    const { clientId } = application;
    const thumbprints = thumbprintsOf(assertion);
    const certificate = directory
        .certificatesOf(application.objectId)
        .find(({ x5t, x5tS256 }) => thumbprints.includes(x5t) || thumbprints.includes(x5tS256));
    const [used = ""] = thumbprints.map((text) => hex(text));
    if (!certificate) throw errors.unknownCertificate(used, clientId);
    const refused = (reason: string) =>
        errors.invalidAssertionSignature(reason, used, period(certificate), clientId);
    const at = new Date(now);
    if (at < new Date(certificate.startDate)) throw refused("The key used is not yet valid.");
    if (at >= new Date(certificate.endDate)) throw refused("The key used is expired.");
    const { publicKey } = new X509Certificate(Buffer.from(certificate.value, "base64"));
    await verified(
        assertion,
        () => publicKey,
        ["RS256", "PS256"],
        now,
        () => refused("The provided signature value did not match the expected signature value."),
    );
    if (claims.sub !== clientId) throw errors.assertionOfOtherClient();
    if (![claims.aud].flat().some((audience) => audience && audiences.includes(audience))) {
        throw errors.assertionAudience();
    }
}

/** Of the certificate that signed, by the header's `x5t#S256`, `x5t` or `x5c`. */
function thumbprintsOf(assertion: string): string[] {
    const header = decodeProtectedHeader(assertion);
    const named = [header["x5t#S256"], header.x5t].filter((text) => typeof text === "string");
    if (named.length) return named;
    const [leaf] = header.x5c ?? [];
    if (!leaf) throw errors.assertionWithoutThumbprint();
    return [thumbprint(Buffer.from(leaf, "base64"), "sha1")];
}

const hex = (base64url: string) =>
    Buffer.from(base64url, "base64url").toString("hex").toUpperCase();

/** As Entra ID writes it: `Start=11/24/2026 00:00:00, End=11/24/2027 00:00:00`. */
function period({ startDate, endDate }: Certificate): string {
    const text = (iso: string) => iso.replace(/^(\d+)-(\d+)-(\d+)T([\d:]+).*$/, "$2/$3/$1 $4");
    return `Start=${text(startDate)}, End=${text(endDate)}`;
}

async function checkFederatedAssertion(
    assertion: string,
    claims: JWTPayload,
    application: Application,
    { directory, now, issuerKeys }: AssertionContext,
): Promise<void> {
    const credentials = directory.federatedCredentialsOf(application.objectId);
    const { iss = "", sub = "" } = claims;
    matchingCredential(credentials, iss, sub, [claims.aud ?? ""].flat());
    const keys = createLocalJWKSet(await issuerKeys(iss));
    await verified(assertion, keys, ["RS256"], now, errors.federatedSignature);
}

/** Issuer, subject and audience match exactly, with case; the refusal names the first that doesn't. */
function matchingCredential(
    credentials: readonly FederatedCredential[],
    issuer: string,
    subject: string,
    audiences: readonly string[],
): void {
    if (!credentials.length) throw errors.noFederatedCredential(issuer, subject, audiences.join());
    const issued = credentials.filter((credential) => credential.issuer === issuer);
    if (!issued.length) throw errors.federatedMismatch("issuer", issuer);
    const subjects = issued.filter((credential) => credential.subject === subject);
    if (!subjects.length) {
        const lower = subject.toLowerCase();
        const inOtherCase = issued.some((known) => known.subject.toLowerCase() === lower);
        throw inOtherCase
            ? errors.federatedSubjectCase(subject)
            : errors.federatedMismatch("subject", subject);
    }
    if (!subjects.some((known) => known.audiences.some((one) => audiences.includes(one)))) {
        throw errors.federatedMismatch("audience", audiences.join());
    }
}

async function verified(
    assertion: string,
    key: JWTVerifyGetKey | (() => KeyObject),
    algorithms: string[],
    now: number,
    wrongSignature: () => Error,
): Promise<void> {
    const options = { algorithms, clockTolerance: leeway, currentDate: new Date(now) };
    try {
        const { payload } = await jwtVerify(assertion, key, options);
        if (payload.exp === undefined) throw errors.assertionTime(now, payload);
    } catch (error) {
        if (error instanceof joseErrors.JWTExpired) throw errors.assertionTime(now, error.payload);
        if (error instanceof joseErrors.JWTClaimValidationFailed) {
            throw errors.assertionTime(now, error.payload);
        }
        throw error instanceof joseErrors.JOSEError ? wrongSignature() : error;
    }
}
