import { parseArgs } from "node:util";
import { startCloud } from "./cloud";

const usage = "usage: local/main.ts --folder <directory> --stack <pulumi stack name>";

async function main(): Promise<void> {
    const { values } = parseArgs({
        options: { folder: { type: "string" }, stack: { type: "string" } },
    });
    const { folder, stack } = values;
    if (!folder || !stack) throw new Error(`--folder and --stack are needed. ${usage}`);

    const cloud = await startCloud({ folder, stack });
    const { authorityHost, caFile } = cloud.description;
    console.log(`Local Azure of stack ${stack} is ready at ${authorityHost} (CA: ${caFile}).`);

    const stop = () => {
        cloud.close().then(
            () => process.exit(0),
            (error: unknown) => fail(error),
        );
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
}

function fail(error: unknown): never {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`The local Azure failed: ${message.replaceAll(/\s*\n\s*/g, " ")}`);
    process.exit(1);
}

main().catch(fail);
