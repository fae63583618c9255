import { badge, chips, element, facts, json, table, time } from "./dom.mjs";

const pathOf = (...names) => names.map((name) => `/${encodeURIComponent(name)}`).join("");
const vaultHref = (vault) => `#/vaults${pathOf(vault)}`;
const keyHref = (vault, key) => `${vaultHref(vault)}/keys${pathOf(key)}`;
const link = (href, text) => element("a", { href }, text);
const code = (text) => element("code", {}, text);
const tagList = (tags) => chips(Object.entries(tags).map(([name, value]) => `${name}: ${value}`));
const vaultStatus = (vault) => (vault.deletion ? "deleted" : "available");

/** What the address asks for, with what the local Azure says of it. */
export async function load(hash) {
    const vaults = await json("/local/view/vaults");
    const [, , vaultName, kind, name] = hash.split("/").map(decodeURIComponent);
    if (!vaultName) return { kind: "vaults", vaults };
    const vault = vaults.find((one) => one.name.toLowerCase() === vaultName.toLowerCase());
    if (kind === "keys" && name) {
        const key = await json("/local/view/key", { vault: vaultName, name });
        return { kind: "key", vaults, vault, name, key };
    }
    const from = kind === "from" ? name : "";
    const keys = await json("/local/view/keys", { vault: vaultName, from });
    return { kind: "vault", vaults, vault, name: vaultName, keys };
}

export function navigation({ vaults, vault }) {
    if (vaults.length === 0) return [element("li", { class: "muted" }, "none yet")];
    return vaults.map((one) => {
        const current = one.name === vault?.name ? "true" : undefined;
        const anchor = element(
            "a",
            { href: vaultHref(one.name), "aria-current": current },
            one.name,
        );
        return element("li", {}, anchor, one.deletion ? badge("deleted") : undefined);
    });
}

export function titleOf({ kind, name }) {
    return kind === "vaults" ? "Key vaults" : name;
}

export function content(shown) {
    if (shown.kind === "vaults") return vaultsContent(shown);
    if (shown.kind === "vault") return vaultContent(shown);
    return keyContent(shown);
}

function heading(kind, title, status, ...above) {
    const path = above.map(([href, text]) => element("li", {}, link(href, text)));
    return element(
        "div",
        { class: "heading" },
        path.length
            ? element("nav", { "aria-label": "Breadcrumb" }, element("ol", {}, path))
            : undefined,
        element("h1", { tabindex: "-1" }, title),
        element("p", {}, kind, " ", badge(status) ?? ""),
    );
}

function section(title, ...children) {
    return element("section", { class: "card" }, element("h2", {}, title), ...children);
}

function gone(what, text, ...above) {
    return [
        heading(what, "Not there", undefined, ...above),
        section("Gone", element("p", {}, text)),
    ];
}

function vaultsContent({ vaults }) {
    const columns = [
        ["Name", ({ name }) => link(vaultHref(name), name)],
        ["Status", (vault) => badge(vaultStatus(vault))],
        ["SKU", ({ sku }) => sku],
        ["Location", ({ location }) => location],
        ["Resource group", ({ resourceGroup }) => resourceGroup],
        ["Created", ({ created }) => time(created)],
    ];
    return [
        heading("The local Azure's", "Key vaults"),
        vaults.length
            ? element("section", { class: "card" }, table("Key vaults", columns, vaults))
            : section("None yet", element("p", {}, "Vaults appear here as soon as they are made.")),
    ];
}

function vaultContent({ vault, name, keys }) {
    const above = [["#/", "Key vaults"]];
    if (!vault || keys.missing) return gone("Key vault", keys.missing, ...above);
    return [
        heading("Key vault", name, vaultStatus(vault), ...above),
        element(
            "section",
            { class: "card", "aria-label": "Properties" },
            facts([
                ["Vault URI", code(vault.uri)],
                ["Resource group", vault.resourceGroup],
                ["Location", vault.location],
                ["SKU", vault.sku],
                ["Permission model", vault.permissionModel],
                ["Public network access", networkOf(vault)],
                ["Soft delete", `${vault.retentionDays} days`],
                ["Purge protection", vault.purgeProtection ? "on" : "off"],
                ["Created", time(vault.created)],
                ["Tags", tagList(vault.tags)],
                ...deletionFacts(vault.deletion),
            ]),
        ),
        vault.deletion
            ? section("Keys", element("p", {}, "Keys are shown again once the vault is recovered."))
            : keysSection(vault, keys),
        section("Access to keys", table("Access to keys", accessColumns, vault.access)),
    ];
}

const networkOf = ({ publicNetworkAccess, firewall }) =>
    firewall && publicNetworkAccess === "Enabled"
        ? "selected networks"
        : publicNetworkAccess.toLowerCase();

const accessColumns = [
    ["Who", ({ name }) => name],
    ["By", ({ source }) => source],
    ["May", ({ permissions }) => chips(permissions)],
    ["Object id", ({ objectId }) => code(objectId)],
];

function keysSection(vault, { keys, total, next }) {
    if (total === 0) return section("Keys", element("p", {}, "There are no keys yet."));
    const columns = [
        ["Name", ({ name }) => link(keyHref(vault.name, name), name)],
        ["Status", ({ status }) => badge(status)],
        ["Type", ({ current }) => typeOf(current)],
        ["Current version", ({ current }) => code(current.id)],
        ["Versions", ({ versions }) => String(versions)],
        ["Operations", ({ current }) => chips(current.operations)],
        ["Updated", ({ current }) => time(current.updated)],
    ];
    const pages = element(
        "p",
        {},
        `${keys.length} of ${total} keys. `,
        link(vaultHref(vault.name), "First keys"),
        " ",
        next ? link(`${vaultHref(vault.name)}/from${pathOf(next)}`, "Next keys") : undefined,
    );
    return section("Keys", table("Keys", columns, keys), keys.length < total ? pages : undefined);
}

const typeOf = ({ type, size }) => `${type}, ${size}`;

function deletionFacts(deletion) {
    if (!deletion) return [];
    return [
        ["Deleted", time(deletion.date)],
        ["Scheduled purge", time(deletion.purgeDate)],
    ];
}

function keyContent({ vault, name, key }) {
    const above = [["#/", "Key vaults"]];
    if (vault) above.push([vaultHref(vault.name), vault.name]);
    if (key.missing) return gone("Key", key.missing, ...above);
    const { current, versionList } = key;
    const columns = [
        [
            "Version",
            ({ id }) => element("span", {}, code(id), id === current.id ? badge("current") : ""),
        ],
        ["Status", ({ status }) => badge(status)],
        ["Created", ({ created }) => time(created)],
        ["Updated", ({ updated }) => time(updated)],
        ["Not before", ({ notBefore }) => time(notBefore)],
        ["Expires", ({ expires }) => time(expires)],
        ["Operations", ({ operations }) => chips(operations)],
        ["Tags", ({ tags }) => tagList(tags)],
    ];
    return [
        heading("Key", name, key.status, ...above),
        element(
            "section",
            { class: "card", "aria-label": "Properties" },
            facts([
                ["Key type", typeOf(current)],
                ["Current version", code(current.id)],
                ["Permitted operations", chips(current.operations)],
                ["Created", time(current.created)],
                ["Updated", time(current.updated)],
                ["Not before", time(current.notBefore)],
                ["Expires", time(current.expires)],
                ["Tags", tagList(current.tags)],
                ...deletionFacts(key.deletion),
            ]),
        ),
        section("Versions", table("Versions", columns, versionList)),
    ];
}
