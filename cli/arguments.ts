import { InvalidArgumentError } from "commander";
import { isSecretLocation, type SecretLocation } from "../keys/secretLocation";

/** What a command line of Pulumi's says, as far as keymgmt has to know. */
export interface PulumiArguments {
    /** What isn't an option: the command and its arguments. */
    readonly words: readonly string[];
    /** The stack that is named, by option or as in `stack init NAME`. */
    readonly stack: string | undefined;
    readonly help: boolean;
}

/** Options whose value is the next argument: the global ones, and those of the commands that take a stack's name. */
const withValue = new Set([
    "--stack",
    "-C",
    "--cwd",
    "--color",
    "--memprofilerate",
    "--otel-traces",
    "--profiling",
    "--tracing",
    "-v",
    "--verbose",
    "--secrets-provider",
    "--copy-config-from",
    "--teams",
]);

/** `-s X`, `-sX`, `-s=X`, also after options without a value, as in `-ys X`. */
const shortStack = /^-[defijyQ]*s(?:=?(.+))?$/;

export function readArguments(args: readonly string[]): PulumiArguments {
    const words: string[] = [];
    let option: string | undefined;
    let help = false;
    for (let i = 0; i < args.length; i++) {
        const arg = args[i]!;
        const short = shortStack.exec(arg);
        if (arg === "--") {
            words.push(...args.slice(i + 1));
            break;
        } else if (short) option = short[1] ?? args[++i];
        else if (arg.startsWith("--stack=")) option = arg.slice("--stack=".length);
        else if (withValue.has(arg)) {
            const value = args[++i];
            if (arg === "--stack") option = value;
        } else if (arg === "--help" || arg === "-h") help = true;
        else if (!arg.startsWith("-")) words.push(arg);
    }
    // Fully qualified names, <organization>/<project>/<stack>, are the same stack.
    const stack = (option ?? stackWord(words))?.split("/").at(-1);
    return { words, stack, help };
}

/** The commands that take the stack's name as an argument. */
function stackWord([command, second, third]: readonly string[]): string | undefined {
    if (command === "cancel") return second;
    const named = ["new", "init", "create", "setup", "remove", "rm", "delete"];
    return command === "stack" && second !== undefined && named.includes(second)
        ? third
        : undefined;
}

const cloudCommands = new Set([
    "up",
    "update",
    "preview",
    "pre",
    "refresh",
    "destroy",
    "down",
    "dn",
    "import",
    "watch",
]);

/** Whether Pulumi will run providers: those need the cloud and the seal key. */
export function needsCloud({ words: [command], help }: PulumiArguments): boolean {
    return !help && command !== undefined && cloudCommands.has(command);
}

/** Whether Pulumi will bring the stack up. */
export function isUpdate({ words: [command] }: PulumiArguments): boolean {
    return command === "up" || command === "update";
}

/** The number of a version: 1, 2, 3 … @throws InvalidArgumentError */
export function versionNumber(text: string): number {
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Allowed: 1, 2, 3 …");
    return Number(text);
}

/** @throws InvalidArgumentError */
export function secretLocation(text: string): SecretLocation {
    if (!isSecretLocation(text)) {
        throw new InvalidArgumentError("Allowed: env:NAME or file:PATH.");
    }
    return text;
}
