import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(__dirname, "../..");
const read = (file: string) => readFileSync(path.join(root, file), "utf8");

const table = /^## Beside other tools$[^]*?(?=^## )/m.exec(read("README.md"))![0];
const rows = table
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter(([, , ours]) => ["yes", "partly", "no"].includes(ours!))
    .map(([, feature, ours, test]) => ({ feature: feature!, ours: ours!, test: test! }));

test("the README's table says yes, partly or no of each feature, and names a test for what isn't no", () => {
    expect(rows.length).toBeGreaterThan(60);
    for (const { feature, ours, test: named } of rows) {
        expect([feature, named === ""]).toEqual([feature, ours === "no"]);
    }
});

test.each(rows.filter(({ ours }) => ours !== "no"))(
    "a test shows it: $feature",
    ({ test: named }) => {
        const [, file, title] = /^\[.*\]\((.*)\): (.*)$/.exec(named)!;
        const titles = [...read(file!).matchAll(/\b(?:test|describe)\b[^"`]*["`](.*?)["`],/g)];
        expect(titles.map(([, text]) => text)).toContainEqual(
            expect.stringContaining(title!.replaceAll("\\", "")),
        );
    },
);

const documents = ["README.md", "docs", "local", "keys", "kms", "providers", "components", "cli"]
    .map((name) => (name.endsWith(".md") ? name : `${name}/README.md`))
    .concat(
        ["tutorial", "how-to", "reference", "security", "local-azure"].map(
            (name) => `docs/${name}.md`,
        ),
    );

test.each(documents)("%s links to files and headings that are there", (document) => {
    for (const [, target] of read(document).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [file, heading] = target!.split("#") as [string, string | undefined];
        const linked = path.posix.join(file ? path.posix.dirname(document) : "", file || document);
        expect([target, existsSync(path.join(root, linked))]).toEqual([target, true]);
        if (heading) {
            expect([target, anchorsOf(read(linked))]).toEqual([
                target,
                expect.arrayContaining([heading]),
            ]);
        }
    }
});

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
    return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
            .toLowerCase()
            .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
            .replaceAll(" ", "-"),
    );
}
