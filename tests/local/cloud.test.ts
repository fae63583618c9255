import { spawn, type ChildProcess } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { request } from "node:https";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClientSecretCredential } from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";
import { startCloud, type Cloud, type CloudDescription } from "../../local/cloud";
import { settableClock } from "./cloudFixture";
import { Engine } from "./providerEngine";

// Each test makes RSA keys and starts a cloud; on a busy machine that takes its time.
jest.setTimeout(60_000);

const group = "group";
let folder: string;
let clouds: Cloud[];

beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "cloud-"));
    clouds = [];
});
afterEach(async () => {
    for (const cloud of clouds) await cloud.close();
    await rm(folder, { recursive: true, force: true });
});

async function start(options: { clock?: ReturnType<typeof settableClock> } = {}): Promise<Cloud> {
    const cloud = await startCloud({ folder, stack: "dev", ...options });
    clouds.push(cloud);
    return cloud;
}

const description = async () =>
    JSON.parse(await readFile(join(folder, "azure.json"), "utf8")) as CloudDescription;
const ca = () => readFile(join(folder, "ca.pem"), "utf8");

type Identity = { clientId: string; clientSecret: string };

async function credential(cloud: CloudDescription, { clientId, clientSecret }: Identity) {
    return new ClientSecretCredential(cloud.tenantId, clientId, clientSecret, {
        authorityHost: cloud.authorityHost,
        disableInstanceDiscovery: true,
        tlsOptions: { ca: await ca() },
    });
}

async function keyClient(cloud: CloudDescription, vault: string, identity: Identity) {
    return new KeyClient(cloud.vaults[vault]!, await credential(cloud, identity), {
        disableChallengeResourceVerification: true,
        tlsOptions: { ca: await ca() },
        retryOptions: { maxRetries: 0 },
    });
}

/** One HTTPS request, trusting the cloud's CA. */
async function send(
    method: string,
    url: string,
    bearer?: string,
    body?: object,
    headers?: Record<string, string>,
) {
    const options = {
        method,
        ca: await ca(),
        agent: false as const,
        headers: {
            "content-type": "application/json",
            ...(bearer && { authorization: `Bearer ${bearer}` }),
            ...headers,
        },
    };
    return new Promise<{ status: number; body: string }>((resolve, reject) => {
        const sent = request(url, options, (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("end", () =>
                resolve({
                    status: response.statusCode ?? 0,
                    body: Buffer.concat(chunks).toString(),
                }),
            );
        });
        sent.on("error", reject).end(body && JSON.stringify(body));
    });
}

/** A request to the resource manager as its operator. */
async function resourceManager(
    cloud: CloudDescription,
    method: "PUT" | "DELETE" | "POST",
    path: string,
    body?: object,
) {
    const { token } = await (
        await credential(cloud, cloud.operator)
    ).getToken("https://management.azure.com/.default");
    const url = `${cloud.resourceManager}/subscriptions/${cloud.subscriptionId}/${path}?api-version=2024-11-01`;
    return send(method, url, token, body);
}

const vaultPath = (name: string) =>
    `resourceGroups/${group}/providers/Microsoft.KeyVault/vaults/${name}`;
const purgePath = (name: string) =>
    `providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/${name}/purge`;

async function createVault(cloud: CloudDescription, name: string, properties: object = {}) {
    await resourceManager(cloud, "PUT", `resourceGroups/${group}`, { location: "westeurope" });
    return resourceManager(cloud, "PUT", vaultPath(name), {
        location: "westeurope",
        properties: {
            tenantId: cloud.tenantId,
            sku: { family: "A", name: "premium" },
            accessPolicies: [],
            ...properties,
        },
    });
}

test("the official SDK reaches a vault, as its operator; the log tells of it and holds no secret", async () => {
    const cloud = await start();
    expect((await createVault(cloud.description, "learn-keyvault")).status).toBe(201);
    const now = await description();
    expect(now).toEqual(cloud.description);
    const keys = await keyClient(now, "learn-keyvault", now.operator);
    const created = await keys.createRsaKey("rsa-1", { hsm: true });
    expect(created.keyType).toBe("RSA-HSM");
    expect(created.id).toContain(now.vaults["learn-keyvault"]);
    expect((await keys.getKey("rsa-1")).id).toBe(created.id);

    const log = await readFile(join(folder, "requests.jsonl"), "utf8");
    const entries = log
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const { clientId } = now.operator;
    expect(entries).toEqual(
        expect.arrayContaining([
            expect.objectContaining({ plane: "entra", method: "POST", status: 200, clientId }),
            expect.objectContaining({
                plane: "resourceManager",
                method: "PUT",
                status: 201,
                clientId,
            }),
            expect.objectContaining({ plane: "keyvault", vault: "learn-keyvault", status: 401 }),
            expect.objectContaining({ plane: "keyvault", key: "rsa-1", status: 200, clientId }),
        ]),
    );
    expect(log).not.toContain(now.operator.clientSecret);
    expect(log).not.toMatch(/eyJ|client-request-id|\?/);
});

test("an application that Pulumi made gets what its access policy says, and no more", async () => {
    const cloud = (await start()).description;
    const [, port] = /azuread:(\d+)/.exec(cloud.providers!)!;
    const pulumi = new Engine(Number(port));
    const make = (type: string, inputs: Record<string, unknown>) =>
        pulumi.create(`azuread:index/${type}`, inputs);
    const application = await make("application:Application", { displayName: "app" });
    const clientId = String(application.outputs.clientId);
    const principal = await make("servicePrincipal:ServicePrincipal", { clientId });
    const password = await make("applicationPassword:ApplicationPassword", {
        applicationId: application.id,
    });
    pulumi.close();
    const clientSecret = (password.outputs.value as { value: string }).value;
    const objectId = String(principal.outputs.objectId);

    const accessPolicies = [
        { tenantId: cloud.tenantId, objectId, permissions: { keys: ["create", "get"] } },
    ];
    await createVault(cloud, "learn-keyvault", { accessPolicies });
    const keys = await keyClient(await description(), "learn-keyvault", { clientId, clientSecret });
    await keys.createRsaKey("rsa-1");
    await keys.getKey("rsa-1");
    await expect(keys.beginDeleteKey("rsa-1")).rejects.toMatchObject({
        statusCode: 403,
        message: expect.stringContaining("does not have keys delete permission") as string,
    });
    // A changed policy counts from the next request on.
    await createVault(cloud, "learn-keyvault");
    await expect(keys.getKey("rsa-1")).rejects.toMatchObject({ statusCode: 403 });
});

test("everything is there after a restart: identity, addresses, CA, keys; azure.json only while it runs", async () => {
    const first = await start();
    await createVault(first.description, "learn-keyvault");
    const before = first.description;
    const authority = await ca();
    const keys = await keyClient(before, "learn-keyvault", before.operator);
    const { id } = await keys.createRsaKey("rsa-1");
    await first.close();
    await expect(stat(join(folder, "azure.json"))).rejects.toThrow("ENOENT");

    const second = await start();
    // The stand-in providers' ports are new: nobody keeps them.
    const { providers } = second.description;
    expect(second.description).toEqual({ ...before, providers });
    expect(await ca()).toBe(authority);
    const again = await keyClient(await description(), "learn-keyvault", before.operator);
    expect((await again.getKey("rsa-1")).id).toBe(id);
});

test("a soft-deleted vault doesn't listen, comes back with its keys, and a purge forgets them", async () => {
    const cloud = await start();
    await createVault(cloud.description, "learn-keyvault");
    const before = cloud.description;
    const keys = await keyClient(before, "learn-keyvault", before.operator);
    const { id } = await keys.createRsaKey("rsa-1");

    await resourceManager(before, "DELETE", vaultPath("learn-keyvault"));
    expect((await description()).vaults).toEqual({});
    await expect(keys.getKey("rsa-1")).rejects.toThrow(/ECONNREFUSED/);

    await createVault(before, "learn-keyvault", { createMode: "recover" });
    expect((await description()).vaults).toEqual(before.vaults);
    expect((await keys.getKey("rsa-1")).id).toBe(id);

    await resourceManager(before, "DELETE", vaultPath("learn-keyvault"));
    expect((await resourceManager(before, "POST", purgePath("learn-keyvault"))).status).toBe(200);
    expect((await createVault(before, "learn-keyvault")).status).toBe(201);
    const fresh = await keyClient(await description(), "learn-keyvault", before.operator);
    await expect(fresh.getKey("rsa-1")).rejects.toMatchObject({ statusCode: 404 });
});

test("files that hold keys and secrets are their owner's alone; the CA signs for loopback only", async () => {
    const cloud = await start();
    const mode = async (...path: string[]) => (await stat(join(folder, ...path))).mode & 0o777;
    expect(await mode("azure.json")).toBe(0o600);
    expect(await mode("azure", "ca.key")).toBe(0o600);
    expect(await mode("azure")).toBe(0o700);
    expect(await mode("requests.jsonl")).toBe(0o600);
    expect(new X509Certificate(await ca()).ca).toBe(true);
    expect(await readFile(join(folder, "azure.json"), "utf8")).not.toContain("PRIVATE KEY");
    const ports = [cloud.description.authorityHost, ...Object.values(cloud.description.vaults)];
    for (const uri of ports) {
        expect(Number(new URL(uri).port)).toBeGreaterThanOrEqual(20_000);
        expect(Number(new URL(uri).port)).toBeLessThanOrEqual(29_999);
    }
});

test("a second one on the same folder is refused, and the first goes on", async () => {
    const cloud = await start();
    await expect(startCloud({ folder, stack: "dev" })).rejects.toThrow(
        /another process has it open/,
    );
    expect(await description()).toEqual(cloud.description);
});

test("a vault's port that someone else took is an error that says what to do, and nothing is left open", async () => {
    const cloud = await start();
    await createVault(cloud.description, "learn-keyvault");
    const port = Number(new URL(cloud.description.vaults["learn-keyvault"]!).port);
    await cloud.close();

    const thief = await listening(port);
    try {
        await expect(startCloud({ folder, stack: "dev" })).rejects.toThrow(
            new RegExp(
                `key vault 'learn-keyvault' can't be served: its port ${port} is taken.*Stop that program`,
            ),
        );
        await expect(stat(join(folder, "azure.json"))).rejects.toThrow("ENOENT");
    } finally {
        await new Promise((resolve) => thief.close(resolve));
    }
    const again = await start();
    expect(again.description.vaults).toEqual({ "learn-keyvault": `https://127.0.0.1:${port}/` });
});

test("tokens and secrets follow the cloud's clock", async () => {
    const clock = settableClock(new Date().toISOString());
    const cloud = await start({ clock });
    await createVault(cloud.description, "learn-keyvault");
    const { description } = cloud;
    const keys = await keyClient(description, "learn-keyvault", description.operator);
    await keys.createRsaKey("rsa-1");
    clock.set(new Date(clock.now() + 2 * 3_600_000).toISOString());
    // The client's cached token is over for the cloud; a new client gets a new one.
    await expect(keys.getKey("rsa-1")).rejects.toMatchObject({ statusCode: 401 });
    const fresh = await keyClient(description, "learn-keyvault", description.operator);
    await fresh.getKey("rsa-1");
});

describe("the command", () => {
    let child: ChildProcess | undefined;
    afterEach(() => child?.kill("SIGKILL"));

    const run = (...args: string[]) => node("local/start.mjs", ...args);

    function node(...args: string[]) {
        const started = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
        child = started;
        const output = { stdout: "", stderr: "" };
        started.stdout.on("data", (data: Buffer) => (output.stdout += data.toString()));
        started.stderr.on("data", (data: Buffer) => (output.stderr += data.toString()));
        const exited = new Promise<number | null>((resolve) => started.on("exit", resolve));
        return { started, output, exited };
    }

    test("says that it is ready, answers at /health, and ends cleanly at SIGTERM", async () => {
        const { started, output, exited } = run("--folder", folder, "--stack", "dev");
        await new Promise((resolve) => started.stdout.once("data", resolve));
        const cloud = await description();
        expect(cloud.pid).toBe(started.pid);
        expect(output.stdout).toBe(
            `Local Azure of stack dev is ready at ${cloud.authorityHost} (CA: ${join(folder, "ca.pem")}).\n`,
        );
        const health = await send("GET", `${cloud.authorityHost}/health`);
        expect(JSON.parse(health.body)).toEqual({ status: "ok", pid: started.pid });
        started.kill("SIGTERM");
        expect(await exited).toBe(0);
        expect(output.stderr).toBe("");
        await expect(stat(join(folder, "azure.json"))).rejects.toThrow("ENOENT");
    });

    test("starts without TypeScript's compiler, which would double the time", async () => {
        // What was loaded, told at the end.
        const witness = `data:text/javascript,
            import { createRequire } from "node:module";
            const { cache } = createRequire("file:///");
            process.on("exit", () => console.log(Object.keys(cache).join("\\n")));`;
        const { started, output, exited } = node(
            ...["--import", witness, "local/start.mjs", "--folder", folder],
        );
        await new Promise((resolve) => started.stdout.once("data", resolve));
        started.kill("SIGTERM");
        expect(await exited).toBe(0);
        expect(output.stdout).toContain("/local/cloud.ts");
        expect(output.stdout).not.toMatch(/node_modules.(typescript|ts-node)\b/);
    });

    test("takes settings for this run", async () => {
        const { started } = run(
            ...["--folder", folder, "--stack", "dev", "--limits"],
            ...["--visibility-delay", "1.5", "--propagation-delay", "60"],
        );
        await new Promise((resolve) => started.stdout.once("data", resolve));
        const { authorityHost, operator } = await description();
        const secret = Buffer.from(`${operator.clientId}:${operator.clientSecret}`);
        const settings = await send(
            "GET",
            `${authorityHost}/local/settings`,
            undefined,
            undefined,
            {
                authorization: `Basic ${secret.toString("base64")}`,
            },
        );
        expect(JSON.parse(settings.body)).toEqual({
            visibilityDelay: 1.5,
            propagationDelay: 60,
            limits: true,
        });
    });

    test("tells in one line why it doesn't start", async () => {
        const { output, exited } = run("--folder", folder, "--visibility-delay", "soon");
        expect(await exited).toBe(1);
        expect(output.stderr).toBe(
            "The local Azure failed: The visibilityDelay has to be a number of seconds, 0 or more, and is 'soon'.\n",
        );
        expect(output.stdout).toBe("");
    });
});

function listening(port: number): Promise<Server> {
    return new Promise((resolve) => {
        const server = createServer();
        server.listen(port, "127.0.0.1", () => resolve(server));
    });
}
