import { randomUUID } from "node:crypto";
import {
    calculateJwkThumbprint,
    errors as joseErrors,
    exportJWK,
    generateKeyPair,
    importJWK,
    jwtVerify,
    SignJWT,
    type JWK,
    type JWTPayload,
} from "jose";
import type { Clock } from "../clock";
import type { Store } from "../store";
import type { ServicePrincipal } from "./directory";

/** The claims that a caller is known by. */
export interface TokenClaims {
    audience: string;
    issuer: string;
    tenantId: string;
    clientId: string;
    objectId: string;
}

/** Why a bearer token is not accepted. */
export class TokenError extends Error {
    constructor(
        readonly reason: "malformed" | "unknownKey" | "signature" | "expired" | "notYetValid",
        message: string,
    ) {
        super(message);
        this.name = "TokenError";
    }
}

/** Seconds; the client is told one less (`"expires_in":3599`), as Entra ID does. */
const lifetime = 3600;
/** Clocks of clients and services differ a little; Microsoft's own libraries allow five minutes. */
export const leeway = 300;
const rememberedTokens = 1000;

/** v1.0 access tokens, as Entra ID issues them for Key Vault and the resource manager whatever endpoint is asked. */
export class Tokens {
    /**
     * Whose signatures were right: checking one costs more than the rest of a request, and clients send a token for an hour.
     * By their ends, since a lookup of the whole would hash all of it.
     */
    readonly #verified = new Map<string, VerifiedToken>();

    private constructor(
        private readonly clock: Clock,
        private readonly signingKey: ImportedKey,
        private readonly publicKey: ImportedKey,
        private readonly publicJwk: JWK & { kid: string },
    ) {}

    /** The signing key is made at the first start and kept, so that tokens outlive a restart. */
    static async open(store: Store, clock: Clock): Promise<Tokens> {
        const kept = store.collection<JWK>("entra.signingKey");
        let privateKey = kept.get("current");
        if (!privateKey) {
            const pair = await generateKeyPair("RS256", { extractable: true });
            privateKey = await exportJWK(pair.privateKey);
            await kept.put("current", privateKey);
        }
        const { kty, n, e } = privateKey;
        const kid = await calculateJwkThumbprint({ kty, n, e });
        return new Tokens(
            clock,
            await importJWK(privateKey, "RS256"),
            await importJWK({ kty, n, e }, "RS256"),
            { kty, n, e, kid },
        );
    }

    /** The public keys (RFC 7517). */
    jwks(): { keys: JWK[] } {
        return { keys: [{ ...this.publicJwk, use: "sig", alg: "RS256" }] };
    }

    async issue(
        tenantId: string,
        resource: string,
        principal: ServicePrincipal,
        provedBy: "secret" | "assertion" = "secret",
    ): Promise<{ access_token: string; expires_in: number }> {
        const now = this.#now();
        const issuer = issuerOf(tenantId);
        const access_token = await new SignJWT({
            appid: principal.clientId,
            appidacr: provedBy === "secret" ? "1" : "2",
            idp: issuer,
            idtyp: "app",
            oid: principal.objectId,
            tid: tenantId,
            uti: randomUUID(),
            ver: "1.0",
        })
            .setProtectedHeader({ typ: "JWT", alg: "RS256", kid: this.publicJwk.kid })
            .setAudience(resource)
            .setIssuer(issuer)
            .setSubject(principal.objectId)
            .setIssuedAt(now)
            .setNotBefore(now)
            .setExpirationTime(now + lifetime)
            .sign(this.signingKey);
        return { access_token, expires_in: lifetime - 1 };
    }

    /** Checks signature and times; who it is for and from is the service's to judge. */
    async verify(token: string): Promise<TokenClaims> {
        const known = this.#verified.get(end(token));
        if (known?.token === token && this.#isCurrent(known.payload)) return known.claims;
        const { payload } = await jwtVerify(
            token,
            (header) => {
                if (header.kid !== this.publicJwk.kid) {
                    throw new TokenError("unknownKey", "it is signed with an unknown key");
                }
                return this.publicKey;
            },
            {
                algorithms: ["RS256"],
                clockTolerance: leeway,
                currentDate: new Date(this.clock.now()),
            },
        ).catch((error: unknown) => {
            throw tokenError(error);
        });
        if (this.#verified.size >= rememberedTokens) this.#verified.clear();
        const verified = { token, payload, claims: claims(payload) };
        this.#verified.set(end(token), verified);
        return verified.claims;
    }

    #isCurrent({ nbf = -Infinity, exp = Infinity }: JWTPayload): boolean {
        return nbf <= this.#now() + leeway && this.#now() - leeway < exp;
    }

    #now(): number {
        return Math.floor(this.clock.now() / 1000);
    }
}

type ImportedKey = Awaited<ReturnType<typeof importJWK>>;

interface VerifiedToken {
    token: string;
    payload: JWTPayload;
    claims: TokenClaims;
}

/** A part of its signature. */
const end = (token: string) => token.slice(-32);

export const issuerOf = (tenantId: string) => `https://sts.windows.net/${tenantId}/`;

function claims(payload: JWTPayload): TokenClaims {
    const text = (name: string) => {
        const value = payload[name];
        if (typeof value !== "string")
            throw new TokenError("malformed", `it has no claim '${name}'`);
        return value;
    };
    return {
        audience: text("aud"),
        issuer: text("iss"),
        tenantId: text("tid"),
        clientId: text("appid"),
        objectId: text("oid"),
    };
}

function tokenError(error: unknown): TokenError {
    if (error instanceof TokenError) return error;
    if (error instanceof joseErrors.JWTExpired) return new TokenError("expired", "it is expired");
    if (error instanceof joseErrors.JWTClaimValidationFailed && error.claim === "nbf") {
        return new TokenError("notYetValid", "it is not valid yet");
    }
    if (error instanceof joseErrors.JWSSignatureVerificationFailed) {
        return new TokenError("signature", "its signature is wrong");
    }
    return new TokenError("malformed", "it is not a signed JSON web token");
}
