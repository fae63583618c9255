import { createPublicKey } from "node:crypto";
import { independentClient, Project } from "./project";

/** Each key type, in the HSM and in software, for every kind of purpose; each copy proves that it holds the private key. */
describe("key types", () => {
    const project = new Project();
    afterAll(() => project.dispose());

    const vault = "types-keyvault";
    const purposes: Record<string, string[]> = {
        "rsa-2048": ["encrypt", "decrypt"],
        "rsa-3072": ["wrap", "unwrap"],
        "rsa-4096": ["sign", "verify"],
        "ecdsa-p256": ["sign"],
        "ecdsa-p384": ["sign", "verify"],
        "ecdsa-p521": ["sign"],
        "ecdsa-secp256k1": ["sign", "verify"],
    };
    const keyOf = (type: string, purpose: string[]) => ({
        type,
        distribute: [
            { vault, purpose, protection: "hsm" },
            { vault, purpose, protection: "software", name: `${type}-soft` },
        ],
    });
    const keys = Object.fromEntries(
        Object.entries(purposes).map(([type, purpose]) => [type, keyOf(type, purpose)]),
    );

    test("each comes into HSM and software, and proves itself there by an operation that it has", async () => {
        const onlyVerifies = {
            type: "ecdsa-p256",
            distribute: [{ vault, purpose: ["verify"], protection: "software" }],
        };
        project.config({
            verify: "deep",
            vaults: { [vault]: { sku: "premium" } },
            keys: { ...keys, "only-verifies": onlyVerifies },
        });

        const { code, output } = await project.up();

        expect([code, output]).toEqual([0, expect.any(String)]);
        const { distributions, keys: told } = await project.outputs();
        const { keys: client } = independentClient(project.azure(), vault);
        const proofs: Record<string, string> = {
            "rsa-2048": "decrypt",
            "rsa-3072": "unwrap",
        };
        const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
        for (const type of Object.keys(purposes)) {
            for (const name of [type, `${type}-soft`]) {
                const distribution = distributions.find((each) => each.name === name)!;
                expect([name, distribution]).toMatchObject([
                    name,
                    {
                        protection: name === type ? "hsm" : "software",
                        verified: true,
                        inStep: true,
                        proofs: { 1: { by: proofs[type] ?? "sign" } },
                    },
                ]);
                const { keyType, key } = await client.getKey(name);
                const kty = type.startsWith("rsa") ? "RSA" : "EC";
                expect([name, keyType]).toEqual([name, name === type ? `${kty}-HSM` : kty]);
                const ours = createPublicKey(told[type]!.versions[1]!.publicKey);
                const { n, x } = ours.export({ format: "jwk" });
                expect([name, base64url((key!.n ?? key!.x)!)]).toEqual([name, n ?? x]);
            }
        }
        expect(distributions.find(({ name }) => name === "only-verifies")!.proofs).toEqual({
            1: { unproven: "none of its purposes takes the private key" },
        });
    });

    test("a type that can't serve a purpose, and a vault that has no HSM, are errors at preview", async () => {
        const inPlain = [
            { vault: "plain-keyvault", purpose: ["sign", "encrypt"], protection: "hsm" },
        ];
        project.config({
            vaults: { [vault]: { sku: "premium" }, "plain-keyvault": { sku: "standard" } },
            keys: { ...keys, "ecdsa-p256": { type: "ecdsa-p256", distribute: inPlain } },
        });
        const before = project.requests().length;

        const { code, output } = await project.pulumi(["preview"]);

        expect(code).not.toBe(0);
        expect(output).toMatch(
            /keys\.ecdsa-p256\.distribute\[0\]\.purpose\[1\]: "encrypt": a key of type ecdsa-p256 can't; allowed: sign, verify/,
        );
        expect(output).toMatch(
            /keys\.ecdsa-p256\.distribute\[0\]\.protection: "hsm": vault plain-keyvault has the standard SKU, which has no HSM/,
        );
        expect(project.requests().length).toBe(before);
    });
});
