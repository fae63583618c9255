import { readFileSync, writeFileSync } from "node:fs";
import { openKeyVersion, type KeyVersion } from "../../keys/keyVersion";
import { parseSealKey } from "../../keys/seal";
import { Project } from "./project";
import { filesBelow, find, needlesOfKey, readAll, writings, type Needle } from "./secretBytes";

/** Everything that a run of the engine leaves, with all logging that it has turned on. */
async function places(project: Project): Promise<Record<string, Buffer>> {
    const up = await project.pulumi(
        [
            ...["up", "--yes", "--skip-preview", "-v=11", "--logtostderr"],
            ...["--tracing", `file:${project.file("trace")}`],
            ...["--event-log", project.file("events")],
        ],
        // Without it there's no --event-log.
        { PULUMI_DEBUG_COMMANDS: "true" },
    );
    expect(up.code).toBe(0);
    const trigger = "keymgmt:keys.rsa-1.rotation.trigger";
    await project.pulumi(["config", "set", "--path", trigger, "2"]);
    const json = await project.pulumi(["up", "--yes", "--skip-preview", "--json"]);
    expect(json.code).toBe(0);
    const exported = await project.pulumi(["stack", "export", "--show-secrets"]);
    return {
        output: Buffer.from(up.output),
        trace: readFileSync(project.file("trace")),
        "event log": readFileSync(project.file("events")),
        "event stream": Buffer.from(json.output),
        export: Buffer.from(exported.output),
        "state folder": readAll(filesBelow(project.file(".local", "state"))),
        "Pulumi's home": readAll(filesBelow(project.file(".local", "pulumi"))),
        "request log": readAll([project.file(".local", "requests.jsonl")]),
    };
}

/** The sealed versions of all keys in the state. */
async function versionsIn(project: Project) {
    const { resources } = await project.state();
    return resources
        .filter(({ type }) => type.endsWith("keymgmt:ManagedKey"))
        .flatMap(({ outputs }) =>
            (outputs.versions as KeyVersion[]).map((version) => ({
                key: outputs.name as string,
                type: "rsa-2048" as const,
                ...version,
            })),
        );
}

function leaks(haystacks: Record<string, Buffer>, needles: Needle[]): Record<string, string[]> {
    return Object.fromEntries(
        Object.entries(haystacks)
            .map(([place, bytes]) => [place, find(bytes, needles)] as const)
            .filter(([, found]) => found.length > 0),
    );
}

describe("secrecy", () => {
    const projects = [new Project(), new Project()] as const;
    afterAll(() => Promise.all(projects.map((project) => project.dispose())));

    test("nothing that a run leaves holds private bytes or the seal key", async () => {
        const [project] = projects;
        expect((await project.pulumi(["stack", "init", "dev", "--no-select"])).code).toBe(0);

        const haystacks = await places(project);

        const sealKey = parseSealKey(project.read(".local", "seal.key"), "seal.key");
        const versions = await versionsIn(project);
        expect(versions.map(({ key, version }) => `${key} ${version}`).sort()).toEqual([
            "rsa-1 1",
            "rsa-1 2",
            "rsa-2 1",
        ]);
        const needles = writings("seal key", Buffer.from(sealKey.bytes));
        for (const version of versions) {
            const material = await openKeyVersion(version, version.sealed, sealKey);
            needles.push(...needlesOfKey(`${version.key} ${version.version}`, material));
        }
        expect(leaks(haystacks, needles)).toEqual({});

        // The places are the right ones: what isn't secret is in them.
        const thumbprint = [{ what: "thumbprint", bytes: Buffer.from(versions[0]!.thumbprint) }];
        expect(Object.keys(leaks(haystacks, thumbprint)).sort()).toEqual(
            expect.arrayContaining(["event log", "export", "output", "state folder", "trace"]),
        );
    });

    test("without the seal the same search finds them", async () => {
        const [, project] = projects;
        const file = project.file("keys", "seal.ts");
        const source = readFileSync(file, "utf8");
        const unsealed = source
            .replace(
                /export function seal\([\s\S]*?\n}\n/,
                `export function seal(_key: SealKey, secret: Uint8Array, _binding: SealBinding): Promise<string> {
                    return Promise.resolve(Buffer.from(secret).toString("base64url"));
                }\n`,
            )
            .replace(
                /export async function unseal\([\s\S]*?\n}\n/,
                `export async function unseal(_key: SealKey, token: string, _binding: SealBinding): Promise<Uint8Array> {
                    return Buffer.from(token, "base64url");
                }\n`,
            );
        expect(unsealed).not.toContain("CompactEncrypt(secret)");
        writeFileSync(file, unsealed);
        expect((await project.pulumi(["stack", "init", "dev", "--no-select"])).code).toBe(0);

        const haystacks = await places(project);

        const needles = (await versionsIn(project)).flatMap(({ key, version, sealed }) =>
            needlesOfKey(`${key} ${version}`, Buffer.from(sealed, "base64url")),
        );
        expect(Object.keys(leaks(haystacks, needles)).sort()).toEqual([
            "event log",
            "event stream",
            "export",
            "output",
            "state folder",
            "trace",
        ]);
    });
});
