import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { readKeysFile } from "../../config/keysFile";

const folder = mkdtempSync(path.join(os.tmpdir(), "keys-file-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
    const name = path.join(folder, "keys");
    writeFileSync(name, content);
    return `file:${name}`;
}

test.each([undefined, "{}", '{"file:x":{"type":"rsa-2048"}}', "file:"])(
    "what names no file stays as it is: %s",
    (text) => {
        expect(readKeysFile(text)).toEqual({ text, problems: [] });
    },
);

test.each([
    ["YAML", "orders:\n  type: rsa-2048\n  rotation: { trigger: 2027-01-31 }\n"],
    ["JSON", '{"orders":{"type":"rsa-2048","rotation":{"trigger":"2027-01-31"}}}'],
])("a file may be %s", (_form, content) => {
    const { text, problems } = readKeysFile(file(content));
    expect(problems).toEqual([]);
    expect(JSON.parse(text!)).toEqual({
        orders: { type: "rsa-2048", rotation: { trigger: "2027-01-31" } },
    });
});

test("an empty file holds no keys", () => {
    expect(readKeysFile(file(""))).toEqual({ text: "{}", problems: [] });
});

test.each([
    ["isn't there", () => `file:${path.join(folder, "none")}`, /can't be read \(ENOENT\)$/],
    ["is a folder", () => `file:${folder}`, /can't be read \(EISDIR\)$/],
    ["isn't YAML", () => file("a: {"), /isn't YAML or JSON: /],
    ["has a key twice", () => file("a: 1\na: 2"), /isn't YAML or JSON: Map keys must be unique/],
])("a file that %s is a problem of the config, on one line", (_what, value, reason) => {
    const text = value();
    expect(readKeysFile(text).problems).toEqual([
        { path: "keys", value: text, reason: expect.stringMatching(reason) as string },
    ]);
    expect(readKeysFile(text).problems[0]!.reason).not.toContain("\n");
});
