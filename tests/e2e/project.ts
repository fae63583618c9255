import { spawn } from "node:child_process";
import {
    cpSync,
    existsSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ClientSecretCredential } from "@azure/identity";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import { stringify } from "yaml";

jest.setTimeout(600_000);

const checkout = path.resolve(__dirname, "../..");

/** What a clone has, without the tests; node_modules is shared. */
const parts = [
    "Pulumi.yaml",
    "Pulumi.dev.yaml",
    "package.json",
    "tsconfig.json",
    "index.ts",
    ...["cli", "components", "config", "engine", "keys", "kms", "local", "providers"],
];

export interface Run {
    code: number;
    /** Standard output and error, as they came. */
    output: string;
    /** Standard output alone. */
    stdout: string;
}

/** What `.local/azure.json` tells a client. */
interface Azure {
    authorityHost: string;
    resourceManager: string;
    subscriptionId: string;
    tenantId: string;
    caFile: string;
    vaults: Record<string, string>;
    operator: { clientId: string; clientSecret: string };
    pid: number;
}

export interface Distribution {
    key: string;
    vault: string;
    name: string;
    keyId: string;
    versionedKeyId: string;
    currentVersion: number;
    versions: Record<string, { id: string; enabled: boolean; expiresAt?: string }>;
    foreign: string[];
    purposes: string[];
    protection: string;
    verified: boolean;
    proofs: Record<string, { by?: string; unproven?: string }>;
    inStep: boolean;
}

export interface Outputs {
    vaults: Record<string, { id: string; uri: string; sku: string }>;
    servicePrincipal: { tenantId: string; clientId: string; objectId: string };
    keys: Record<
        string,
        {
            type: string;
            latestVersion: number;
            versions: Record<string, { createdAt: string; publicKey: string; thumbprint: string }>;
            inStep: boolean;
        }
    >;
    distributions: Distribution[];
}

export interface State {
    resources: {
        urn: string;
        type: string;
        id?: string;
        inputs: Record<string, unknown>;
        outputs: Record<string, unknown>;
    }[];
}

/** A fresh copy of the project in a folder of its own, with a local Azure of its own. */
export class Project {
    readonly folder = mkdtempSync(path.join(tmpdir(), "keymgmt-e2e-"));

    constructor() {
        for (const part of parts) {
            cpSync(path.join(checkout, part), this.file(part), { recursive: true });
        }
        symlinkSync(path.join(checkout, "node_modules"), this.file("node_modules"));
    }

    file(...names: string[]): string {
        return path.join(this.folder, ...names);
    }

    read(...names: string[]): string {
        return readFileSync(this.file(...names), "utf8");
    }

    /** Sets the whole `keymgmt:vaults` and `keymgmt:keys` of stack dev. */
    config(values: { vaults?: unknown; keys?: unknown; [name: string]: unknown }): void {
        const names = { environment: "local", location: "westeurope", ...values };
        const config = Object.fromEntries(
            Object.entries(names).map(([name, value]) => [`keymgmt:${name}`, value]),
        );
        const salt = /^encryptionsalt: .*$/m.exec(this.read("Pulumi.dev.yaml"))?.[0];
        writeFileSync(this.file("Pulumi.dev.yaml"), `${stringify({ config })}${salt ?? ""}\n`);
    }

    /** `keymgmt <args>`: what `make up` and `make down` run. */
    keymgmt(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
        return this.start(args, env).ended;
    }

    /** The same, in a process group of its own, to be killed. */
    start(args: string[], env: NodeJS.ProcessEnv = {}) {
        const command = ["--require", "ts-node/register/transpile-only", "cli/keymgmt.ts", ...args];
        const child = spawn(process.execPath, command, {
            cwd: this.folder,
            env: { ...process.env, NODE_ENV: undefined, ...env },
            stdio: ["ignore", "pipe", "pipe"],
            detached: true,
        });
        const ended = new Promise<Run>((resolve, reject) => {
            let stdout = "";
            let output = "";
            child.stdout.on("data", (chunk: Buffer) => {
                stdout += chunk.toString();
                output += chunk.toString();
            });
            child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
            child.on("error", reject);
            child.on("close", (code) => resolve({ code: code ?? -1, output, stdout }));
        });
        return { ended, kill: () => process.kill(-child.pid!, "SIGKILL") };
    }

    /** `npm run pulumi -- <args>`. */
    pulumi(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
        return this.keymgmt(["pulumi", ...args, "--non-interactive"], env);
    }

    up(env: NodeJS.ProcessEnv = {}): Promise<Run> {
        return this.pulumi(["up", "--yes", "--skip-preview"], env);
    }

    /** As `pulumi stack output --json` tells them, from the state's file: quicker than a process. */
    outputs(): Promise<Outputs> {
        const file = this.read(".local", "state", ".pulumi", "stacks", "keymgmt", "dev.json");
        const { checkpoint } = JSON.parse(file) as { checkpoint: { latest: State } };
        const stack = checkpoint.latest.resources.find(
            ({ type }) => type === "pulumi:pulumi:Stack",
        );
        return Promise.resolve(stack!.outputs as unknown as Outputs);
    }

    async state(): Promise<State> {
        const { stdout } = await this.pulumi(["stack", "export", "--show-secrets"]);
        return (JSON.parse(stdout) as { deployment: State }).deployment;
    }

    azure(): Azure {
        return JSON.parse(this.read(".local", "azure.json")) as Azure;
    }

    /** The requests that the vaults answered, as `<operation> <key> <status>`. */
    vaultRequests(): string[] {
        return this.requests()
            .filter(({ plane }) => plane === "keyvault")
            .map(({ operation, key, status }) => `${operation} ${key} ${status}`);
    }

    requests(): Record<string, string | number>[] {
        const file = this.file(".local", "requests.jsonl");
        return existsSync(file)
            ? readFileSync(file, "utf8")
                  .split("\n")
                  .flatMap((line) => (line ? [JSON.parse(line) as Record<string, string>] : []))
            : [];
    }

    /** Resolves as soon as a vault has answered such a request, after the first `skip` ones. */
    async vaultRequest(pattern: RegExp, skip: number): Promise<void> {
        await this.logged(() =>
            this.vaultRequests()
                .slice(skip)
                .some((each) => pattern.test(each)),
        );
    }

    /** Resolves as soon as the log of requests has what is looked for; rejects when the signal aborts. */
    async logged(seen: () => boolean, signal?: AbortSignal): Promise<void> {
        for await (const _change of watch(this.file(".local"), { signal })) {
            if (seen()) {
                return;
            }
        }
    }

    /** Stops the local Azure and removes the folder. */
    async dispose(): Promise<void> {
        await this.keymgmt(["down"]);
        killProcessesIn(this.folder);
        rmSync(this.folder, { recursive: true, force: true });
    }
}

/** The engine's plugins outlive an engine that was killed. They work in the project's folder (known where there's a /proc). */
function killProcessesIn(folder: string): void {
    const pids = existsSync("/proc")
        ? readdirSync("/proc").filter((name) => /^\d+$/.test(name))
        : [];
    for (const pid of pids) {
        try {
            if (readlinkSync(`/proc/${pid}/cwd`) === folder) {
                process.kill(Number(pid), "SIGKILL");
            }
        } catch {
            // It ended meanwhile, or isn't ours to look at.
        }
    }
}

/** An independent client of a vault: Azure's SDK with the identity of a tenant's operator, and nothing of this project. */
export function independentClient(
    azure: Azure,
    vault: string,
    { tenantId, operator }: Pick<Azure, "tenantId" | "operator"> = azure,
) {
    const ca = readFileSync(azure.caFile, "utf8");
    const { clientId, clientSecret } = operator;
    const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, {
        authorityHost: azure.authorityHost,
        disableInstanceDiscovery: true,
        tlsOptions: { ca },
    });
    const options = { disableChallengeResourceVerification: true, tlsOptions: { ca } };
    return {
        keys: new KeyClient(azure.vaults[vault]!, credential, options),
        cryptography: (keyId: string) => new CryptographyClient(keyId, credential, options),
        token: async (resource = "https://vault.azure.net") =>
            (await credential.getToken(`${resource}/.default`)).token,
        ca,
    };
}
