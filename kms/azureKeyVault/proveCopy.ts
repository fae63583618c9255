import { constants, createPublicKey, publicEncrypt, randomBytes, verify } from "node:crypto";
import type { CryptographyClient } from "@azure/keyvault-keys";
import type { Copy } from "../../keys/copy";
import { KeymgmtError } from "../../keys/errors";
import { keyTypeDetails, type KeyType } from "../../keys/keyType";
import type { Proof } from "../../keys/proof";
import { statusOf } from "./errors";

const curves = {
    "P-256": { algorithm: "ES256", digest: "sha256" },
    "P-384": { algorithm: "ES384", digest: "sha384" },
    "P-521": { algorithm: "ES512", digest: "sha512" },
    secp256k1: { algorithm: "ES256K", digest: "sha256" },
} as const;

/**
 * Has a copy do what only the holder of the private key can: open what was encrypted here, or sign what is verified here. The public key
 * used is ours, not the one that the vault tells.
 * @throws KeymgmtError PROOF_FAILED
 */
export async function proveCopy(
    client: CryptographyClient,
    keyId: string,
    { enabled, purposes, notBefore, expiresAt }: Copy,
    type: KeyType,
    publicKey: string,
): Promise<Proof> {
    const now = new Date().toISOString();
    if (!enabled) {
        return { unproven: "it is disabled" };
    }
    // The SDK refuses all operations then, also those that the vault would take.
    if ((notBefore && notBefore > now) || (expiresAt && expiresAt <= now)) {
        return { unproven: "it isn't valid now" };
    }
    const by = (["decrypt", "unwrap", "sign"] as const).find((each) => purposes.includes(each));
    if (!by) {
        return { unproven: "none of its purposes takes the private key" };
    }
    const holds =
        by === "sign" ? await signs(client, type, publicKey) : await opens(client, by, publicKey);
    if (!holds) {
        throw new KeymgmtError(
            "PROOF_FAILED",
            `${keyId} doesn't hold the private key of our public key: its ${by} gave another result than it has to. ` +
                `Do not use that version; find out what stands between you and the vault.`,
        );
    }
    return { by };
}

async function opens(
    client: CryptographyClient,
    by: "decrypt" | "unwrap",
    publicKey: string,
): Promise<boolean> {
    const challenge = randomBytes(32);
    const ciphertext = publicEncrypt(
        { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
        challenge,
    );
    try {
        const { result } =
            by === "decrypt"
                ? await client.decrypt({ algorithm: "RSA-OAEP-256", ciphertext })
                : await client.unwrapKey("RSA-OAEP-256", ciphertext);
        return challenge.equals(result);
    } catch (error) {
        // Under another key the padding isn't there, so that the vault has no result to give.
        if (statusOf(error) === 400) {
            return false;
        }
        throw error;
    }
}

async function signs(
    client: CryptographyClient,
    type: KeyType,
    publicKey: string,
): Promise<boolean> {
    const challenge = randomBytes(32);
    const details = keyTypeDetails(type);
    const key = createPublicKey(publicKey);
    if (details.family === "RSA") {
        const { result } = await client.signData("PS256", challenge);
        const padding = constants.RSA_PKCS1_PSS_PADDING;
        return verify("sha256", challenge, { key, padding }, result);
    }
    const { algorithm, digest } = curves[details.curve];
    const { result } = await client.signData(algorithm, challenge);
    return verify(digest, challenge, { key, dsaEncoding: "ieee-p1363" }, result);
}
