import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { startCloud } from "./cloud";
import { instructions } from "./instructions";

async function main(): Promise<void> {
    const { values } = parseArgs({
        options: {
            folder: { type: "string", default: ".local-azure" },
            stack: { type: "string" },
            "show-secret": { type: "boolean", default: false },
            limits: { type: "boolean" },
            "visibility-delay": { type: "string" },
            "propagation-delay": { type: "string" },
        },
    });
    const { folder, stack, "show-secret": showSecret } = values;

    const settings = {
        ...(values.limits && { limits: true }),
        ...seconds("visibilityDelay", values["visibility-delay"]),
        ...seconds("propagationDelay", values["propagation-delay"]),
    };
    const cloud = await startCloud({ folder, stack, settings });
    const stop = () => {
        cloud.close().then(
            () => process.exit(0),
            (error: unknown) => fail(error),
        );
    };
    // Before it says that it is ready: whoever reads that may end it at once.
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);

    const { authorityHost, caFile } = cloud.description;
    console.log(
        stack
            ? `Local Azure of stack ${stack} is ready at ${authorityHost} (CA: ${caFile}).`
            : instructions(cloud.description, {
                  description: resolve(join(folder, "azure.json")),
                  showSecret,
              }),
    );
}

/** The setting, if the option was given. */
function seconds(setting: string, text: string | undefined): Record<string, number> {
    if (text === undefined) return {};
    const value = Number(text);
    if (text !== "" && value >= 0) return { [setting]: value };
    throw new Error(`The ${setting} has to be a number of seconds, 0 or more, and is '${text}'.`);
}

function fail(error: unknown): never {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`The local Azure failed: ${message.replaceAll(/\s*\n\s*/g, " ")}`);
    process.exit(1);
}

main().catch(fail);
