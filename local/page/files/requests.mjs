/* global document */
import { badge, element, json, replace, table } from "./dom.mjs";

/** Requests that are kept here, the newest. */
const kept = 500;
const planes = {
    keyvault: "Key Vault",
    entra: "Entra ID",
    resourceManager: "Resource Manager",
    control: "Control",
};
const statuses = { ok: "successful", error: "refused", 4: "4xx", 5: "5xx", 0: "not answered" };

/** Tenants and subscriptions there is one of each. */
const shortened = (path) => path.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, "…");
const operationOf = ({ operation, method }) => operation ?? method;
const filters = {
    plane: (entry, plane) => entry.plane === plane,
    vault: (entry, vault) => entry.vault === vault,
    operation: (entry, operation) => operationOf(entry) === operation,
    status: ({ status }, wanted) =>
        wanted === "ok" || wanted === "error"
            ? status >= 400 === (wanted === "error") && status > 0
            : Math.floor(status / 100) === Number(wanted),
};

const columns = [
    ["Time", ({ time }) => element("time", { datetime: time }, time.slice(11, 23))],
    ["Plane", ({ plane }) => planes[plane] ?? plane],
    ["Vault", ({ vault }) => vault],
    [
        "Operation",
        (entry) =>
            element(
                "div",
                {},
                operationOf(entry),
                entry.operation ? "" : element("div", { class: "path" }, shortened(entry.path)),
            ),
    ],
    ["Key", ({ key }) => key],
    ["Client", ({ client }) => client],
    [
        "Status",
        ({ status, code, fault }) =>
            element(
                "span",
                {},
                badgeOf(status),
                code ? element("code", {}, ` ${code}`) : "",
                fault ? ` fault: ${fault}` : "",
            ),
    ],
];

const badgeOf = (status) => {
    const made = badge(status ? String(status) : "no answer");
    made.classList.add(status && status < 400 ? "ok" : "error");
    return made;
};

const form = document.forms[0];
const pause = document.getElementById("pause");
let entries = [];
let cursor = 0;

/** Fetches what was logged since the last time, and tells whether there was anything. */
export async function update() {
    const news = await json("/local/view/requests", { after: cursor });
    cursor = news.cursor;
    if (news.entries.length === 0) return false;
    entries = [...news.entries.reverse(), ...entries].slice(0, kept);
    if (!paused()) show();
    return true;
}

const paused = () => pause.getAttribute("aria-pressed") === "true";

function show() {
    const distinct = (of) => [...new Set(entries.map(of).filter(Boolean))].sort();
    choices("plane", Object.entries(planes));
    choices(
        "vault",
        distinct(({ vault }) => vault).map((name) => [name, name]),
    );
    choices(
        "operation",
        distinct(operationOf).map((name) => [name, name]),
    );
    choices("status", Object.entries(statuses));
    const wanted = Object.entries(filters).filter(([name]) => form.elements[name].value);
    const shown = entries.filter((entry) =>
        wanted.every(([name, matches]) => matches(entry, form.elements[name].value)),
    );
    document.getElementById("shown").textContent =
        `${shown.length} of the last ${entries.length} requests, newest first`;
    replace(document.getElementById("requests"), table("Requests", columns, shown));
}

/** Adds options; those that are there stay, so that an open list isn't disturbed. */
function choices(name, values) {
    const select = form.elements[name];
    const there = new Set([...select.options].map(({ value }) => value));
    for (const [value, text] of [["", "all"], ...values]) {
        if (!there.has(value)) select.append(element("option", { value }, text));
    }
}

form.addEventListener("change", show);
pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!paused()));
    show();
});
