import { mkdtemp, readFile, rm } from "node:fs/promises";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyClient } from "@azure/keyvault-keys";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { startCloud, type Cloud } from "../../local/cloud";
import { ecKeyPair, rsaKeyPair } from "../keyPair";
import { createVault, operatorCredential, sendJson } from "./operator";
import { launchBrowser } from "./pageBrowser";

jest.setTimeout(60_000);

const laptop = { width: 1280, height: 800 };
const phone = { width: 375, height: 812 };

let folder: string;
let cloud: Cloud;
let browser: Browser;
let contexts: BrowserContext[];
/** What a page did that it must not do. */
let complaints: string[];
let vaults = 0;

beforeAll(async () => {
    browser = await launchBrowser();
    folder = await mkdtemp(join(tmpdir(), "page-"));
    cloud = await startCloud({ folder, stack: "dev" });
});
afterAll(async () => {
    await browser?.close();
    await cloud?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
    contexts = [];
    complaints = [];
});
afterEach(async () => {
    for (const context of contexts) await context.close();
    expect(complaints).toEqual([]);
});

/** A vault that only one test uses, and the SDK's client of it. */
async function newVault() {
    const name = `vault-${++vaults}`;
    const uri = await createVault(cloud.description, name);
    const client = new KeyClient(uri, await operatorCredential(cloud.description), {
        disableChallengeResourceVerification: true,
        tlsOptions: { ca: await readFile(cloud.description.caFile, "utf8") },
    });
    return { name, client };
}

async function openPage(viewport = laptop, hash = ""): Promise<Page> {
    const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true });
    contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const home = `${cloud.description.authorityHost}/`;
    page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (sent) => {
        if (!sent.url().startsWith(home)) complaints.push(`asks ${sent.url()}`);
    });
    await page.goto(home + hash);
    await page.getByRole("heading", { level: 1 }).waitFor();
    return page;
}

const row = (page: Page, table: string, text: string) =>
    page
        .getByRole("table", { name: table, exact: true })
        .getByRole("row")
        .filter({ hasText: text });

async function cells(page: Page, table: string, text: string): Promise<string[]> {
    return row(page, table, text).getByRole("cell").allInnerTexts();
}

/** Presses Tab until the control of this name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
    const seen: string[] = [];
    for (let presses = 0; presses < 40; presses++) {
        await page.keyboard.press("Tab");
        const focused = await page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).innerText?.trim() ?? ''",
        );
        if (String(focused).startsWith(name)) return;
        seen.push(String(focused));
    }
    throw new Error(`Tab doesn't reach '${name}', only ${seen.join(", ")}.`);
}

interface AccessibilityNode {
    ignored: boolean;
    role?: { value: string };
    name?: { value: string };
}

/** Controls and regions that a screen reader couldn't name. */
async function nameless(page: Page): Promise<string[]> {
    const session = await page.context().newCDPSession(page);
    const { nodes } = (await session.send("Accessibility.getFullAXTree")) as {
        nodes: AccessibilityNode[];
    };
    const roles = [
        "link",
        "button",
        "combobox",
        "table",
        "navigation",
        "region",
        "form",
        "heading",
    ];
    const named = nodes.filter(
        ({ ignored, role }) => !ignored && roles.includes(role?.value ?? ""),
    );
    expect(named.length).toBeGreaterThan(10);
    return named.filter(({ name }) => !name?.value).map(({ role }) => role!.value);
}

const overflow = (page: Page) =>
    page.evaluate<number>(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );

describe.each([
    ["a laptop", laptop],
    ["a phone", phone],
])("at the width of %s", (_name, viewport) => {
    test("vaults, keys, versions and access are there, named, and nothing scrolls sideways", async () => {
        const { name, client } = await newVault();
        const expiresOn = new Date("2030-01-02T03:04:05Z");
        const first = await client.createRsaKey("a-key", { hsm: true, tags: { owner: "payroll" } });
        await client.updateKeyProperties("a-key", first.properties.version!, { enabled: false });
        const second = await client.createRsaKey("a-key", {
            hsm: true,
            keyOps: ["sign", "verify"],
            expiresOn,
        });
        const longest = "x".repeat(127);
        await client.createEcKey(longest, { tags: { ["t".repeat(256)]: "v".repeat(256) } });
        await (await client.beginDeleteKey(longest)).pollUntilDone();

        const page = await openPage(viewport);
        expect((await cells(page, "Key vaults", name))[1]).toBe("available");
        await page.getByRole("main").getByRole("link", { name, exact: true }).click();
        await page.getByRole("heading", { level: 1, name }).waitFor();
        const key = await cells(page, "Keys", "a-key");
        expect(key.slice(0, 5)).toEqual([
            "a-key",
            "enabled",
            "RSA-HSM, 2048 bits",
            second.properties.version,
            "2",
        ]);
        expect(key[5]!.split(/\s+/)).toEqual(["sign", "verify"]);
        expect((await cells(page, "Keys", longest))[1]).toBe("deleted");
        expect(await cells(page, "Access to keys", "operator")).toEqual(
            expect.arrayContaining(["Local Azure operator", "all"]),
        );
        expect(await overflow(page)).toBe(0);
        expect(await nameless(page)).toEqual([]);

        await page.getByRole("link", { name: "a-key" }).click();
        await page.getByRole("heading", { level: 1, name: "a-key" }).waitFor();
        const current = await cells(page, "Versions", second.properties.version!);
        expect(current[0]).toMatch(/current$/);
        expect(current.slice(1, 2)).toEqual(["enabled"]);
        expect(current[5]).toBe("2030-01-02 03:04:05");
        const old = await cells(page, "Versions", first.properties.version!);
        expect(old[0]).not.toMatch(/current$/);
        expect([old[1], old[7]]).toEqual(["disabled", "owner: payroll"]);
        expect(await overflow(page)).toBe(0);
        expect(await nameless(page)).toEqual([]);

        await page.goBack();
        await page.getByRole("link", { name: longest }).click();
        await page.getByText("Scheduled purge").waitFor();
        expect(await overflow(page)).toBe(0);
    });
});

test("keyboard only: to a vault, its key, its versions, back, and the log's filters", async () => {
    const { name, client } = await newVault();
    const { properties } = await client.createEcKey("by-keyboard");
    const page = await openPage();
    await tabTo(page, "Skip to content");
    await page.keyboard.press("Enter");
    await tabTo(page, name);
    expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).not.toBe(
        "none",
    );
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name }).waitFor();
    await tabTo(page, "by-keyboard");
    await page.keyboard.press("Enter");
    await row(page, "Versions", properties.version!).waitFor();
    expect(await page.title()).toBe("by-keyboard – Local Azure");

    await tabTo(page, "Pause");
    await page.keyboard.press("Space");
    expect(await page.getByRole("button", { name: "Pause", pressed: true }).count()).toBe(1);
    await tabTo(page, "Plane");
    await page.keyboard.type("Entra");
    await page
        .getByRole("row")
        .filter({ hasText: "Key Vault" })
        .first()
        .waitFor({ state: "detached" });

    await tabTo(page, name);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name }).waitFor();
});

test("a key that is imported meanwhile appears, and the focus stays where it was", async () => {
    const { name, client } = await newVault();
    await client.createEcKey("first");
    const page = await openPage(laptop, `#/vaults/${name}`);
    const link = page.getByRole("link", { name: "first" });
    await link.focus();
    await page.evaluate("window.marker = 'not loaded again'");

    const { privateKey } = ecKeyPair("prime256v1");
    const { d, x, y } = privateKey.export({ format: "jwk" });
    const bytes = (member?: string) => Buffer.from(member!, "base64url");
    await client.importKey("second", {
        kty: "EC",
        crv: "P-256",
        d: bytes(d),
        x: bytes(x),
        y: bytes(y),
    });
    await page.getByRole("link", { name: "second" }).waitFor();
    await row(page, "Requests", "import").filter({ hasText: name }).first().waitFor();
    expect(await page.evaluate("document.activeElement.innerText")).toBe("first");
    expect(await page.evaluate("window.marker")).toBe("not loaded again");
});

test("the log is filtered by plane, vault, operation and status; paused, it stands still", async () => {
    const { name, client } = await newVault();
    const other = await newVault();
    await client.createEcKey("one");
    await other.client.createEcKey("two");
    await expect(client.getKey("absent")).rejects.toMatchObject({ statusCode: 404 });
    const page = await openPage();
    const shown = async () => {
        const rows = page.getByRole("table", { name: "Requests" }).getByRole("row");
        return (await rows.allInnerTexts()).slice(1);
    };
    const choose = (filter: string, label: string) =>
        page.getByLabel(filter, { exact: true }).selectOption({ label });

    await choose("Vault", name);
    const ofVault = await shown();
    expect(ofVault.length).toBeGreaterThanOrEqual(3);
    expect(ofVault.filter((text) => !text.includes(name))).toEqual([]);
    await choose("Status", "refused");
    expect((await shown()).filter((text) => !/KeyNotFound|401/.test(text))).toEqual([]);
    await choose("Operation", "get");
    const refused = await shown();
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(/absent[^]*Local Azure operator[^]*404[^]*KeyNotFound/);
    expect(await page.locator("#shown").innerText()).toMatch(/^1 of the last \d+ requests/);

    for (const filter of ["Vault", "Status", "Operation"]) await choose(filter, "all");
    await choose("Plane", "Resource Manager");
    const managed = await shown();
    expect(managed.some((text) => text.includes(`/vaults/${name}`))).toBe(true);
    expect(managed.filter((text) => !text.includes("Resource Manager"))).toEqual([]);
    await choose("Plane", "Key Vault");

    await page.getByRole("button", { name: "Pause" }).click();
    const before = await shown();
    const polled = page.waitForResponse(async (response) =>
        response.url().includes("/requests?")
            ? (await response.text()).includes("while-paused")
            : false,
    );
    await client.createEcKey("while-paused");
    await polled;
    expect(await shown()).toEqual(before);
    await page.getByRole("button", { name: "Pause" }).click();
    expect((await shown()).some((text) => text.includes("while-paused"))).toBe(true);
});

test("more keys than fit are on a next page", async () => {
    const { name, client } = await newVault();
    const names = Array.from({ length: 101 }, (_, index) => `key-${1000 + index}`);
    await Promise.all(names.map((key) => client.createEcKey(key)));
    const page = await openPage(laptop, `#/vaults/${name}`);
    await page.getByText("100 of 101 keys").waitFor();
    await page.getByRole("link", { name: "Next keys" }).click();
    await page.getByText("1 of 101 keys", { exact: false }).waitFor();
    await row(page, "Keys", "key-1000").waitFor({ state: "detached" });
    expect((await cells(page, "Keys", "key-1100"))[1]).toBe("enabled");
});

test("where role assignments count, they are shown and access policies aren't", async () => {
    const { name } = await newVault();
    const { resourceManager, subscriptionId, tenantId, caFile } = cloud.description;
    const credential = await operatorCredential(cloud.description);
    const { token } = await credential.getToken("https://management.azure.com/.default");
    const agent = new Agent({ ca: await readFile(caFile) });
    const subscription = `/subscriptions/${subscriptionId}`;
    const vault = `${subscription}/resourceGroups/group/providers/Microsoft.KeyVault/vaults/${name}`;
    const send = (method: string, path: string, version: string, properties: object) =>
        sendJson(method, `${resourceManager}${path}?api-version=${version}`, {
            agent,
            token,
            body: { properties },
        });
    const [, claims = ""] = token.split(".");
    const { oid } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { oid: string };
    const unknown = "33333333-3333-4333-8333-333333333333";
    await send("PATCH", vault, "2024-11-01", {
        enableRbacAuthorization: true,
        accessPolicies: [{ tenantId, objectId: unknown, permissions: { keys: ["get"] } }],
    });
    const role = "12338af0-0e69-4776-bea7-57ae8d297424";
    const { status } = await send(
        "PUT",
        `${vault}/providers/Microsoft.Authorization/roleAssignments/${unknown}`,
        "2022-04-01",
        {
            principalId: oid,
            principalType: "ServicePrincipal",
            roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`,
        },
    );
    agent.destroy();
    expect(status).toBe(201);
    const page = await openPage(laptop, `#/vaults/${name}`);
    expect(await cells(page, "Access to keys", "role assignment")).toEqual([
        "Local Azure operator",
        "role assignment",
        "Key Vault Crypto User",
        oid,
    ]);
    expect(await row(page, "Access to keys", unknown).count()).toBe(0);
});

test("no answer holds key material or a secret", async () => {
    const { name, client } = await newVault();
    const jwk = rsaKeyPair(2048).privateKey.export({ format: "jwk" }) as Record<string, string>;
    const members = ["n", "e", "d", "p", "q", "dp", "dq", "qi"] as const;
    const bytes: Record<string, Buffer> = {};
    for (const member of members) bytes[member] = Buffer.from(jwk[member]!, "base64url");
    await client.importKey("imported", { kty: "RSA", ...bytes });
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    contexts.push(context);
    const page = await context.newPage();
    const answers: Promise<string>[] = [];
    page.on("response", (response) => answers.push(response.text()));
    await page.goto(`${cloud.description.authorityHost}/#/vaults/${name}`);
    await page.getByRole("link", { name: "imported" }).click();
    await page.getByRole("table", { name: "Versions" }).waitFor();
    const all = (await Promise.all(answers)).join("\n");
    expect(all).toContain('"2048 bits"');
    const secrets = members.slice(2).map((member) => jwk[member]!);
    const { clientSecret } = cloud.description.operator;
    const forms = secrets.flatMap((secret) => {
        const buffer = Buffer.from(secret, "base64url");
        return [secret, buffer.toString("base64"), buffer.toString("hex")];
    });
    for (const form of [...forms, clientSecret, "pkcs8", "PRIVATE KEY"])
        expect(all.includes(form)).toBe(false);
});

/** One request with headers that a browser wouldn't let a script choose. */
function ask(path: string, headers: Record<string, string> = {}, method = "GET") {
    return new Promise<{ status?: number; headers: NodeJS.Dict<string | string[]>; body: string }>(
        (resolve, reject) => {
            const url = `${cloud.description.authorityHost}${path}`;
            const options = { method, headers, rejectUnauthorized: false, agent: false as const };
            const sent = request(url, options, (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("end", () =>
                    resolve({
                        status: response.statusCode,
                        headers: response.headers,
                        body: Buffer.concat(chunks).toString(),
                    }),
                );
            });
            sent.on("error", reject).end();
        },
    );
}

test("other sites can neither read nor frame it, and a name pointed to loopback is refused", async () => {
    for (const path of [
        "/",
        "/local/page/page.mjs",
        "/local/view/vaults",
        "/local/view/requests",
    ]) {
        const { status, headers } = await ask(path, { origin: "https://evil.example" });
        expect(status).toBe(200);
        expect(headers).toMatchObject({
            "content-security-policy": expect.stringMatching(
                /^default-src 'self';.*frame-ancestors 'none'/,
            ) as string,
            "x-frame-options": "DENY",
            "cross-origin-resource-policy": "same-origin",
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
        });
        expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual(
            [],
        );
        const refused = await ask(path, { host: "evil.example" });
        expect([refused.status, refused.body]).toEqual([
            403,
            expect.stringContaining("https://127.0.0.1"),
        ]);
        expect((await ask(path, { host: "localhost:1" })).status).toBe(200);
    }
});

test("it only reads; what isn't there is said", async () => {
    const { name } = await newVault();
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
        for (const path of ["/", "/local/view/vaults", `/local/view/key?vault=${name}&name=a`])
            expect((await ask(path, {}, method)).status).toBe(404);
    const absent = await ask(`/local/view/key?vault=${name}&name=absent`);
    expect([absent.status, JSON.parse(absent.body)]).toEqual([
        404,
        { error: "There is no key 'absent'." },
    ]);
    expect((await ask("/local/view/keys?vault=absent")).status).toBe(404);
});
