import { generateKeyPair, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import forge from "node-forge";

/** A certificate and its private key, both PEM. */
export interface KeyAndCertificate {
    key: string;
    cert: string;
}

const subject = (name: string) => [{ name: "commonName", value: name }];
const year = 365 * 86_400_000;
const day = 86_400_000;

/** The folder's certificate authority, and the server's certificate by it. */
export async function certificates(authorityFiles: {
    key: string;
    cert: string;
}): Promise<{ authority: KeyAndCertificate; server: KeyAndCertificate }> {
    // Begun before it is needed: making keys takes long, and two are made at the same time.
    const pair = rsaKeyPair();
    const authority = await certificateAuthority(authorityFiles);
    return { authority, server: await serverCertificate(authority, pair) };
}

/** Made at the first start, so that clients can keep trusting it. */
async function certificateAuthority(files: {
    key: string;
    cert: string;
}): Promise<KeyAndCertificate> {
    if (existsSync(files.key) && existsSync(files.cert)) {
        return { key: await readFile(files.key, "utf8"), cert: await readFile(files.cert, "utf8") };
    }
    const pair = await rsaKeyPair();
    const name = subject("Local Azure");
    const cert = certificate({
        subject: name,
        issuer: name,
        publicKey: pair.publicKey,
        signingKey: pair.privateKey,
        lifetime: 10 * year,
        extensions: [
            { name: "basicConstraints", cA: true, critical: true },
            { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
            { name: "subjectKeyIdentifier" },
        ],
    });
    await writeFile(files.key, pair.privateKey, { mode: 0o600 });
    await writeFile(files.cert, cert);
    return { key: pair.privateKey, cert };
}

/** New at each start, so its key is never on disk and it never expires. */
export async function serverCertificate(
    authority: KeyAndCertificate,
    made: Promise<RsaKeyPair> = rsaKeyPair(),
): Promise<KeyAndCertificate> {
    const pair = await made;
    const cert = certificate({
        subject: subject("localhost"),
        issuer: forge.pki.certificateFromPem(authority.cert).subject.attributes,
        publicKey: pair.publicKey,
        signingKey: authority.key,
        lifetime: year,
        extensions: [
            { name: "basicConstraints", cA: false },
            { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
            { name: "extKeyUsage", serverAuth: true },
            {
                name: "subjectAltName",
                // GeneralName types (RFC 5280, section 4.2.1.6): 2 is a DNS name, 7 an IP address.
                altNames: [
                    { type: 7, ip: "127.0.0.1" },
                    { type: 2, value: "localhost" },
                ],
            },
        ],
    });
    return { key: pair.privateKey, cert };
}

interface RsaKeyPair {
    privateKey: string;
    publicKey: string;
}

/** Made by node:crypto: forge's own are some hundred times slower, and it has no elliptic curves. */
function rsaKeyPair(): Promise<RsaKeyPair> {
    return promisify(generateKeyPair)("rsa", {
        modulusLength: 2048,
        privateKeyEncoding: { type: "pkcs8", format: "pem" },
        publicKeyEncoding: { type: "spki", format: "pem" },
    });
}

function certificate(options: {
    subject: forge.pki.CertificateField[];
    issuer: forge.pki.CertificateField[];
    publicKey: string;
    signingKey: string;
    lifetime: number;
    extensions: object[];
}): string {
    const cert = forge.pki.createCertificate();
    cert.publicKey = forge.pki.publicKeyFromPem(options.publicKey);
    // A serial number is positive (RFC 5280, section 4.1.2.2).
    cert.serialNumber = `01${randomBytes(15).toString("hex")}`;
    // The machine's clock, not the cloud's: it is what TLS clients compare with. A day back, for those that lag.
    cert.validity.notBefore = new Date(Date.now() - day);
    cert.validity.notAfter = new Date(Date.now() + options.lifetime);
    cert.setSubject(options.subject);
    cert.setIssuer(options.issuer);
    cert.setExtensions(options.extensions);
    cert.sign(forge.pki.privateKeyFromPem(options.signingKey), forge.md.sha256.create());
    return forge.pki.certificateToPem(cert);
}
