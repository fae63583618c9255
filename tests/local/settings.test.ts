import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSettings } from "../../local/settings";

let folder: string;
let file: string;
beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "settings-"));
    file = join(folder, "settings.json");
});
afterEach(() => rm(folder, { recursive: true }));

const defaults = { visibilityDelay: 0, propagationDelay: 0, limits: false };

test("without a file everything is quick and unlimited, and no file is made", async () => {
    expect(openSettings(file)()).toEqual(defaults);
    await expect(stat(file)).rejects.toThrow("ENOENT");
});

test("the file's settings count, what it leaves out has its default, options count above it", async () => {
    await writeFile(file, '{"visibilityDelay": 4, "limits": true}');
    expect(openSettings(file)()).toEqual({ ...defaults, visibilityDelay: 4, limits: true });
    expect(openSettings(file, { visibilityDelay: 1 })().visibilityDelay).toBe(1);
});

test("replaced settings count at once and after a restart; the file is its owner's alone", async () => {
    const settings = openSettings(file, { propagationDelay: 3 });
    const next = { visibilityDelay: 2.5, propagationDelay: 60, limits: true };
    settings.replace(next);
    expect(settings()).toEqual(next);
    expect(openSettings(file)()).toEqual(next);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(next);
});

test.each([
    ["{", /JSON/],
    ["[]", /expected object/],
    ['{"visibilityDelay": -1}', />=0[^]*visibilityDelay/],
    ['{"limits": "yes"}', /expected boolean[^]*limits/],
    ['{"limit": true}', /Unrecognized key: "limit"/],
])("settings that can't be used say where, why and what to do: %s", async (content, reason) => {
    await writeFile(file, content);
    expect(() => openSettings(file)).toThrow(reason);
    expect(() => openSettings(file)).toThrow(`The settings in ${file} can't be used`);
    expect(() => openSettings(file)).toThrow('defaults: {"visibilityDelay":0');
});
