/* global document, location, setTimeout, window */
import { replace } from "./dom.mjs";
import * as requests from "./requests.mjs";
import { content, load, navigation, titleOf } from "./vaults.mjs";

const main = document.getElementById("main");
let shown = "";

/** Shows what the address asks for, if that has changed. */
async function show() {
    const hash = location.hash.startsWith("#/") ? location.hash : "#/";
    const view = await load(hash);
    // Meanwhile the user may have gone elsewhere, which is shown by another call.
    if (location.hash.startsWith("#/") && location.hash !== hash) return;
    if (shown === JSON.stringify(view)) return;
    shown = JSON.stringify(view);
    document.title = `${titleOf(view)} – Local Azure`;
    replace(document.getElementById("nav"), navigation(view));
    replace(main, content(view));
}

async function navigate() {
    if (!location.hash.startsWith("#/")) return;
    await attempt(show);
    // As after the loading of a page: the next Tab is in what was asked for, and a screen reader reads its title.
    main.querySelector("h1")?.focus();
    window.scrollTo(0, 0);
}

/** Each second what was logged; after news, and each 5 seconds since time alone changes keys, the vaults. */
async function follow(turn = 0) {
    await attempt(async () => {
        if ((await requests.update()) || turn % 5 === 0) await show();
    });
    setTimeout(() => void follow(turn + 1), 1000);
}

async function attempt(work) {
    let text = "";
    try {
        await work();
    } catch {
        text = "The local Azure doesn't answer. Is it running? Trying again.";
    }
    const connection = document.getElementById("connection");
    // Only a change is spoken.
    if (connection.textContent !== text) connection.textContent = text;
}

window.addEventListener("hashchange", () => void navigate());
void follow();
