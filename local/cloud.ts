import { closeSync, openSync, writeSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fastify, type FastifyInstance, type FastifyRequest } from "fastify";
import { movableClock, systemClock, type Clock } from "./clock";
import { controlRoutes } from "./control";
import { VaultServers } from "./dataPlanes";
import { entraRoutes } from "./entra/app";
import { keyVaultAuthenticator } from "./entra/authenticate";
import { EntraError } from "./entra/errors";
import { issuerKeys } from "./entra/issuerKeys";
import { Tenants, type Operator } from "./entra/tenants";
import { Tokens } from "./entra/tokens";
import { Faults, type FaultStatus } from "./faults";
import { injectFaults } from "./injectFaults";
import { openBackupKey } from "./keyvault/backup";
import { logRequests } from "./logRequests";
import { pageRoutes } from "./page/routes";
import { listen } from "./ports";
import { azuread } from "./providers/azuread";
import { azureNative } from "./providers/azureNative";
import { serveProvider } from "./providers/providerService";
import type { RequestLogEntry } from "./requestLog";
import { resourceManagerRoutes } from "./resourceManager/routes";
import { Subscriptions } from "./resourceManager/subscriptions";
import { openSettings, type Settings } from "./settings";
import { openStore } from "./store";
import { certificates } from "./tls";
import { writeAtomically } from "./writeAtomically";

/** What azure.json holds: how any client reaches this local Azure. */
export interface CloudDescription {
    authorityHost: string;
    resourceManager: string;
    tenantId: string;
    subscriptionId: string;
    caFile: string;
    /** Name -> URI, of the vaults that are there now. */
    vaults: Record<string, string>;
    /** An identity with every key permission in every vault, as an administrator has at the portal. */
    operator: Operator;
    /** For PULUMI_DEBUG_PROVIDERS; only with a stack. */
    providers?: string;
    pid: number;
}

export interface Cloud {
    readonly description: CloudDescription;
    close(): Promise<void>;
}

export interface CloudOptions {
    folder: string;
    /** The only Pulumi stack that the stand-in providers serve; without one there are none. */
    stack?: string;
    /** For this run, above those of settings.json. */
    settings?: Partial<Settings>;
    /** What the cloud's clock is set against. */
    clock?: Clock;
}

/** Starts the Entra ID, resource manager, key vaults and stand-in providers that live in this folder. */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
    const closers: Closer[] = [];
    const close = async () => {
        for (const closer of closers.splice(0).reverse()) await closer();
    };
    try {
        const description = await start(options, (closer) => closers.push(closer));
        return {
            get description() {
                return description();
            },
            close,
        };
    } catch (error) {
        await close();
        throw error;
    }
}

type Closer = () => Promise<void> | void;

async function start(
    { folder, stack, settings: overrides, clock: baseClock = systemClock }: CloudOptions,
    atClose: (closer: Closer) => void,
): Promise<() => CloudDescription> {
    const state = resolve(folder, "azure");
    await mkdir(state, { recursive: true, mode: 0o700 });
    const store = await openStore(join(state, "store"));
    atClose(() => store.close());
    const descriptionFile = resolve(folder, "azure.json");
    // From a process that was killed: whoever finds it would take it for a running cloud's.
    await rm(descriptionFile, { force: true });

    const settings = openSettings(resolve(folder, "settings.json"), overrides);
    const clock = movableClock(baseClock, store.collection("cloud.clock"));
    const faults = new Faults();
    const log = requestLog(resolve(folder, "requests.jsonl"), atClose);
    const caFile = resolve(folder, "ca.pem");
    // At once: making their keys is most of a first start.
    const [{ authority, server: https }, tokens] = await Promise.all([
        certificates({ key: join(state, "ca.key"), cert: caFile }),
        Tokens.open(store, clock),
    ]);

    const backupKey = await openBackupKey(store);
    const tenants = await Tenants.open(store, clock);
    const { tenantId, operator } = tenants.home;

    // Ports are known once they are listened to, so whatever needs an address asks for it later.
    let authorityHost = "";
    let describe = () => {};
    const servers: VaultServers[] = [];
    const subscriptions = new Subscriptions({
        store,
        clock,
        settings,
        tenants,
        dataPlanes: (tenant, vault) => {
            const authenticate = keyVaultAuthenticator({ tokens, tenant });
            const server = new VaultServers({
                folder: join(state, "vaults"),
                https,
                vaultOptions: ({ id, name }) => ({
                    vault: () => vault(name, id),
                    authorization: () => `${authorityHost}/${tenant.tenantId}`,
                    authenticate,
                    clock,
                    log,
                    settings,
                    backupKey,
                }),
                faults,
                changed: () => describe(),
            });
            servers.push(server);
            return server;
        },
    });

    const front = fastify({
        https,
        routerOptions: { caseSensitive: false },
        exposeHeadRoutes: false,
        forceCloseConnections: true,
    }) as unknown as FastifyInstance;
    front.get("/health", () => ({ status: "ok", pid: process.pid }));
    await front.register(async (app) => {
        logRequests(app, "entra", clock, log);
        injectFaults(app, {
            faults,
            clock,
            log,
            describe: (request) => ({ plane: "entra", operation: entraOperation(request) }),
            failed: entraFailed,
        });
        await app.register(
            entraRoutes({
                tenants,
                tokens,
                clock,
                authorityHost: () => authorityHost,
                issuerKeys: issuerKeys(authority.cert),
            }),
        );
    });
    await front.register(async (app) => {
        logRequests(app, "resourceManager", clock, log);
        await app.register(resourceManagerRoutes({ subscriptions, tokens }));
    });
    await front.register(async (app) => {
        logRequests(app, "control", clock, log);
        await app.register(
            controlRoutes({ operator, settings, clock, faults, tenants, subscriptions }),
        );
    });
    const keys = (vaultId: string) =>
        servers.map((server) => server.keys(vaultId)).find((found) => found !== undefined);
    const requests = resolve(folder, "requests.jsonl");
    await front.register(pageRoutes({ subscriptions, tenants, keys, clock, requests }));
    const ports = store.collection<number>("cloud.ports");
    const port = await listen(front, "Entra ID of the local Azure", ports.get("front"));
    atClose(() => front.close());
    await ports.put("front", port);
    authorityHost = `https://127.0.0.1:${port}`;

    atClose(async () => {
        for (const server of servers) await server.closeAll();
    });
    await subscriptions.start();

    const providers: string[] = [];
    if (stack) {
        for (const definition of [azureNative(subscriptions, tokens), azuread(tenants)]) {
            const provider = await serveProvider(definition, stack);
            atClose(() => provider.close());
            providers.push(`${definition.name}:${provider.port}`);
        }
    }

    const description = (): CloudDescription => ({
        authorityHost,
        resourceManager: authorityHost,
        tenantId,
        subscriptionId: subscriptions.home.resourceManager.subscriptionId,
        caFile,
        vaults: Object.assign({}, ...servers.map((server) => server.uris())) as Record<
            string,
            string
        >,
        operator,
        ...(stack && { providers: providers.join(",") }),
        pid: process.pid,
    });
    describe = () => writeAtomically(descriptionFile, description());
    describe();
    atClose(async () => {
        describe = () => {};
        await rm(descriptionFile, { force: true });
    });
    return description;
}

/** Each entry is in the file before the answer that it tells of leaves: whoever has the answer finds it. */
function requestLog(
    file: string,
    atClose: (closer: Closer) => void,
): (entry: RequestLogEntry) => void {
    const descriptor = openSync(file, "a", 0o600);
    atClose(() => closeSync(descriptor));
    return (entry) => void writeSync(descriptor, `${JSON.stringify(entry)}\n`);
}

/** Only the token endpoint can be chosen by a fault rule. */
const entraOperation = (request: FastifyRequest) =>
    request.routeOptions.url?.endsWith("/oauth2/v2.0/token") ? "token" : undefined;

/** Codes by their meaning in https://learn.microsoft.com/entra/identity-platform/reference-error-codes, texts assumed. */
const entraFailed = (status: FaultStatus) =>
    status === 429
        ? new EntraError(
              status,
              "temporarily_unavailable",
              90055,
              "There are too many incoming requests.",
          )
        : new EntraError(
              status,
              "temporarily_unavailable",
              90033,
              "A transient error has occurred. Please try again.",
          );
