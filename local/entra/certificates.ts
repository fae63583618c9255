import { createHash, X509Certificate } from "node:crypto";

/** How an application's certificate is sent: azuread's `encoding`. */
export type CertificateEncoding = "pem" | "base64" | "hex";

/** The certificate, or undefined when the text isn't one. */
export function parseCertificate(
    value: string,
    encoding: CertificateEncoding,
): X509Certificate | undefined {
    try {
        return new X509Certificate(encoding === "pem" ? value : Buffer.from(value, encoding));
    } catch {
        return undefined;
    }
}

/** Thumbprints as the headers of a JWT hold them: RFC 7515, sections 4.1.7 and 4.1.8. */
export const thumbprint = (der: Buffer, algorithm: "sha1" | "sha256") =>
    createHash(algorithm).update(der).digest("base64url");
