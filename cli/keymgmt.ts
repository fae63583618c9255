import path from "node:path";
import { Command, Option } from "commander";
import { ensureEngine } from "../engine/engine";
import { keyTypes } from "../keys/keyType";
import { secretLocation, versionNumber } from "./arguments";
import { down } from "./down";
import { progress, pulumi } from "./pulumi";
import { sealToken, type SealOptions } from "./seal";
import { up } from "./up";

const root = path.resolve(__dirname, "..");

const program = new Command("keymgmt")
    .description("Your own keys in Azure Key Vault, by Pulumi")
    .enablePositionalOptions();

program
    .command("up")
    .description("start the local Azure, bring stack dev up on it, and show its keys")
    .action(async () => {
        process.exitCode = await up(root, process.env);
    });

program
    .command("down")
    .description("stop a stack's local Azure and remove what it and the stack hold")
    .option("-s, --stack <name>", "a stack on a local Azure", "dev")
    .action(({ stack }: { stack: string }) => down(root, stack));

program
    .command("pulumi")
    .description("any Pulumi command, on the stack named by --stack or PULUMI_STACK, else on dev")
    .argument("[arguments...]", "Pulumi's own commands and options")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
        process.exitCode = await pulumi(root, args, process.env);
    });

program
    .command("seal")
    .description("seal a private key (PEM or JWK) as a version of a key, and print the token")
    .requiredOption("--key <name>", "the key's name")
    .addOption(
        new Option("--type <type>", "the key's type").choices(keyTypes).makeOptionMandatory(),
    )
    .requiredOption("--version <number>", "the version that it is to be", versionNumber)
    .option("--seal <location>", "the seal key", secretLocation, "env:KEYMGMT_SEAL_KEY")
    .option("--in <file>", "the private key (default: standard input)")
    .option("--passphrase <location>", "an encrypted key's: env:NAME or file:PATH", secretLocation)
    .action(async (options: SealOptions) => console.log(await sealToken(options, process.stdin)));

program
    .command("engine")
    .description("find or get the Pulumi engine, and print its folder")
    .action(async () => console.log((await ensureEngine(progress)).binFolder));

program.parseAsync().catch((error: unknown) => {
    console.error(`keymgmt: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
});
