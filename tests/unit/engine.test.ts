import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { buildEngine } from "../../engine/build";
import { cacheFolder, publish } from "../../engine/cache";
import type { Source } from "../../engine/engine";
import { cachedEngine, ensureEngine, withEngine } from "../../engine/engine";
import { engineOnPath } from "../../engine/onPath";
import { pinnedVersion } from "../../engine/pin";

let folder: string;
beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "engine-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

const silent = () => undefined;

async function command(name: string, script: string): Promise<string> {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
    return file;
}

const envWithPath = (...folders: string[]) => ({
    PATH: [...folders.map((each) => path.join(folder, each)), "/usr/bin", "/bin"].join(":"),
    XDG_CACHE_HOME: path.join(folder, "cache"),
});

describe("an engine on PATH", () => {
    test("is used with the language host beside it", async () => {
        const pulumi = await command("a/pulumi", "echo v3.999.0");
        await command("a/pulumi-language-nodejs", "");
        expect(await ensureEngine(silent, envWithPath("empty", "a"))).toEqual({
            version: "3.999.0",
            pulumi,
            binFolder: path.dirname(pulumi),
        });
    });

    test("is used with the language host elsewhere on PATH", async () => {
        const pulumi = await command("a/pulumi", "echo v3.999.0");
        await command("b/pulumi-language-nodejs", "");
        expect((await engineOnPath(envWithPath("a", "b"), silent))?.pulumi).toBe(pulumi);
    });

    test.each([
        ["it has no language host", "echo v3.999.0", false, /no pulumi-language-nodejs/],
        ["it is older than the SDK", "echo v3.100.0", true, /version 3\.100\.0 doesn't go with/],
        ["it is of another major version", "echo v4.0.0", true, /version 4\.0\.0 doesn't go with/],
        ["it has no version", "echo", true, /doesn't tell a version/],
        ["it doesn't run", "exit 1", true, /doesn't tell a version/],
    ])("isn't used when %s, and the user is told", async (_, script, host, reason) => {
        await command("a/pulumi", script);
        if (host) await command("a/pulumi-language-nodejs", "");
        const lines: string[] = [];
        const found = await engineOnPath(envWithPath("a"), (line) => lines.push(line));
        expect(found).toBeUndefined();
        expect(lines).toEqual([expect.stringMatching(reason)]);
    });

    test("is nothing to talk about when there is none", async () => {
        const progress = jest.fn();
        expect(await engineOnPath(envWithPath("empty"), progress)).toBeUndefined();
        expect(progress).not.toHaveBeenCalled();
    });
});

describe("the cache", () => {
    const makes = (name: string, calls: string[]): Source => ({
        name,
        make: async (draft) => {
            calls.push(name);
            await mkdir(path.join(draft, "bin"));
            await writeFile(path.join(draft, "bin/pulumi"), name, { mode: 0o755 });
        },
    });
    const fails = (name: string, calls: string[]): Source => ({
        name,
        make: async (draft) => {
            calls.push(name);
            await writeFile(path.join(draft, "half"), "");
            throw new Error(`${name} is out of order`);
        },
    });

    test("is where XDG wants it, and outside the checkout without XDG", () => {
        expect(cacheFolder({ XDG_CACHE_HOME: "/x", HOME: "/h" })).toMatch(
            /^\/x\/keymgmt\/engine\//,
        );
        expect(cacheFolder({ XDG_CACHE_HOME: "relative", HOME: "/h" })).toMatch(
            /^\/h\/\.cache\/keymgmt\/engine\//,
        );
        expect(path.basename(cacheFolder({ HOME: "/h" }))).toContain(pinnedVersion());
    });

    test("is filled by the first source that works, once", async () => {
        const calls: string[] = [];
        const place = path.join(folder, "engine");
        const sources = [fails("first", calls), makes("second", calls), makes("third", calls)];
        const engine = await cachedEngine(place, sources, silent);
        expect(engine.pulumi).toBe(path.join(place, "bin/pulumi"));
        expect(existsSync(engine.pulumi)).toBe(true);
        await cachedEngine(place, sources, silent);
        expect(calls).toEqual(["first", "second"]);
        expect(await readdir(folder)).toEqual(["engine"]);
    });

    test("says why each source failed and what to install", async () => {
        const sources = [fails("first", []), fails("second", [])];
        await expect(cachedEngine(path.join(folder, "engine"), sources, silent)).rejects.toThrow(
            /first is out of order\n.*second is out of order\nInstall Pulumi [\d.]+ or newer .* or Go /,
        );
        expect(await readdir(folder)).toEqual([]);
    });

    test("ends well for two processes at once", async () => {
        const place = path.join(folder, "engine");
        let bothStarted: () => void;
        const both = new Promise<void>((resolve) => (bothStarted = resolve));
        let started = 0;
        const make = async (draft: string) => {
            if (++started === 2) bothStarted();
            await both;
            await writeFile(path.join(draft, "pulumi"), "");
        };
        await Promise.all([publish(place, make), publish(place, make)]);
        expect(await readdir(folder)).toEqual(["engine"]);
        expect(await readdir(place)).toEqual(["pulumi"]);
    });
});

describe("a build with Go", () => {
    test("builds both parts with their versions, and puts the dynamic provider host beside them", async () => {
        const log = path.join(folder, "go.log");
        await command(
            "go/go",
            `if [ "$1" = env ]; then echo go1.99.0; exit; fi
echo "$(basename "$PWD") $GOTOOLCHAIN $*" >> ${log}
while [ "$1" != -o ]; do shift; done
echo built > "$2"`,
        );
        const lines: string[] = [];
        await buildEngine(folder, (line) => lines.push(line), envWithPath("go"));
        expect((await readdir(path.join(folder, "bin"))).sort()).toEqual([
            "pulumi",
            "pulumi-language-nodejs",
            "pulumi-resource-pulumi-nodejs",
        ]);
        const calls = (await readFile(log, "utf8")).trim().split("\n");
        expect(calls).toEqual([
            expect.stringMatching(/^pulumi local build .*version\.Version=v3\.259\.0 .* tool$/),
            expect.stringMatching(/^nodejs local build .*version\.Version=v3\.68\.0 .* tool$/),
        ]);
        expect(lines[0]).toMatch(/once, and takes about 5 minutes/);
    });

    test("says so when Go isn't there or is too old", async () => {
        const none = { PATH: path.join(folder, "empty") };
        await expect(buildEngine(folder, silent, none)).rejects.toThrow("Go isn't installed");
        await command("old/go", "echo go1.22.3");
        await expect(buildEngine(folder, silent, envWithPath("old"))).rejects.toThrow(
            /Go 1\.25\.\d+ or newer is needed, go1\.22\.3 is installed/,
        );
    });

    test("shows the end of what Go said when it fails", async () => {
        await command(
            "go/go",
            `if [ "$1" = env ]; then echo go1.99.0; exit; fi
echo 'go: example.org/x@v1.0.0: connection refused' >&2
exit 1`,
        );
        await expect(buildEngine(folder, silent, envWithPath("go"))).rejects.toThrow(
            /go build` failed in .*\ngo: example\.org\/x@v1\.0\.0: connection refused$/,
        );
    });
});

test("an engine's folder is put first on PATH unless it is there already", () => {
    const engine = { version: "3.259.0", pulumi: "/e/bin/pulumi", binFolder: "/e/bin" };
    expect(withEngine(engine, { PATH: "/a:/b" }).PATH).toBe("/e/bin:/a:/b");
    expect(withEngine(engine, { PATH: "/a:/e/bin" }).PATH).toBe("/a:/e/bin");
});
