import { spawn, type ChildProcess } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transformFile } from "@swc/core";
import type { CloudDescription } from "../../local/cloud";
import { ecKeyPair } from "../keyPair";
import { createVault, operatorCredential, sendJson } from "./operator";

/** More rounds find rarer losses: `npm run test:kill`. */
const rounds = Number(process.env.KILL_ROUNDS ?? 50);
const wholeRounds = Math.ceil(rounds / 8);
const seed = Number(process.env.KILL_SEED ?? 1);
const clients = 4;

jest.setTimeout(60_000 + rounds * 5000);

let compiled: string;
let folder: string;
const children = new Set<ChildProcess>();
beforeAll(async () => {
    compiled = await mkdtemp(join(tmpdir(), "kill-compiled-"));
    const parts = ["local", "tests/local/killedVault.ts", "tests/local/keyvaultFixture.ts"];
    await compile(parts, compiled);
});
afterAll(() => rm(compiled, { recursive: true }));
beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kill-"));
});
afterEach(async () => {
    for (const child of children) await kill(child);
    await rm(folder, { recursive: true });
});

/** Compiles these parts of the project once: ts-node would take most of the time of each start. */
async function compile(parts: string[], to: string): Promise<void> {
    for (const part of parts) await cp(part, join(to, part), { recursive: true });
    const sources = (await readdir(to, { recursive: true })).filter((file) => file.endsWith(".ts"));
    for (const file of sources.map((source) => join(to, source))) {
        const { code } = await transformFile(file, {
            swcrc: false,
            jsc: { target: "es2022", parser: { syntax: "typescript" } },
            module: { type: "commonjs" },
        });
        await writeFile(file.replace(/\.ts$/, ".js"), code);
    }
    await symlink(join(process.cwd(), "node_modules"), join(to, "node_modules"));
}

/** Runs a script of this project; resolves with its first line. Fails if it ends before. */
async function start(script: string, ...args: string[]) {
    const child = spawn(process.execPath, [join(compiled, script), ...args], {
        stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    let errors = "";
    child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
    const line = await new Promise<string>((resolve, reject) => {
        child.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()));
        child.once("exit", () => reject(new Error(`It didn't start: ${errors}`)));
    });
    return { child, line };
}

async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode === null && child.signalCode === null)
        await new Promise((resolve) => {
            child.once("exit", resolve);
            child.kill("SIGKILL");
        });
    children.delete(child);
}

/** What a vault is reached by, as long as its process lives. */
interface Vault {
    child: ChildProcess;
    uri: string;
    agent: https.Agent;
    token: string;
}

/** Random numbers from 0 to 1 that a seed repeats (mulberry32). */
function randomNumbers(from: number): () => number {
    let state = from;
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

type Write = "create" | "import" | "update" | "delete";

/** What a client knows of a key of its own. */
interface KnownKey {
    name: string;
    /** Ids of the versions that it was told of. */
    versions: string[];
    /** The tag that its last answered write set. */
    tag: number;
    deleted: boolean;
    /** Sent and not answered. */
    pending?: { write: Write; tag: number };
}

const jwk = { ...ecKeyPair("prime256v1").privateKey.export({ format: "jwk" }), key_ops: ["sign"] };

const requests: Record<Write, (tags: object) => { method: string; path: string; body?: object }> = {
    create: (tags) => ({ method: "POST", path: "/create", body: { kty: "EC", tags } }),
    import: (tags) => ({ method: "PUT", path: "", body: { key: jwk, tags } }),
    update: (tags) => ({ method: "PATCH", path: "", body: { tags } }),
    delete: () => ({ method: "DELETE", path: "" }),
};

const address = (vault: Vault, path: string) => `${vault.uri}${path}?api-version=2025-07-01`;

/** Writes to keys of its own, one after another, until the vault is gone. */
async function writeUntilKilled(
    vault: Vault,
    client: string,
    random: () => number,
    answered: () => void,
) {
    const keys: KnownKey[] = [];
    for (let tag = 1; ; tag++) {
        let key = keys.at(-1);
        if (!key || key.deleted) {
            key = { name: `${client}-${keys.length}`, versions: [], tag: 0, deleted: false };
            keys.push(key);
        }
        const write = key.versions.length === 0 ? "create" : nextWrite(random());
        const { method, path, body } = requests[write]({ tag: String(tag) });
        key.pending = { write, tag };
        let answer;
        try {
            answer = await sendJson(method, address(vault, `keys/${key.name}${path}`), {
                ...vault,
                body,
            });
        } catch {
            return keys;
        }
        expect(answer).toMatchObject({ status: 200 });
        answered();
        delete key.pending;
        if (write === "delete") key.deleted = true;
        else key.tag = tag;
        if (write === "create" || write === "import") {
            const { kid } = (answer.body as { key: { kid: string } }).key;
            key.versions.push(kid.split("/").at(-1) ?? "");
        }
    }
}

function nextWrite(random: number): Write {
    if (random < 0.3) return "create";
    if (random < 0.6) return "import";
    return random < 0.85 ? "update" : "delete";
}

/** What is wrong with this key after the restart: nothing, if it is as the last answer said or one write further. */
async function loss(vault: Vault, key: KnownKey): Promise<string[]> {
    const get = async (path: string) => {
        const { status, body } = await sendJson("GET", address(vault, path), vault);
        return { status, body: body as { tags?: { tag?: string }; value?: { kid: string }[] } };
    };
    const { name, pending, tag } = key;
    const deleted = await get(`deletedkeys/${name}`);
    const isDeleted = deleted.status === 200;
    const problems = [];
    if (isDeleted !== key.deleted && !(isDeleted && pending?.write === "delete"))
        problems.push(`${name}: ${isDeleted ? "deleted" : "not deleted any more"}`);
    if (key.versions.length === 0) return problems;

    const { body } = isDeleted ? deleted : await get(`keys/${name}`);
    const found = Number(body.tags?.tag);
    if (found !== tag && found !== pending?.tag)
        problems.push(`${name}: tag ${found} instead of ${tag}`);
    if (isDeleted) return problems;

    const listed: string[] = [];
    for (let page = await get(`keys/${name}/versions`); ;) {
        listed.push(...(page.body.value ?? []).map(({ kid }) => kid.split("/").at(-1) ?? ""));
        const next = (page.body as { nextLink?: string | null }).nextLink;
        if (!next) break;
        page = (await sendJson(
            "GET",
            vault.uri + next.split(/^https?:\/\/[^/]+\//)[1],
            vault,
        )) as typeof page;
    }
    const missing = key.versions.filter((version) => !listed.includes(version));
    const surplus = listed.length + missing.length - key.versions.length;
    if (missing.length > 0) problems.push(`${name}: versions ${missing.join(", ")} are missing`);
    if (surplus > (pending ? 1 : 0)) problems.push(`${name}: ${surplus} versions too many`);
    return problems;
}

/** Kills it again and again while clients write; what they were answered has to be there each time it starts. */
async function losses(restart: () => Promise<Vault>, times: number, random: () => number) {
    const all: KnownKey[] = [];
    const problems: string[] = [];
    let vault = await restart();
    for (let round = 1; round <= times; round++) {
        const delay = random() * 200;
        let moment: NodeJS.Timeout | undefined;
        const { child } = vault;
        const answered = () => (moment ??= setTimeout(() => child.kill("SIGKILL"), delay));
        const written = await Promise.all(
            Array.from({ length: clients }, (_, client) =>
                writeUntilKilled(
                    vault,
                    `round-${round}-client-${client}`,
                    randomNumbers(random() * 2 ** 32),
                    answered,
                ),
            ),
        );
        await kill(vault.child);
        vault.agent.destroy();
        vault = await restart();
        const keys = written.flat();
        all.push(...keys);
        for (const key of keys) problems.push(...(await loss(vault, key)));
    }
    // What an earlier start brought back has survived all later kills too.
    for (const key of all) problems.push(...(await loss(vault, key)));
    await kill(vault.child);
    vault.agent.destroy();
    const answered = all.flatMap(({ versions }) => versions).length;
    return { problems, answered };
}

test(`a vault's data plane, killed at ${rounds - wholeRounds} moments, loses no answered write`, async () => {
    const restart = async () => {
        const { child, line } = await start("tests/local/killedVault.js", folder);
        const agent = new http.Agent({ keepAlive: true }) as https.Agent;
        return { child, uri: line, agent, token: "any" };
    };
    const times = rounds - wholeRounds;
    const { problems, answered } = await losses(restart, times, randomNumbers(seed));
    expect(problems).toEqual([]);
    expect(answered).toBeGreaterThanOrEqual(times);
});

test(`the whole local Azure, killed at ${wholeRounds} moments, loses no answered write`, async () => {
    let token: string | undefined;
    const restart = async () => {
        const { child } = await start("local/main.js", "--folder", folder, "--stack", "kill");
        const cloud = JSON.parse(
            await readFile(join(folder, "azure.json"), "utf8"),
        ) as CloudDescription;
        // A token that was issued before a kill counts after it.
        if (!token) {
            cloud.vaults.killed = await createVault(cloud, "killed");
            const credential = await operatorCredential(cloud);
            token = (await credential.getToken("https://vault.azure.net/.default")).token;
        }
        const agent = new https.Agent({ keepAlive: true, ca: await readFile(cloud.caFile) });
        return { child, uri: cloud.vaults.killed ?? "", agent, token };
    };
    const { problems, answered } = await losses(restart, wholeRounds, randomNumbers(seed + 1));
    expect(problems).toEqual([]);
    expect(answered).toBeGreaterThanOrEqual(wholeRounds);
});
