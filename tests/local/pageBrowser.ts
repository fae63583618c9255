import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium, type Browser } from "playwright-core";

const names = ["chromium", "chromium-browser", "google-chrome"];

/** The browser that the page is tried in: CHROMIUM_PATH, or the first on PATH. */
function chromiumPath(): string {
    const { CHROMIUM_PATH, PATH = "" } = process.env;
    const candidates = CHROMIUM_PATH
        ? [CHROMIUM_PATH]
        : names.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)));
    const found = candidates.find(isExecutable);
    if (found) return found;
    throw new Error(
        `Chromium isn't there: no ${CHROMIUM_PATH ?? `${names.join(", ")} on PATH`}. These tests need it: ` +
            "`apt-get install chromium`, or set CHROMIUM_PATH to a Chromium or Chrome that is installed.",
    );
}

function isExecutable(file: string): boolean {
    try {
        accessSync(file, constants.X_OK);
        return true;
    } catch {
        return false;
    }
}

/** Chromium in a profile of its own, that asks nobody on the internet. */
export function launchBrowser(): Promise<Browser> {
    return chromium.launch({
        executablePath: chromiumPath(),
        args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    });
}
