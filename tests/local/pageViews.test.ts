import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { limit, recentRequests } from "../../local/page/recentRequests";
import { status } from "../../local/page/views";

let folder: string;
let file: string;
beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "requests-"));
    file = join(folder, "requests.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const line = (key: string) => `${JSON.stringify({ key })}\n`;
const keysOf = ({ entries }: { entries: { key?: string }[] }) => entries.map(({ key }) => key);

test("the log is read on from the cursor, whole lines only", async () => {
    await writeFile(file, line("ä") + line("b") + line("c").slice(0, 5));
    const first = await recentRequests(file);
    expect(keysOf(first)).toEqual(["ä", "b"]);
    await appendFile(file, line("c").slice(5));
    const second = await recentRequests(file, first.cursor);
    expect(keysOf(second)).toEqual(["c"]);
    expect(await recentRequests(file, second.cursor)).toEqual({
        entries: [],
        cursor: second.cursor,
    });
});

test("of a long log the last lines are read, of one that was begun anew all", async () => {
    const filler = "x".repeat(1000);
    const lines = Array.from({ length: 600 }, (_, index) => line(`${index} ${filler}`));
    await writeFile(file, lines.join(""));
    const read = await recentRequests(file, 10);
    expect(read.entries).toHaveLength(Math.floor(limit / lines[599]!.length));
    expect(keysOf(read).at(-1)).toBe(`599 ${filler}`);
    await writeFile(file, line("new"));
    expect(keysOf(await recentRequests(file, read.cursor))).toEqual(["new"]);
});

test.each([
    ["enabled", { enabled: true }],
    ["disabled", { enabled: false, exp: 50 }],
    ["expired", { enabled: true, exp: 100 }],
    ["enabled", { enabled: true, exp: 101, nbf: 100 }],
    ["not yet valid", { enabled: true, nbf: 101 }],
])("a version is %s: %j", (expected, version) => {
    expect(status(version, 100)).toBe(expected);
});
