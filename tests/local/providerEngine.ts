import { ChannelCredentials, type ServiceError } from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";

type Properties = Record<string, unknown>;

const struct = (properties: Properties) =>
    Struct.fromJavaScript(properties as Record<string, JavaScriptValue>);
const plain = (given: Struct | undefined) => given?.toJavaScript() as Properties | undefined;
export const urnOf = (type: string, name = "it", stack = "dev") =>
    `urn:pulumi:${stack}::project::keymgmt:index:Parent$${type}::${name}`;

/** The engine's side of the protocol. */
export class Engine {
    private readonly client: ResourceProviderClient;

    constructor(port: number) {
        const credentials = ChannelCredentials.createInsecure();
        this.client = new ResourceProviderClient(`127.0.0.1:${port}`, credentials);
    }

    #call<Request, Response>(method: string, request: Request): Promise<Response> {
        return new Promise((resolve, reject) => {
            const methods = this.client as unknown as Record<
                string,
                (
                    request: Request,
                    done: (error: ServiceError | null, value: Response) => void,
                ) => void
            >;
            methods[method]!(request, (error, value) => (error ? reject(error) : resolve(value)));
        });
    }

    async check(type: string, news: Properties, olds: Properties = {}, urn = urnOf(type)) {
        const response = await this.#call<rpc.CheckRequest, rpc.CheckResponse>(
            "check",
            new rpc.CheckRequest()
                .setUrn(urn)
                .setNews(struct(news))
                .setOlds(struct(olds))
                .setRandomseed(Buffer.from("0123456789abcdef", "hex")),
        );
        return {
            inputs: plain(response.getInputs()),
            failures: response
                .getFailuresList()
                .map((failure) => [failure.getProperty(), failure.getReason()]),
        };
    }

    async diff(type: string, oldInputs: Properties, news: Properties) {
        const response = await this.#call<rpc.DiffRequest, rpc.DiffResponse>(
            "diff",
            new rpc.DiffRequest()
                .setUrn(urnOf(type))
                // Outputs differ from inputs in much that nobody changed: they have to be left alone.
                .setOlds(struct({ ...oldInputs, vaultUri: "x" }))
                .setOldInputs(struct(oldInputs))
                .setNews(struct(news)),
        );
        const diffs = response.getDetaileddiffMap() as unknown as Map<string, rpc.PropertyDiff>;
        return {
            changed: response.getChanges() === rpc.DiffResponse.DiffChanges.DIFF_SOME,
            replaces: response.getReplacesList(),
            deleteBeforeReplace: response.getDeletebeforereplace(),
            detailed: Object.fromEntries(
                [...diffs.keys()].map((path) => [path, diffs.get(path)?.getKind()]),
            ),
        };
    }

    async create(type: string, inputs: Properties, preview = false, urn = urnOf(type)) {
        const response = await this.#call<rpc.CreateRequest, rpc.CreateResponse>(
            "create",
            new rpc.CreateRequest().setUrn(urn).setProperties(struct(inputs)).setPreview(preview),
        );
        return { id: response.getId(), outputs: plain(response.getProperties())! };
    }

    async update(type: string, id: string, olds: Properties, news: Properties, preview = false) {
        const response = await this.#call<rpc.UpdateRequest, rpc.UpdateResponse>(
            "update",
            new rpc.UpdateRequest()
                .setUrn(urnOf(type))
                .setId(id)
                .setOlds(struct(olds))
                .setNews(struct(news))
                .setPreview(preview),
        );
        return plain(response.getProperties())!;
    }

    async read(type: string, id: string, state: Properties, inputs?: Properties) {
        const response = await this.#call<rpc.ReadRequest, rpc.ReadResponse>(
            "read",
            new rpc.ReadRequest()
                .setUrn(urnOf(type))
                .setId(id)
                .setProperties(struct(state))
                .setInputs(inputs && struct(inputs)),
        );
        return {
            id: response.getId(),
            outputs: plain(response.getProperties()),
            inputs: plain(response.getInputs()),
        };
    }

    delete(type: string, id: string): Promise<Empty> {
        return this.#call("delete", new rpc.DeleteRequest().setUrn(urnOf(type)).setId(id));
    }

    async invoke(token: string, args: Properties = {}) {
        const response = await this.#call<rpc.InvokeRequest, rpc.InvokeResponse>(
            "invoke",
            new rpc.InvokeRequest().setTok(token).setArgs(struct(args)),
        );
        return plain(response.getReturn());
    }

    async configure(args: Properties) {
        const response = await this.#call<rpc.ConfigureRequest, rpc.ConfigureResponse>(
            "configure",
            new rpc.ConfigureRequest().setArgs(struct(args)),
        );
        return {
            supportsPreview: response.getSupportspreview(),
            acceptSecrets: response.getAcceptsecrets(),
        };
    }

    checkConfig(stack: string) {
        const urn = urnOf("pulumi:providers:azure-native", "default_3_28_0", stack);
        return this.#call("checkConfig", new rpc.CheckRequest().setUrn(urn).setNews(struct({})));
    }

    async version() {
        const info = await this.#call<Empty, { getVersion(): string }>(
            "getPluginInfo",
            new Empty(),
        );
        return info.getVersion();
    }

    close() {
        this.client.close();
    }
}
