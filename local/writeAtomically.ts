import { renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Whoever reads the file finds the old content or the new one, never half of it. At once, so that of two changes the
 * later one is in the file.
 */
export function writeAtomically(file: string, content: object): void {
    const temporary = `${file}.${process.pid}`;
    try {
        writeFileSync(temporary, `${JSON.stringify(content, null, 4)}\n`, { mode: 0o600 });
        renameSync(temporary, file);
    } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
    }
}
