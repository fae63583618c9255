import { ensureEngine } from "../engine/engine";
import { continuingEnvironment } from "./environment";
import { createStack, progress, pulumiOutput, runPulumi, stackEnvironment } from "./pulumi";
import { readStack } from "./stack";
import { keyTable, outputs } from "./table";

/** Brings stack dev up on its local Azure and shows its keys. Returns Pulumi's exit code. */
export async function up(root: string, env: NodeJS.ProcessEnv): Promise<number> {
    const stack = readStack(root, "dev");
    if (!stack.local) {
        throw new Error(
            "Stack dev isn't on a local Azure (keymgmt:environment in Pulumi.dev.yaml), and this command doesn't ask before it changes things. Use `npm run pulumi -- up`.",
        );
    }
    const engine = await ensureEngine(progress, env);
    const stackEnv = await stackEnvironment(stack, true, env);
    await createStack(stack, engine, stackEnv);
    // The table at the end shows the outputs better, and the dots are for a terminal that waits.
    const quiet = ["--suppress-outputs", "--suppress-progress"];
    const args = ["up", "--yes", "--skip-preview", ...quiet, "--stack", stack.name];
    const result = await runPulumi(root, engine, args, continuingEnvironment(stackEnv));
    if (result !== 0) return result;
    const json = await pulumiOutput(
        root,
        engine,
        ["stack", "output", "--json", "--stack", stack.name],
        stackEnv,
    );
    console.log(`\n${keyTable(outputs.parse(JSON.parse(json)))}\n`);
    console.log(
        [
            "The local Azure is running; .local/azure.json tells any Key Vault client how to reach it.",
            "Next: `npm run pulumi -- preview --diff`, `npm run pulumi -- stack output keys`, and `make down` to remove it all.",
        ].join("\n"),
    );
    return 0;
}
