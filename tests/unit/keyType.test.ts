import { keyTypeDetails, keyTypes, purposeProblem, purposes } from "../../keys/keyType";

test("RSA keys serve all purposes, ECDSA keys only signatures, and the reason says so", () => {
    for (const type of keyTypes) {
        const served = purposes.filter((purpose) => !purposeProblem(type, purpose));
        expect(served).toEqual(type.startsWith("rsa-") ? [...purposes] : ["sign", "verify"]);
    }
    expect(purposeProblem("ecdsa-p256", "encrypt")).toBe(
        "a key of type ecdsa-p256 can't; allowed: sign, verify",
    );
});

test("secp256k1 has JOSE's name, which is node's and OpenSSL's too", () => {
    expect(keyTypeDetails("ecdsa-secp256k1")).toEqual({ family: "EC", curve: "secp256k1" });
});
