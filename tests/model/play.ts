import type * as fc from "fast-check";
import { Session, type Setting } from "./session";
import type { Sequence } from "./sequence";

/** Plays a sequence to its end, with what has to be true there. */
export async function play(sequence: Sequence, setting: Setting): Promise<void> {
    const session = new Session(sequence, setting);
    try {
        for (const { acts, run } of sequence.rounds) {
            for (const act of acts) {
                await session.act(act);
            }
            await session.run(run);
        }
        await session.run(session.last);
        await session.verify();
        await session.rest();
    } catch (error) {
        throw new Error(`${session.log.join("\n")}\n\n${(error as Error).message}`, {
            cause: error,
        });
    }
}

/**
 * Which sequences: as the environment says.
 * @param script the npm script that plays more of them
 */
export function parametersOf<Given extends Sequence | Sequence[]>(
    script: string,
    parameters: fc.Parameters<[Given]>,
): fc.Parameters<[Given]> {
    const { MODEL_SEED, MODEL_PATH, MODEL_RUNS, MODEL_STACKS } = process.env;
    // The same ones in each `make test`, which is to judge a change and not its luck; others where more are asked for.
    const seed = MODEL_SEED ?? (MODEL_RUNS || MODEL_STACKS ? undefined : "20261125");
    return {
        ...parameters,
        ...(seed && { seed: Number(seed) }),
        ...(MODEL_PATH && { path: MODEL_PATH, numRuns: 1, endOnFailure: true }),
        reporter: (details) => {
            if (details.failed) {
                throw new Error(messageOf(script, details));
            }
        },
    };
}

function messageOf<Given extends Sequence | Sequence[]>(
    script: string,
    { seed, counterexamplePath, counterexample, errorInstance }: fc.RunDetails<[Given]>,
): string {
    return [
        `It goes wrong. To play it again: MODEL_SEED=${seed} MODEL_PATH=${counterexamplePath} npm run ${script}`,
        ...counterexample!.flat().flatMap(linesOf),
        "What was done:",
        (errorInstance as Error | undefined)?.message,
    ].join("\n");
}

function linesOf({ rounds, ...start }: Sequence): string[] {
    return [
        JSON.stringify(start),
        ...rounds.flatMap(({ acts, run }) => [
            ...acts.map((act) => `  ${JSON.stringify(act)}`),
            `  run ${JSON.stringify(run)}`,
        ]),
    ];
}
