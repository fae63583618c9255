import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";

export type Properties = Record<string, unknown>;

const project = join(__dirname, "..", "..");
const struct = (properties: Properties) =>
    Struct.fromJavaScript(properties as Record<string, JavaScriptValue>);
const plain = (given: Struct | undefined) => (given?.toJavaScript() ?? {}) as Properties;

/**
 * Pulumi's own host of dynamic providers, as the engine starts it: plain node, in the project's folder. Its calls are the engine's.
 */
export class ProviderHost {
    private errors = "";

    private constructor(
        private readonly process: ChildProcess,
        private readonly client: ResourceProviderClient,
    ) {
        process.stderr!.on("data", (data: Buffer) => (this.errors += data.toString()));
    }

    static async start(variables: NodeJS.ProcessEnv): Promise<ProviderHost> {
        const host = spawn(
            process.execPath,
            // It insists on an engine's address, and uses it only for what dynamic providers don't do.
            [require.resolve("@pulumi/pulumi/cmd/dynamic-provider"), "127.0.0.1:1"],
            { cwd: project, env: { ...process.env, ...variables }, stdio: "pipe" },
        );
        const port = await new Promise<number>((resolve, reject) => {
            host.stdout.once("data", (data: Buffer) => resolve(parseInt(data.toString(), 10)));
            host.once("exit", (code) => reject(new Error(`The host ended with ${code}.`)));
        });
        const address = `127.0.0.1:${port}`;
        return new ProviderHost(
            host,
            new ResourceProviderClient(address, credentials.createInsecure()),
        );
    }

    async close(): Promise<void> {
        this.client.close();
        const exited = once(this.process, "exit");
        this.process.kill("SIGKILL");
        await exited;
    }

    /** What it has printed as errors so far, all of which a user sees. */
    get stderr(): string {
        return this.errors;
    }

    /** The same from `position` on; waits for it, since it doesn't come by the way that answers come. */
    async stderrAfter(position: number): Promise<string> {
        while (this.errors.length <= position) {
            await once(this.process.stderr!, "data");
        }
        return this.errors.slice(position);
    }

    async configure(): Promise<void> {
        await this.call("configure", new rpc.ConfigureRequest().setArgs(struct({})));
    }

    async check(olds: Properties, news: Properties) {
        const request = new rpc.CheckRequest().setOlds(struct(olds)).setNews(struct(news));
        const response = await this.call<rpc.CheckResponse>("check", request);
        const failures = response.getFailuresList();
        return {
            inputs: plain(response.getInputs()),
            failures: failures.map((failure) => [failure.getProperty(), failure.getReason()]),
        };
    }

    async diff(id: string, olds: Properties, news: Properties) {
        const request = new rpc.DiffRequest().setId(id).setOlds(struct(olds)).setNews(struct(news));
        const response = await this.call<rpc.DiffResponse>("diff", request);
        const changes = response.getChanges();
        return {
            changes:
                changes === rpc.DiffResponse.DiffChanges.DIFF_UNKNOWN
                    ? undefined
                    : changes === rpc.DiffResponse.DiffChanges.DIFF_SOME,
            replaces: response.getReplacesList(),
        };
    }

    async create(inputs: Properties) {
        const request = new rpc.CreateRequest().setProperties(struct(inputs));
        const response = await this.call<rpc.CreateResponse>("create", request);
        return { id: response.getId(), state: plain(response.getProperties()) };
    }

    async update(id: string, olds: Properties, news: Properties) {
        const request = new rpc.UpdateRequest()
            .setId(id)
            .setOlds(struct(olds))
            .setNews(struct(news));
        return plain((await this.call<rpc.UpdateResponse>("update", request)).getProperties());
    }

    async read(id: string, state: Properties) {
        const request = new rpc.ReadRequest().setId(id).setProperties(struct(state));
        const response = await this.call<rpc.ReadResponse>("read", request);
        return { id: response.getId(), state: plain(response.getProperties()) };
    }

    async delete(id: string, state: Properties): Promise<void> {
        await this.call("delete", new rpc.DeleteRequest().setId(id).setProperties(struct(state)));
    }

    private call<Response>(method: string, request: object): Promise<Response> {
        type Call = (
            request: object,
            done: (error: ServiceError | null, response: Response) => void,
        ) => void;
        const client = this.client as unknown as Record<string, Call>;
        return new Promise((resolve, reject) => {
            client[method]!(request, (error, response) =>
                error ? reject(error) : resolve(response),
            );
        });
    }
}

/** What the engine reads from the error of a creation or update that failed half-way. */
export function initFailure(error: unknown) {
    const [packed] = (error as ServiceError).metadata.get("grpc-status-details-bin");
    const [detail] = Status.deserializeBinary(packed as Buffer).getDetailsList();
    const failed = rpc.ErrorResourceInitFailed.deserializeBinary(detail!.getValue_asU8());
    return {
        id: failed.getId(),
        properties: plain(failed.getProperties()),
        reasons: failed.getReasonsList(),
    };
}
