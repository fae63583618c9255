import type { Properties } from "./properties";

/** One resource type of a stand-in provider: Pulumi's life cycle over one of the local Azure's services. */
export interface ResourceKind {
    /** The inputs it takes; another one is an error, as it would have no effect. */
    inputs: readonly string[];
    required: readonly string[];
    /** Inputs whose change makes a new resource. */
    replaceOn: readonly string[];
    /** azure-native deletes before it makes the replacement, unless it chose the name; azuread the other way round. */
    deleteBeforeReplace: boolean;
    /** Outputs that are secrets. */
    secrets?: readonly string[];
    /** Fills in what the real plugin does: names, defaults. */
    check?(inputs: Properties, context: CheckContext): Properties;
    /** Inputs in the form in which they are compared. */
    comparable?(inputs: Properties): Properties;
    /** The outputs before the resource is made, or changed: `unknown` for what only the service can say. */
    preview(inputs: Properties, old: Properties | undefined): Properties;
    create(inputs: Properties): Promise<{ id: string; outputs: Properties }>;
    /** The outputs now; undefined when it is gone. */
    read(id: string, old: Properties): Properties | undefined;
    /** What of the outputs a user could have written as inputs. */
    inputsOf(outputs: Properties, id: string): Properties;
    /** None: every input is in `replaceOn`. */
    update?(id: string, inputs: Properties): Promise<Properties>;
    /** Of something gone: nothing to do. */
    delete(id: string): Promise<void>;
}

export interface CheckContext {
    /** The resource's name in the program. */
    name: string;
    /** The inputs of the last update. */
    old: Properties;
    /** Hexadecimal digits that the engine chose, the same in preview and update of one run. */
    random: string;
    /** The provider's own configuration. */
    config: Properties;
}
