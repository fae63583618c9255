import type { Declared } from "./declared";
import type { Outcome, RunOptions, Stack } from "./stack";

interface Waiting {
    declared: Declared;
    options: RunOptions;
    go: (outcome: Promise<Outcome>) => void;
}

/**
 * One stack for several sequences: it runs when each of them waits for a run, with what all of them declare. They have to be of as many runs, all
 * with the same options.
 */
export function together(stack: Stack, count: number): Stack[] {
    let waiting: Waiting[] = [];
    let state: ReturnType<Stack["keys"]> | undefined;
    const run = async (all: Waiting[]): Promise<Outcome> => {
        const declared = Object.assign({}, ...all.map((each) => each.declared)) as Declared;
        const refresh = all.some(({ options }) => options.refresh);
        const outcome = await stack.up(declared, { ...all[0]!.options, refresh });
        state = undefined;
        return outcome;
    };
    const one: Stack = {
        name: stack.name,
        up: (declared, options) =>
            new Promise((go) => {
                waiting.push({ declared, options, go });
                if (waiting.length === count) {
                    const all = waiting;
                    waiting = [];
                    const outcome = run(all);
                    all.forEach((each) => each.go(outcome));
                }
            }),
        keys: () => (state ??= stack.keys()),
    };
    return Array.from({ length: count }, () => one);
}
