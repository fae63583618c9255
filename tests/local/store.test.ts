import { fork } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../local/store";

// A few seconds of work, which a busy machine takes its time for.
jest.setTimeout(60_000);

let folder: string;
beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), "store-test-")), "azure");
});
afterEach(() => rm(join(folder, ".."), { recursive: true }));

test("what was put is there after closing and opening, each collection for itself", async () => {
    const store = await openStore(folder);
    const things = store.collection<{ n: number }>("things");
    await things.put("a/b", { n: 1 });
    await things.put("gone", { n: 2 });
    await things.put("a/b", { n: 3 });
    await things.delete("gone");
    await store.collection<string>("thing").put("s/a/b", "another");
    expect(things.get("a/b")).toEqual({ n: 3 });
    await store.close();

    const again = await openStore(folder);
    expect([...again.collection("things").values()]).toEqual([{ n: 3 }]);
    expect(again.collection("things").get("a/b")).toEqual({ n: 3 });
    expect([...again.collection("thing").values()]).toEqual(["another"]);
    expect(again.collection("none").get("a/b")).toBeUndefined();
    await again.close();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

test("of many writes to one record at once the last stays", async () => {
    const store = await openStore(folder);
    const things = store.collection<number>("things");
    const writes = [];
    for (let n = 0; n < 500; n++) {
        writes.push(things.put("one", n));
        // Lets writing begin, so that there is more than one batch.
        await new Promise(setImmediate);
    }
    await Promise.all(writes);
    await store.close();
    const again = await openStore(folder);
    expect(again.collection("things").get("one")).toBe(499);
    await again.close();
});

test("a folder that is open is refused, and is free again after closing", async () => {
    const store = await openStore(folder);
    await expect(openStore(folder)).rejects.toThrow(/another process has it open\. Stop that one/);
    await store.close();
    await (await openStore(folder)).close();
});

test("a kill loses no answered write", async () => {
    const writer = fork(join(__dirname, "storeWriter.ts"), [folder], {
        execArgv: ["--require", "ts-node/register/transpile-only"],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const answered: string[] = [];
    await new Promise<void>((resolve) => {
        writer.on("message", (id: string) => {
            answered.push(id);
            if (answered.length === 300) writer.kill("SIGKILL");
        });
        writer.on("exit", () => resolve());
    });
    expect(answered.length).toBeGreaterThanOrEqual(300);
    const store = await openStore(folder);
    const things = store.collection<{ id: string }>("things");
    expect(answered.filter((id) => things.get(id)?.id !== id)).toEqual([]);
    await store.close();
});
