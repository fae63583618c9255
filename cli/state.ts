import { copyFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { backendFolder, pulumiHome } from "./environment";
import type { Stack } from "./stack";

// The layout of Pulumi's file backend: pkg/backend/diy in github.com/pulumi/pulumi.
const stateFolder = ({ root }: Stack) => path.join(backendFolder(root), ".pulumi");

const stateFile = (stack: Stack) =>
    path.join(stateFolder(stack), "stacks", stack.project, `${stack.name}.json`);

export const stackExists = (stack: Stack) =>
    existsSync(stateFile(stack)) || existsSync(`${stateFile(stack)}.gz`);

/**
 * Puts back what an engine left that was killed while it wrote the state: an empty file, and the state before the last step beside it. That
 * step is done again, and finds what it did.
 * @returns whether it had to
 */
export function mendState(stack: Stack): boolean {
    const file = stateFile(stack);
    const size = (name: string) => (existsSync(name) ? statSync(name).size : undefined);
    if (size(file) !== 0 || !size(`${file}.bak`)) return false;
    copyFileSync(`${file}.bak`, file);
    return true;
}

const checkpoint = z.object({
    checkpoint: z
        .object({ latest: z.object({ resources: z.array(z.unknown()).nullish() }).nullish() })
        .nullish(),
});

/** Whether the stack's state holds resources. */
export function hasResources(stack: Stack): boolean {
    if (!existsSync(stateFile(stack))) return stackExists(stack);
    const state = checkpoint.parse(JSON.parse(readFileSync(stateFile(stack), "utf8")));
    return (state.checkpoint?.latest?.resources ?? []).length > 0;
}

/** Removes what the backend and Pulumi's home hold of this stack, and of no other. */
export async function removeState(stack: Stack): Promise<void> {
    const { project, name } = stack;
    const folder = stateFolder(stack);
    const literal = name.replaceAll(".", "\\.");
    await Promise.all([
        removeMatching(
            path.join(folder, "stacks", project),
            new RegExp(`^${literal}\\.json(\\.gz)?(\\.bak)?(\\.attrs)?$`),
        ),
        ...[`history/${project}`, `backups/${project}`, `locks/organization/${project}`].map(
            (each) => rm(path.join(folder, each, name), { recursive: true, force: true }),
        ),
        removeMatching(
            path.join(pulumiHome(stack.root), "logs"),
            new RegExp(`^organization\\+${project}\\+${literal}-\\d{8}T\\d{6}.*\\.log$`),
        ),
    ]);
}

async function removeMatching(folder: string, pattern: RegExp): Promise<void> {
    if (!existsSync(folder)) return;
    const names = (await readdir(folder)).filter((each) => pattern.test(each));
    await Promise.all(names.map((each) => rm(path.join(folder, each))));
}
