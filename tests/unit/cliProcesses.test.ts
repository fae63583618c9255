import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { runningAzure, stopAzure } from "../../cli/localAzure";

// The keymgmt command as a process, in a checkout of its own. The subject is how it handles processes, so small
// scripts stand for Pulumi and for the local Azure.
jest.setTimeout(60_000);

const repository = path.resolve(__dirname, "../..");
let root: string;
let bin: string;
let children: ChildProcess[];

beforeEach(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), "cli-process-test-"));
    bin = path.join(root, "bin");
    children = [];
    await mkdir(bin);
    const needed = ["cli", "engine", "keys", "providers/readSecret.ts"];
    for (const name of [...needed, "local/start.mjs", "tsconfig.json"]) {
        await cp(path.join(repository, name), path.join(root, name), { recursive: true });
    }
    await symlink(path.join(repository, "node_modules"), path.join(root, "node_modules"));
    await put("Pulumi.yaml", "name: keymgmt\nruntime: nodejs\n");
    await put("local/main.ts", localAzure);
    await script("pulumi-language-nodejs", "");
});

afterEach(async () => {
    // Groups, so that what a failed test left behind goes too.
    for (const { pid } of children) {
        try {
            process.kill(-pid!, "SIGKILL");
        } catch {
            // It has ended, as it should.
        }
    }
    for (const stack of ["dev", "other"]) await stopAzure(folderOf(stack));
    await rm(root, { recursive: true });
});

async function put(file: string, text: string, mode = 0o644): Promise<void> {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text, { mode });
}

const script = (name: string, text: string) => put(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755);

/** Answers `pulumi version`, and does the given for anything else. */
const pulumi = (text: string) =>
    script("pulumi", `[ "$*" = version ] && { echo v3.999.0; exit; }\n${text}`);

// What a starter sees of the local Azure: azure.json, the health answer, and an end at SIGTERM.
const localAzure = `
const { generateKeyPairSync } = require("node:crypto");
const fs = require("node:fs");
const forge = require("node-forge");
const folder = process.argv[process.argv.indexOf("--folder") + 1] + "/";
if (fs.existsSync(folder + "broken")) { console.error("no port is free"); process.exit(1); }
try { fs.mkdirSync(folder + "lock"); } catch { console.error("another one holds the lock"); process.exit(1); }
const spki = { type: "spki", format: "pem" }, pkcs8 = { type: "pkcs8", format: "pem" };
const pair = generateKeyPairSync("rsa", { modulusLength: 2048, publicKeyEncoding: spki, privateKeyEncoding: pkcs8 });
const certificate = forge.pki.createCertificate();
certificate.publicKey = forge.pki.publicKeyFromPem(pair.publicKey);
certificate.serialNumber = "01";
certificate.validity.notBefore = new Date(Date.now() - 60000);
certificate.validity.notAfter = new Date(Date.now() + 3600000);
certificate.setExtensions([{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }]);
certificate.sign(forge.pki.privateKeyFromPem(pair.privateKey), forge.md.sha256.create());
const cert = forge.pki.certificateToPem(certificate);
fs.writeFileSync(folder + "ca.pem", cert);
const health = (_, response) => response.end(JSON.stringify({ status: "ok", pid: process.pid }));
const server = require("node:https").createServer({ key: pair.privateKey, cert }, health);
server.listen(0, "127.0.0.1", () => {
    const authorityHost = "https://127.0.0.1:" + server.address().port;
    const description = { authorityHost, resourceManager: authorityHost, tenantId: "t", caFile: folder + "ca.pem", providers: "azure-native:1", pid: process.pid };
    fs.writeFileSync(folder + "draft", JSON.stringify(description));
    fs.renameSync(folder + "draft", folder + "azure.json");
});
process.on("SIGTERM", () => process.exit(0));
`;

const start = (...args: string[]) => {
    const env = { PATH: `${bin}:${process.env.PATH}`, HOME: root };
    const node = ["--require", "ts-node/register/transpile-only", "cli/keymgmt.ts", ...args];
    const child = spawn(process.execPath, node, { cwd: root, env, detached: true });
    children.push(child);
    return child;
};

async function keymgmt(...args: string[]) {
    const child = start(...args);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data) => (stdout += String(data)));
    child.stderr.on("data", (data) => (stderr += String(data)));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout, stderr };
}

const folderOf = (stack: string) =>
    path.join(root, stack === "dev" ? ".local" : `.local/stacks/${stack}`);

test("Pulumi gets the arguments as they are, and its exit code and output come back", async () => {
    await pulumi('for each in "$@"; do echo "[$each]"; done; echo oops >&2; exit 42');
    const args = ["--color", "never", "config", "set", "-s", "dev", "a b", "--", "-1", "--help"];
    expect(await keymgmt("pulumi", ...args)).toEqual({
        code: 42,
        stdout: args.map((each) => `[${each}]\n`).join(""),
        stderr: "oops\n",
    });
    expect((await keymgmt("pulumi", "--help")).stdout).toBe("[--help]\n");
    expect((await keymgmt("pulumi", "--version")).stdout).toBe("[--version]\n");
    expect(existsSync(path.join(root, ".local/azure.json"))).toBe(false);
});

test("a signal is passed on, and Pulumi ends in its own time", async () => {
    await pulumi(
        "trap 'echo interrupted; exit 7' INT TERM\necho ready\nwhile :; do sleep 0.05; done",
    );
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
        const child = start("pulumi", "about");
        await once(child.stdout, "data");
        child.kill(signal);
        const [said] = (await once(child.stdout, "data")) as [Buffer];
        expect(said.toString()).toBe("interrupted\n");
        expect(await once(child, "close")).toEqual([7, null]);
    }
});

test("each local stack has a local Azure, started once and kept; down stops only its own", async () => {
    await pulumi('echo "$AZURE_AUTHORITY_HOST $PULUMI_STACK"');
    const first = await keymgmt("pulumi", "preview");
    const dev = await runningAzure(folderOf("dev"));
    expect(first).toMatchObject({ code: 0, stdout: `${dev?.authorityHost} dev\n` });
    expect(await keymgmt("pulumi", "up")).toMatchObject({
        stdout: first.stdout,
        // The stand-in for Pulumi makes no state.
        stderr: "Created stack dev.\n",
    });

    await keymgmt("pulumi", "up", "-s", "other");
    const other = await runningAzure(folderOf("other"));
    expect(other?.pid).not.toBe(dev?.pid);

    expect(await keymgmt("down")).toMatchObject({ code: 0 });
    expect(() => process.kill(dev!.pid, 0)).toThrow("ESRCH");
    expect(existsSync(path.join(root, ".local/seal.key"))).toBe(false);
    expect(await runningAzure(folderOf("other"))).toEqual(other);
    expect(existsSync(path.join(folderOf("other"), "seal.key"))).toBe(true);
    await keymgmt("down", "--stack", "other");
    expect(existsSync(path.join(root, ".local"))).toBe(false);
});

test("two commands at once share one local Azure", async () => {
    await pulumi('echo "$AZURE_AUTHORITY_HOST"');
    const [one, two] = await Promise.all([keymgmt("pulumi", "up"), keymgmt("pulumi", "preview")]);
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(one.stdout).toMatch(/^https:/);
    expect(two.stdout).toBe(one.stdout);
});

test("a killed local Azure's azure.json is ignored: down leaves a process that isn't one alone, up starts anew", async () => {
    await pulumi("true");
    await keymgmt("pulumi", "up");
    const azure = await runningAzure(folderOf("dev"));
    // The process id now belongs to somebody else.
    const somebody = spawn("sleep", ["600"], { detached: true });
    children.push(somebody);
    const stale = JSON.stringify({ ...azure, pid: somebody.pid });
    await keymgmt("down");
    await put(".local/azure.json", stale);
    expect(await runningAzure(folderOf("dev"))).toBeUndefined();
    expect((await keymgmt("pulumi", "up")).code).toBe(0);
    expect((await runningAzure(folderOf("dev")))?.pid).not.toBe(somebody.pid);
    await keymgmt("down");
    await put(".local/azure.json", stale);
    expect(await keymgmt("down")).toMatchObject({ code: 0, stderr: "" });
    expect(await keymgmt("down")).toMatchObject({ code: 0, stderr: "" });
    expect([somebody.exitCode, somebody.signalCode]).toEqual([null, null]);
});

test("a local Azure that doesn't start is reported with the end of its log, and Pulumi isn't run", async () => {
    await pulumi("echo ran");
    await put(".local/azure.log", "of an earlier day\n");
    await put(".local/broken", "");
    const { code, stdout, stderr } = await keymgmt("pulumi", "up");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/didn't start\. The end of .*azure\.log:\n {2}no port is free\n$/);
    expect(stderr).not.toContain("of an earlier day");
});

test("`up` on a stack in a real cloud is refused, and so is `stack select`", async () => {
    await pulumi("echo ran");
    await put("Pulumi.dev.yaml", "config:\n  keymgmt:environment: AzurePublicCloud\n");
    const up = await keymgmt("up");
    expect(up).toMatchObject({ code: 1, stdout: "" });
    expect(up.stderr).toMatch(/^keymgmt: Stack dev isn't on a local Azure/);
    const down = await keymgmt("down");
    expect(down).toMatchObject({ code: 1 });
    expect(await keymgmt("pulumi", "up")).toMatchObject({ code: 0, stdout: "ran\n" });
    expect(existsSync(path.join(root, ".local"))).toBe(false);
    const select = await keymgmt("pulumi", "stack", "select", "prod");
    expect(select).toMatchObject({ code: 1, stdout: "" });
    expect(select.stderr).toContain("--stack NAME");
});

test("`up` makes the stack, passes a failure on, and shows the table after a success", async () => {
    const output = JSON.stringify({ keys: { "rsa-1": { type: "rsa-2048" } }, distributions: [] });
    await pulumi(`echo "$*" >> ${root}/calls
case "$*" in
"stack output"*) echo '${output}' ;;
"up "*) exit $(cat ${root}/result) ;;
esac`);
    await put("result", "3");
    expect(await keymgmt("up")).toMatchObject({ code: 3, stdout: "" });
    await put("result", "0");
    const { code, stdout } = await keymgmt("up");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\nKEY {4}TYPE .*\nrsa-1 {2}rsa-2048 /);
    expect((await readFile(path.join(root, "calls"), "utf8")).split("\n")[0]).toBe(
        "stack init dev --no-select",
    );
});
