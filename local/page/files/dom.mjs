/* global document, fetch, URLSearchParams */

/** An element; text goes in as text, never as HTML, so that no name or tag can become a script. */
export function element(tag, attributes = {}, ...children) {
    const created = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value !== undefined) created.setAttribute(name, value);
    }
    created.append(...children.flat().filter((child) => child !== undefined));
    return created;
}

/** Puts new content in, and the focus back on the link that had it. */
export function replace(container, ...children) {
    const active = document.activeElement;
    const href = container.contains(active) && active.getAttribute("href");
    container.replaceChildren(...children.flat());
    if (!href) return;
    const same = [...container.querySelectorAll("a")].find((a) => a.getAttribute("href") === href);
    (same ?? document.getElementById("main")).focus();
}

/**
 * A table whose rows become cards on a narrow screen. CSS that does so takes the roles away, so they are written
 * out. A column: its title and what it shows of an item.
 */
export function table(label, columns, items, rowAttributes = () => ({})) {
    const head = columns.map(([title]) =>
        element("th", { scope: "col", role: "columnheader" }, title),
    );
    const rows = items.map((item) =>
        element(
            "tr",
            { role: "row", ...rowAttributes(item) },
            columns.map(([title, show]) =>
                element(
                    "td",
                    { role: "cell", "data-title": title },
                    element("div", {}, show(item) ?? "–"),
                ),
            ),
        ),
    );
    return element(
        "table",
        { role: "table", "aria-label": label },
        element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, head)),
        element("tbody", { role: "rowgroup" }, rows),
    );
}

export function facts(entries) {
    return element(
        "dl",
        {},
        entries.map(([term, value]) =>
            element("div", {}, element("dt", {}, term), element("dd", {}, value ?? "–")),
        ),
    );
}

/** To the second, in UTC. */
export function time(iso) {
    return iso && element("time", { datetime: iso }, iso.slice(0, 19).replace("T", " "));
}

export function chips(texts) {
    if (texts.length === 0) return undefined;
    return element(
        "ul",
        { class: "chips" },
        texts.map((text) => element("li", {}, text)),
    );
}

export function badge(status) {
    return status && element("span", { class: `badge ${status.replaceAll(" ", "-")}` }, status);
}

/** What the local Azure answers; of what isn't there, that it is missing. */
export async function json(path, query = {}) {
    const response = await fetch(`${path}?${new URLSearchParams(query)}`);
    const answer = await response.json();
    if (response.status === 404) return { missing: answer.error };
    if (!response.ok) throw new Error(answer.error);
    return answer;
}
