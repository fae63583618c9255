import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../clock";
import type { Tenant, Tenants } from "../entra/tenants";
import type { KeyRecord, Keys } from "../keyvault/keys";
import type { VaultRecord } from "../resourceManager/resourceManager";
import { roleOf } from "../resourceManager/roles";
import type { Subscriptions } from "../resourceManager/subscriptions";
import { recentRequests } from "./recentRequests";
import { keySummary, keyView, vaultView, type Access } from "./views";

export interface PageOptions {
    subscriptions: Subscriptions;
    tenants: Tenants;
    /** The keys of a vault; undefined of a deleted one. */
    keys: (vaultId: string) => Pick<Keys, "list" | "listDeleted" | "settle"> | undefined;
    clock: Clock;
    /** The file of the request log. */
    requests: string;
}

const contentTypes = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.mjs": "text/javascript; charset=utf-8",
    "vaults.mjs": "text/javascript; charset=utf-8",
    "requests.mjs": "text/javascript; charset=utf-8",
    "dom.mjs": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
};

/**
 * Nobody signs in, so nothing but this page may read it: no CORS, no frames, no embedding by other sites, and no
 * script of others. https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
 */
const protection = {
    "content-security-policy":
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
};

/** Keys in one answer. */
const pageSize = 100;

/** The page, and under `/local/view` what it shows: read only and public, see `views.ts`. */
export function pageRoutes(options: PageOptions) {
    const { subscriptions, tenants, clock } = options;
    const now = () => Math.floor(clock.now() / 1000);

    const vaults = () => subscriptions.vaults();
    const view = (vault: VaultRecord) => vaultView(vault, accessTo(vault, tenants));

    return async (app: FastifyInstance): Promise<void> => {
        app.addHook("onRequest", async (request, reply) => {
            reply.headers(protection);
            // A name that another site has pointed to 127.0.0.1 would make this page that site's (DNS rebinding).
            if (!["127.0.0.1", "localhost"].includes(request.hostname)) {
                return reply.code(403).send({
                    error: "This page is only served at https://127.0.0.1 and https://localhost. Use one of these addresses.",
                });
            }
        });

        for (const [name, type] of Object.entries(contentTypes)) {
            const content = await readFile(join(__dirname, "files", name));
            const url = name === "index.html" ? "/" : `/local/page/${name}`;
            app.get(url, (_request, reply) => reply.type(type).send(content));
        }

        app.get("/local/view/vaults", () => vaults().map(view));

        // Names are in queries, since the router's limit for a part of a path is shorter than a key's name may be.
        app.get<{ Querystring: { vault?: string; from?: string } }>(
            "/local/view/keys",
            async ({ query: { vault: vaultName = "", from = "" } }, reply) => {
                const vault = vaults().find(named(vaultName));
                if (!vault) return reply.code(404).send(missing("vault", vaultName));
                const all = await keysOf(vault, options);
                const rest = all.filter(({ name }) => name.toLowerCase() >= from.toLowerCase());
                return reply.send({
                    total: all.length,
                    keys: rest.slice(0, pageSize).map((key) => keySummary(key, now())),
                    next: rest[pageSize]?.name,
                });
            },
        );

        app.get<{ Querystring: { vault?: string; name?: string } }>(
            "/local/view/key",
            async ({ query: { vault: vaultName = "", name = "" } }, reply) => {
                const vault = vaults().find(named(vaultName));
                if (!vault) return reply.code(404).send(missing("vault", vaultName));
                const key = (await keysOf(vault, options)).find(named(name));
                if (!key) return reply.code(404).send(missing("key", name));
                return reply.send(keyView(key, now()));
            },
        );

        app.get<{ Querystring: { after?: string } }>("/local/view/requests", async (request) => {
            const after = Number(request.query.after ?? 0);
            const { entries, cursor } = await recentRequests(
                options.requests,
                Number.isSafeInteger(after) && after > 0 ? after : 0,
            );
            const client = (id: string) => applicationName(id, tenants.all()) ?? id;
            return {
                entries: entries.map((entry) => ({
                    ...entry,
                    client: entry.clientId && client(entry.clientId),
                })),
                cursor,
            };
        });
    };
}

const named = (name: string) => (one: { name: string }) =>
    one.name.toLowerCase() === name.toLowerCase();

const missing = (what: string, name: string) => ({ error: `There is no ${what} '${name}'.` });

/** A vault's keys, live and soft-deleted, by name; none of a vault that is deleted itself. */
async function keysOf(vault: VaultRecord, options: PageOptions): Promise<KeyRecord[]> {
    const keys = options.keys(vault.id);
    if (!keys) return [];
    // As before every operation: what is due by the clock has happened.
    await keys.settle();
    return [...keys.list(), ...keys.listDeleted()].sort((a, b) =>
        a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1,
    );
}

const applicationName = (clientId: string | undefined, tenants: readonly Tenant[]) =>
    tenants
        .map(({ directory }) => clientId && directory.applicationOf(clientId)?.displayName)
        .find(Boolean);

/** By the vault's permission model: the other one's grants count for nothing. */
function accessTo(vault: VaultRecord, tenants: Tenants): Access[] {
    const tenant = tenants.find(vault.properties.tenantId) ?? tenants.home;
    const { directory } = tenant;
    const { clientId } = tenant.operator;
    const principal = (objectId: string) => ({
        name:
            applicationName(directory.servicePrincipal(objectId)?.clientId, [tenant]) ?? "unknown",
        objectId,
    });
    const operator = {
        name: applicationName(clientId, [tenant]) ?? clientId,
        objectId: directory.servicePrincipalOf(clientId)?.objectId ?? "",
        source: "always",
        permissions: ["all"],
    };
    const { enableRbacAuthorization, accessPolicies } = vault.properties;
    const granted = enableRbacAuthorization
        ? (vault.roleAssignments ?? [])
              .filter(({ until }) => until === undefined)
              .map(({ principalId, roleDefinitionId }) => ({
                  ...principal(principalId),
                  source: "role assignment",
                  permissions: [roleOf(roleDefinitionId)?.roleName ?? roleDefinitionId],
              }))
        : accessPolicies.map(({ objectId, permissions }) => ({
              ...principal(objectId),
              source: "access policy",
              permissions: permissions.keys ?? [],
          }));
    return [...granted, operator];
}
