import { instructions } from "../../local/instructions";

const cloud = {
    authorityHost: "https://127.0.0.1:20001",
    resourceManager: "https://127.0.0.1:20001",
    tenantId: "tenant",
    subscriptionId: "subscription",
    caFile: "/folder/ca.pem",
    vaults: { "my-vault": "https://127.0.0.1:20002/" },
    operator: { clientId: "client", clientSecret: "the-secret" },
    pid: 1,
};

test("instructions name the endpoints, the CA, where the credentials are, and every client's switches", () => {
    const text = instructions(cloud, { description: "/folder/azure.json", showSecret: false });
    for (const part of [
        "https://127.0.0.1:20001",
        "https://127.0.0.1:20002/keys?",
        "NODE_EXTRA_CA_CERTS='/folder/ca.pem'",
        "REQUESTS_CA_BUNDLE='/folder/ca.pem'",
        "CURL_CA_BUNDLE='/folder/ca.pem'",
        "/folder/azure.json",
        "disableInstanceDiscovery: true",
        "disableChallengeResourceVerification: true",
        "disable_instance_discovery=True",
        "verify_challenge_resource=False",
    ])
        expect(text).toContain(part);
});

test("the operator's secret is shown only when asked for", () => {
    const shown = (showSecret: boolean) =>
        instructions(cloud, { description: "/folder/azure.json", showSecret });
    expect(shown(false)).not.toContain("the-secret");
    expect(shown(true)).toContain("AZURE_CLIENT_SECRET=the-secret");
});
