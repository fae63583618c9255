import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

/** The two Go modules that pin the engine: the command itself and the Node.js language host. */
export const modules = {
    pulumi: {
        folder: path.join(__dirname, "pulumi"),
        dependency: "github.com/pulumi/pulumi/pkg/v3",
    },
    nodejs: {
        folder: path.join(__dirname, "nodejs"),
        dependency: "github.com/pulumi/pulumi/sdk/v3",
    },
} as const;

export type PinnedModule = (typeof modules)[keyof typeof modules];

/** Version of the module's main dependency, without the v. */
export function pinnedVersion(module: PinnedModule = modules.pulumi): string {
    const line = goMod(module)
        .split("\n")
        .find((each) => each.trim().startsWith(`${module.dependency} v`));
    if (line === undefined)
        throw new Error(`${module.folder}/go.mod doesn't name ${module.dependency}`);
    return line.trim().split(" ")[1]!.slice(1);
}

/** The oldest Go that can build the module. */
export function goVersionNeeded(module: PinnedModule): string {
    return /^go (\S+)$/m.exec(goMod(module))![1]!;
}

/** Changes whenever something else would be built. */
export function pinHash(): string {
    const hash = createHash("sha256");
    for (const { folder } of Object.values(modules)) {
        for (const file of ["go.mod", "go.sum"]) hash.update(readFileSync(path.join(folder, file)));
    }
    return hash.digest("hex").slice(0, 12);
}

const goMod = ({ folder }: PinnedModule) => readFileSync(path.join(folder, "go.mod"), "utf8");
