import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fastify, type FastifyInstance } from "fastify";
import { systemClock } from "../../local/clock";
import type { CloudDescription } from "../../local/cloud";
import { logRequests } from "../../local/logRequests";
import type { RequestLogEntry } from "../../local/requestLog";
import { startServer } from "./keyvaultServer";
import { createVault } from "./operator";

jest.setTimeout(60_000);

const requests = 500;

let folder: string;
let child: ChildProcess;
let cloud: CloudDescription;
let agent: Agent;
let vault: string;

// In a process of its own, as for any client: in this one it couldn't be late with the entry.
beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "request-log-"));
    child = spawn(process.execPath, ["local/start.mjs", "--folder", folder], {
        stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout!.once("data", resolve));
    cloud = JSON.parse(await readFile(join(folder, "azure.json"), "utf8")) as CloudDescription;
    vault = await createVault(cloud, "logged");
    agent = new Agent({ keepAlive: true, maxSockets: 50, ca: await readFile(cloud.caFile) });
});
afterAll(async () => {
    agent.destroy();
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true });
});

/** The entries of this path as soon as the first bytes of its answer are there. */
function entriesAtAnswer(url: string): Promise<Partial<RequestLogEntry>[]> {
    return new Promise((resolve, reject) => {
        const sent = request(url, { agent }, (response) => {
            const lines = readFileSync(join(folder, "requests.jsonl"), "utf8").split("\n");
            const own = lines.filter((line) => line.includes(`"${new URL(url).pathname}"`));
            const entries = own.map((line) => JSON.parse(line) as RequestLogEntry);
            response.resume().on("end", () => resolve(entries));
        });
        sent.on("error", reject).end();
    });
}

test.each<[RequestLogEntry["plane"], (n: number) => string]>([
    ["keyvault", (n) => `${vault}keys/key-${n}`],
    ["entra", (n) => `${cloud.authorityHost}/tenant-${n}/v2.0/.well-known/openid-configuration`],
    [
        "resourceManager",
        (n) => `${cloud.resourceManager}/subscriptions/any/resourceGroups/group-${n}`,
    ],
])("%s: whoever has an answer finds its entry in the log", async (plane, address) => {
    const found = await Promise.all(
        Array.from({ length: requests }, (_, n) => entriesAtAnswer(address(n))),
    );
    expect(found).toEqual(found.map(() => [expect.objectContaining({ plane }) as unknown]));
});

describe("an answer that hasn't left yet is logged already", () => {
    /** How many entries there are when each answer is about to leave. */
    const counts = (app: FastifyInstance, entries: () => number) => {
        const counted: number[] = [];
        app.addHook("onSend", (_request, _reply, _payload, done) => {
            counted.push(entries());
            done();
        });
        return counted;
    };

    test("by a vault", async () => {
        let counted: number[] = [];
        const server = await startServer(
            {},
            { prepare: (app) => (counted = counts(app, () => server.log.length)) },
        );
        for (const path of ["/keys", "/keys/nobody", "/nothing"]) await server.send("GET", path);
        await server.send("GET", "/keys", undefined, { token: "-" });
        await server.stop();
        expect(counted).toEqual([1, 2, 3, 4]);
    });

    test("by everything else", async () => {
        const app = fastify();
        const log: RequestLogEntry[] = [];
        logRequests(app, "control", systemClock, (entry) => log.push(entry));
        const counted = counts(app, () => log.length);
        app.get("/fails", () => Promise.reject(new Error("expected")));
        app.delete("/empty", (_request, reply) => reply.code(204).send());
        await app.inject("/fails");
        await app.inject({ method: "DELETE", url: "/empty" });
        await app.close();
        expect(counted).toEqual([1, 2]);
        expect(log.map(({ status }) => status)).toEqual([500, 204]);
    });
});
