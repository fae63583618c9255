import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";

/** Dynamic resources of this project have the type `pulumi-nodejs:dynamic/keymgmt:<name>`. */
export function dynamicType(name: string): string {
    return `pulumi-nodejs:dynamic/keymgmt:${name}`;
}

/**
 * The code that is kept in the state as `__provider`: one line, the same for all resources of a type, that loads the real provider
 * module by its path below the project. `pulumi.dynamic.Resource` would serialise the provider's whole closure into each resource
 * instead: slower by a multiple, and fixes would never reach existing resources
 * (https://github.com/pulumi/pulumi/issues/16826).
 * @param module the provider's module, in this folder
 */
export function providerCode(module: string): string {
    const file = path
        .relative(process.cwd(), path.join(__dirname, module))
        .split(path.sep)
        .join("/");
    if (file.startsWith("../")) {
        throw new pulumi.RunError(
            `keymgmt has to be installed below the project that uses it, but ${path.join(__dirname, module)} isn't below ${process.cwd()}.`,
        );
    }
    const typescript = __filename.endsWith(".ts")
        ? `require.extensions[".ts"]||require("ts-node/register/transpile-only");`
        : "";
    return `exports.handler=()=>{${typescript}return require(process.cwd()+"/${file}").provider}`;
}

/** The part of Pulumi's dynamic provider interface that is implemented, with the types of one resource. */
export interface Provider<Inputs, State> {
    check: (olds: unknown, news: unknown) => Promise<pulumi.dynamic.CheckResult<Inputs>>;
    diff: (id: string, olds: State, news: Inputs) => Promise<pulumi.dynamic.DiffResult>;
    create: (inputs: Inputs) => Promise<pulumi.dynamic.CreateResult<State>>;
    read: (id: string, state: State) => Promise<pulumi.dynamic.ReadResult<State>>;
    update: (id: string, olds: State, news: Inputs) => Promise<pulumi.dynamic.UpdateResult<State>>;
    delete: (id: string, state: State) => Promise<void>;
}
