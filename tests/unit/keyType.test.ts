import { keyTypes, purposeProblem, purposes } from "../../keys/keyType";

test("RSA keys serve all purposes, ECDSA keys only signatures, and the reason says so", () => {
    for (const type of keyTypes) {
        const served = purposes.filter((purpose) => !purposeProblem(type, purpose));
        expect(served).toEqual(type.startsWith("rsa-") ? [...purposes] : ["sign", "verify"]);
    }
    expect(purposeProblem("ecdsa-p256", "encrypt")).toBe(
        "a key of type ecdsa-p256 can't; allowed: sign, verify",
    );
});
