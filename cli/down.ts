import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { stopAzure } from "./localAzure";
import { readStack, type Stack } from "./stack";
import { removeState } from "./state";
import { pulumiHome } from "./environment";

/** Stops a stack's local Azure and removes what it and the stack hold, and nothing of any other stack. */
export async function down(root: string, name: string): Promise<void> {
    const stack = readStack(root, name);
    if (!stack.local) {
        throw new Error(
            `Stack ${name} isn't on a local Azure (keymgmt:environment in Pulumi.${name}.yaml). Use \`npm run pulumi -- destroy --stack ${name}\`.`,
        );
    }
    const stopped = await stopAzure(stack.folder);
    // State before seal key: broken off in between, no state is left without its key.
    await removeState(stack);
    await removeFolder(stack);
    if (!(await othersAreLeft(root)))
        await rm(path.join(root, ".local"), { recursive: true, force: true });
    console.log(
        `${stopped ? "The local Azure is stopped" : "No local Azure was running"}; nothing of local stack ${name} is left.`,
    );
}

async function removeFolder({ root, folder }: Stack): Promise<void> {
    if (!existsSync(folder)) return;
    // Stack dev's folder also holds what the local stacks share.
    const shared = folder === path.join(root, ".local") ? ["state", "pulumi", "stacks"] : [];
    const own = (await readdir(folder)).filter((each) => !shared.includes(each));
    await Promise.all(own.map((each) => rm(path.join(folder, each), { recursive: true })));
    if (shared.length === 0) await rm(folder, { recursive: true });
}

/** Whether there is a file of another local stack, besides what Pulumi makes for all of them. */
async function othersAreLeft(root: string): Promise<boolean> {
    const folder = path.join(root, ".local");
    if (!existsSync(folder)) return false;
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.some(
        (each) =>
            !each.isDirectory() &&
            !each.parentPath.startsWith(pulumiHome(root)) &&
            !/^meta\.yaml(\.attrs)?$/.test(each.name),
    );
}
