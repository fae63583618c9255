import {
    createPrivateKey,
    createPublicKey,
    generateKeyPairSync,
    type KeyObject,
} from "node:crypto";

export interface KeyPair {
    privateKey: KeyObject;
    publicKey: KeyObject;
}

/**
 * Made in DER and parsed again. A KeyObject straight out of generateKeyPairSync shares a lock with the job that made it:
 * when garbage collection takes that job while the KeyObject is being exported, Node.js 20 waits for itself for ever.
 * The asynchronous form ends its job at once.
 */
const publicKeyEncoding = { format: "der", type: "spki" } as const;
const privateKeyEncoding = { format: "der", type: "pkcs8" } as const;

function parsed(pkcs8: Buffer): KeyPair {
    const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
    return { privateKey, publicKey: createPublicKey(privateKey) };
}

export function rsaKeyPair(modulusLength: number): KeyPair {
    return parsed(
        generateKeyPairSync("rsa", { modulusLength, publicKeyEncoding, privateKeyEncoding })
            .privateKey,
    );
}

export function ecKeyPair(namedCurve: string): KeyPair {
    return parsed(
        generateKeyPairSync("ec", { namedCurve, publicKeyEncoding, privateKeyEncoding }).privateKey,
    );
}
