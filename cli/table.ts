import { z } from "zod";

/** The stack outputs that the table shows. */
export const outputs = z.object({
    keys: z.record(z.string(), z.object({ type: z.string() })),
    distributions: z.array(
        z.object({
            key: z.string(),
            vault: z.string(),
            versions: z.record(z.string(), z.object({ enabled: z.boolean() })),
            currentVersion: z.coerce.string(),
            purposes: z.array(z.string()),
            protection: z.string(),
            verified: z.boolean(),
        }),
    ),
});

export type Outputs = z.infer<typeof outputs>;

const heading = ["KEY", "TYPE", "VAULT", "PROTECTION", "VERSIONS", "OPERATIONS", "VERIFIED"];

export function keyTable({ keys, distributions }: Outputs): string {
    const rows = Object.entries(keys).flatMap(([name, { type }]) => {
        const copies = distributions.filter(({ key }) => key === name);
        if (copies.length === 0) return [[name, type, "-", "-", "-", "-", "-"]];
        return copies.map((copy) => [
            name,
            type,
            copy.vault,
            copy.protection,
            versionList(copy),
            copy.purposes.join(", "),
            copy.verified ? "yes" : "no",
        ]);
    });
    return columns([heading, ...rows]);
}

function versionList({ versions, currentVersion }: Outputs["distributions"][number]): string {
    return Object.keys(versions)
        .sort((a, b) => Number(a) - Number(b))
        .map((version) => {
            const notes = [
                ...(version === currentVersion ? ["current"] : []),
                ...(versions[version]!.enabled ? [] : ["disabled"]),
            ];
            return notes.length > 0 ? `${version} (${notes.join(", ")})` : version;
        })
        .join(", ");
}

function columns(rows: readonly string[][]): string {
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
    return rows
        .map((row) =>
            row
                .map((cell, column) => cell.padEnd(widths[column]!))
                .join("  ")
                .trimEnd(),
        )
        .join("\n");
}
