import { createHash, createPublicKey } from "node:crypto";
import type { DeclaredDistribution, DeclaredKey, Purpose } from "./declared";

/*
 * What has to come of a declaration, written from the documentation and not from the code: durations are whole days here, which are
 * as long in a calendar as they are in milliseconds.
 */

export const day = 24 * 60 * 60 * 1000;

/** A version that was made. */
export interface Version {
    /** Milliseconds. */
    createdAt: number;
    /** PEM, as the stack tells it. */
    publicKey: string;
}

/** When a key's versions were made, and by which trigger the last one was that was made by one. */
export interface Made {
    createdAt: readonly number[];
    trigger?: string;
}

/** The versions that a run at the moment `now` leaves. */
export function madeBy(before: Made | undefined, key: DeclaredKey, now: number): Made {
    const createdAt = [...(before?.createdAt ?? [])];
    const { trigger, interval } = key.rotation;
    const triggered = trigger !== undefined && trigger !== before?.trigger;
    const due = interval !== undefined && (createdAt.at(-1) ?? now) + days(interval) <= now;
    if (!before || triggered || due) {
        createdAt.push(now);
    }
    while (key.import?.some(({ version }) => version === createdAt.length + 1)) {
        createdAt.push(now);
    }
    return { createdAt, trigger: trigger ?? before?.trigger };
}

/** A version as a vault has to hold it; dates in milliseconds. */
export interface Expected {
    version: number;
    publicKey: string;
    enabled: boolean;
    operations: string[];
    tags: Record<string, string>;
    notBefore?: number;
    expiresOn?: number;
}

/** All versions of a key as a vault has to hold them, oldest first. */
export function expectedVersions(
    name: string,
    key: DeclaredKey,
    distribution: DeclaredDistribution,
    versions: readonly Version[],
    stack: string,
    now: number,
): Expected[] {
    const { rotation, minEnabledVersion = 0, disabledVersions = [] } = key;
    const { retire, keepEnabled = Infinity } = rotation;
    return versions.map(({ createdAt, publicKey }, index) => {
        const version = index + 1;
        const successor = versions[version];
        const retiredAt = successor && retire && successor.createdAt + days(retire.after);
        const disabled =
            version < minEnabledVersion ||
            disabledVersions.includes(version) ||
            version <= versions.length - keepEnabled ||
            (retire?.action === "disable" && retiredAt !== undefined && retiredAt <= now);
        const { expiresAfter, notBefore, tags } = distribution;
        const ends = [
            retire?.action === "expire" ? retiredAt : undefined,
            expiresAfter && createdAt + days(expiresAfter),
        ].filter((end) => typeof end === "number");
        return {
            version,
            publicKey: idOfPem(publicKey),
            enabled: !disabled,
            operations: distribution.purpose.map(operationOf).sort(),
            tags: {
                ...tags,
                "keymgmt-key": name,
                "keymgmt-stack": stack,
                "keymgmt-version": String(version),
                "keymgmt-thumbprint": thumbprint(publicKey),
            },
            ...(notBefore && { notBefore: Date.parse(notBefore) }),
            ...(ends.length > 0 && { expiresOn: wholeSeconds(Math.min(...ends)) }),
        };
    });
}

function days(duration: string): number {
    return Number(/^P(\d+)D$/.exec(duration)![1]) * day;
}

function wholeSeconds(milliseconds: number): number {
    return milliseconds - (milliseconds % 1000);
}

function operationOf(purpose: Purpose): string {
    return purpose === "wrap" || purpose === "unwrap" ? `${purpose}Key` : purpose;
}

/** RFC 7638, section 3. */
function thumbprint(pem: string): string {
    const { crv, e, kty, n, x, y } = createPublicKey(pem).export({ format: "jwk" });
    const members = kty === "RSA" ? { e, kty, n } : { crv, kty, x, y };
    return createHash("sha256").update(JSON.stringify(members)).digest("base64url");
}

/** What tells public keys apart. */
export function idOf({ n, x, y }: { n?: string; x?: string; y?: string }): string {
    return n ?? `${x}.${y}`;
}

export function idOfPem(pem: string): string {
    return idOf(createPublicKey(pem).export({ format: "jwk" }));
}
