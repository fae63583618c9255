import { openStore } from "../../local/store";

/** Writes until it is killed, and tells its parent of each write that was answered. */
async function writeForEver(folder: string) {
    const things = (await openStore(folder)).collection("things");
    for (let n = 0; ; n++)
        await Promise.all(
            ["a", "b", "c"].map(async (letter) => {
                const id = `${letter}${n}`;
                await things.put(id, { id, filler: "x".repeat(2000) });
                process.send?.(id);
            }),
        );
}

void writeForEver(process.argv[2] ?? "");
