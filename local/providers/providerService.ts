import { readFileSync } from "node:fs";
import {
    Server,
    ServerCredentials,
    status,
    type handleUnaryCall,
    type ServerUnaryCall,
    type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import {
    changes,
    createBeforeDelete,
    refreshed,
    secret,
    unknown,
    withoutMarks,
    withoutNulls,
    type Change,
    type Properties,
} from "./properties";
import type { ResourceKind } from "./resourceKind";

/** One stand-in provider: what it can make and tell, by Pulumi's type and function tokens. */
export interface ProviderDefinition {
    /** The plugin it stands in for. */
    name: string;
    /** What an instance with this configuration can make and tell, by Pulumi's type and function tokens. */
    configured(config: Properties): Services;
}
export interface Services {
    resources: Record<string, ResourceKind>;
    functions: Record<string, (args: Properties) => Properties | Promise<Properties>>;
}

type Call = { getPeer(): string };

class RpcError extends Error {
    constructor(
        readonly code: status,
        message: string,
    ) {
        super(message);
    }
}

/**
 * Serves a stand-in on a free loopback port and returns the port; Pulumi attaches to it by PULUMI_DEBUG_PROVIDERS.
 * Raw gRPC, because the server of `@pulumi/pulumi/provider` does no previews, passes no detailed diffs on and
 * discards the provider's configuration.
 */
export async function serveProvider(
    definition: ProviderDefinition,
    stack: string,
): Promise<{ port: number; close(): Promise<void> }> {
    const server = new Server();
    server.addService(ResourceProviderService, providerService(definition, stack));
    const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
            if (error) reject(error);
            else resolve(bound);
        });
    });
    return {
        port,
        close: () =>
            new Promise<void>((resolve) => {
                // An engine may hold its connection; at the end nobody waits for it.
                server.forceShutdown();
                resolve();
            }),
    };
}

/** Pulumi's ResourceProvider service (proto/pulumi/provider.proto in pulumi/pulumi). */
function providerService(
    definition: ProviderDefinition,
    stack: string,
): UntypedServiceImplementation {
    const plugin = definition.name;
    /** By connection: the engine opens one for each provider instance, all of which share this service. */
    const configs = new Map<string, Properties>();

    const configOf = (call: Call) => configs.get(call.getPeer()) ?? {};

    function kindOf(urn: string, call: Call): ResourceKind {
        refuseOtherStacks(urn);
        const type = parseUrn(urn).type;
        const { resources } = definition.configured(configOf(call));
        const kind = resources[type];
        if (kind) return kind;
        throw new RpcError(
            status.UNIMPLEMENTED,
            `The local Azure has no resource '${type}'. Its ${plugin} has only ${Object.keys(resources).join(", ")}.`,
        );
    }

    function refuseOtherStacks(urn: string): void {
        const other = parseUrn(urn).stack;
        if (other === stack) return;
        throw new RpcError(
            status.FAILED_PRECONDITION,
            `These stand-in providers belong to the local Azure of stack ${stack}; ` +
                `stack ${other} has to use the real ${plugin} plugin: unset PULUMI_DEBUG_PROVIDERS.`,
        );
    }

    return {
        // Without `acceptSecrets` the engine sends plain values and puts the marks back on the outputs of the same
        // name (annotateSecrets in pulumi's provider_plugin.go), so that no secret loses its mark here.
        handshake: handler(() => new rpc.ProviderHandshakeResponse()),
        attach: handler(() => new Empty()),
        cancel: handler(() => new Empty()),
        getPluginInfo: handler(() => new PluginInfo().setVersion(packageVersion(plugin))),

        checkConfig: handler((request: rpc.CheckRequest) => {
            refuseOtherStacks(request.getUrn());
            return new rpc.CheckResponse().setInputs(request.getNews());
        }),
        diffConfig: handler((request: rpc.DiffRequest) => {
            refuseOtherStacks(request.getUrn());
            return new rpc.DiffResponse().setChanges(rpc.DiffResponse.DiffChanges.DIFF_NONE);
        }),
        configure: handler((request: rpc.ConfigureRequest, call) => {
            const urn = request.getUrn();
            if (urn) refuseOtherStacks(urn);
            configs.set(call.getPeer(), propertiesOf(request.getArgs()));
            return new rpc.ConfigureResponse().setSupportspreview(true);
        }),

        invoke: handler(async (request: rpc.InvokeRequest, call) => {
            const { functions } = definition.configured(configOf(call));
            const invoked = functions[request.getTok()];
            if (invoked) {
                const result = await invoked(propertiesOf(request.getArgs()));
                return new rpc.InvokeResponse().setReturn(structOf(result));
            }
            throw new RpcError(
                status.UNIMPLEMENTED,
                `The local Azure has no function '${request.getTok()}'. Its ${plugin} has only ${Object.keys(functions).join(", ")}.`,
            );
        }),

        check: handler((request: rpc.CheckRequest, call) => {
            const kind = kindOf(request.getUrn(), call);
            const wanted = propertiesOf(request.getNews());
            const failures = checkFailures(kind, wanted);
            const inputs = kind.check?.(wanted, {
                name: parseUrn(request.getUrn()).name,
                old: propertiesOf(request.getOlds()),
                random: Buffer.from(request.getRandomseed_asU8()).toString("hex"),
                config: configOf(call),
            });
            return new rpc.CheckResponse()
                .setInputs(structOf(inputs ?? wanted))
                .setFailuresList(failures);
        }),

        diff: handler((request: rpc.DiffRequest, call) => {
            const kind = kindOf(request.getUrn(), call);
            const old = propertiesOf(request.getOldInputs());
            const before = withoutMarks(old);
            const after = withoutMarks(propertiesOf(request.getNews()));
            const ignored = request.getIgnorechangesList();
            return diffResponse(
                kind,
                kind.deleteBeforeReplace && old[createBeforeDelete] !== true,
                changes(
                    kind.comparable?.(before) ?? before,
                    kind.comparable?.(after) ?? after,
                ).filter((change) => !ignored.includes(change.path)),
            );
        }),

        create: handler(async (request: rpc.CreateRequest, call) => {
            const kind = kindOf(request.getUrn(), call);
            const inputs = withoutMarks(propertiesOf(request.getProperties()));
            if (request.getPreview()) {
                return new rpc.CreateResponse().setProperties(
                    outputsOf(kind, kind.preview(inputs, undefined)),
                );
            }
            const { id, outputs } = await kind.create(inputs);
            return new rpc.CreateResponse().setId(id).setProperties(outputsOf(kind, outputs));
        }),

        read: handler((request: rpc.ReadRequest, call) => {
            const kind = kindOf(request.getUrn(), call);
            const id = request.getId();
            const old = propertiesOf(request.getProperties());
            const outputs = kind.read(id, old);
            // An empty id: it is gone.
            if (!outputs) return new rpc.ReadResponse();
            const now = withoutNulls(kind.inputsOf(withoutNulls(outputs), id));
            const inputs = request.hasInputs()
                ? refreshed(propertiesOf(request.getInputs()), kind.inputsOf(old, id), now)
                : now;
            return new rpc.ReadResponse()
                .setId(id)
                .setProperties(outputsOf(kind, outputs))
                .setInputs(structOf(inputs as Properties));
        }),

        update: handler(async (request: rpc.UpdateRequest, call) => {
            const kind = kindOf(request.getUrn(), call);
            const inputs = withoutMarks(propertiesOf(request.getNews()));
            if (request.getPreview()) {
                return new rpc.UpdateResponse().setProperties(
                    outputsOf(kind, kind.preview(inputs, propertiesOf(request.getOlds()))),
                );
            }
            if (!kind.update) {
                throw new RpcError(
                    status.UNIMPLEMENTED,
                    "This resource can't be changed in place.",
                );
            }
            return new rpc.UpdateResponse().setProperties(
                outputsOf(kind, await kind.update(request.getId(), inputs)),
            );
        }),

        delete: handler(async (request: rpc.DeleteRequest, call) => {
            await kindOf(request.getUrn(), call).delete(request.getId());
            return new Empty();
        }),
    };
}

/** Answers with what the work returns; what it throws becomes the error that the user reads. */
function handler<Request, Response>(
    work: (
        request: Request,
        call: ServerUnaryCall<Request, Response>,
    ) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
    return (call, callback) => {
        Promise.resolve()
            .then(() => work(call.request, call))
            .then(
                (response) => callback(null, response),
                (error: unknown) =>
                    callback({
                        code: error instanceof RpcError ? error.code : status.UNKNOWN,
                        details: error instanceof Error ? error.message : String(error),
                    }),
            );
    };
}

/** The version of the installed package: the engine warns about a plugin that is older, or doesn't say. */
function packageVersion(plugin: string): string {
    const file = require.resolve(`@pulumi/${plugin}/package.json`);
    return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** `urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>` */
function parseUrn(urn: string): { stack: string; type: string; name: string } {
    const [head = "", , types = "", ...name] = urn.split("::");
    return {
        stack: head.replace(/^urn:pulumi:/, ""),
        type: types.split("$").pop() ?? "",
        name: name.join("::"),
    };
}

function checkFailures(kind: ResourceKind, inputs: Properties): rpc.CheckFailure[] {
    const failure = (property: string, reason: string) =>
        new rpc.CheckFailure().setProperty(property).setReason(reason);
    const missing = kind.required.filter((name) => inputs[name] === undefined);
    const foreign = Object.keys(inputs).filter((name) => !kind.inputs.includes(name));
    return [
        ...missing.map((name) => failure(name, `missing required property '${name}'`)),
        ...foreign.map((name) =>
            failure(
                name,
                `the local Azure does not do '${name}' yet; it does ${kind.inputs.join(", ")}`,
            ),
        ),
    ];
}

function diffResponse(
    kind: ResourceKind,
    deleteBeforeReplace: boolean,
    found: Change[],
): rpc.DiffResponse {
    const response = new rpc.DiffResponse()
        .setHasdetaileddiff(true)
        .setChanges(
            found.length
                ? rpc.DiffResponse.DiffChanges.DIFF_SOME
                : rpc.DiffResponse.DiffChanges.DIFF_NONE,
        );
    const replaces = new Set<string>();
    for (const { path, kind: how } of found) {
        const property = /^[^.[]+/.exec(path)?.[0] ?? path;
        const replace = kind.replaceOn.includes(property);
        if (replace) replaces.add(property);
        response.addDiffs(property);
        response
            .getDetaileddiffMap()
            .set(
                path,
                new rpc.PropertyDiff().setKind(diffKind[how][replace ? 1 : 0]).setInputdiff(true),
            );
    }
    return response
        .setReplacesList([...replaces])
        .setDeletebeforereplace(replaces.size > 0 && deleteBeforeReplace);
}

const { Kind } = rpc.PropertyDiff;
const diffKind = {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
} as const;

const propertiesOf = (struct: Struct | undefined): Properties =>
    withoutNulls(struct?.toJavaScript() ?? {});

/** Struct.fromJavaScript takes no `undefined`. */
const structOf = (properties: Properties): Struct =>
    Struct.fromJavaScript(withoutNulls(properties) as Parameters<typeof Struct.fromJavaScript>[0]);

function outputsOf(kind: ResourceKind, outputs: Properties): Struct {
    const marked = (kind.secrets ?? [])
        .filter((name) => outputs[name] !== undefined && outputs[name] !== unknown)
        .map((name) => [name, secret(outputs[name])] as const);
    return structOf({ ...outputs, ...Object.fromEntries(marked) });
}
