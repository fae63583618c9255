import { createHash, randomUUID } from "node:crypto";
import { z } from "zod";
import { operations } from "./keyvault/operations";

/** Which requests have the fault, and how often. Names compare without case. */
const selection = {
    /** As in the request log; `token`: the token endpoint. Left out: every request to a vault. */
    operation: z.enum([...operations.map(({ name }) => name), "token"]).optional(),
    vault: z.string().optional(),
    key: z.string().optional(),
    /** Only so many times. */
    count: z.int().min(1).optional(),
    /** Of each request that is selected. The same seed picks the same ones: the 1st, the 4th … */
    probability: z.number().gt(0).max(1).default(1),
    seed: z.int().default(0),
};

export const faultStatuses = [429, 500, 502, 503, 504] as const;
export type FaultStatus = (typeof faultStatuses)[number];

export const faultRule = z
    .discriminatedUnion("fault", [
        z.strictObject({
            fault: z.literal("status"),
            status: z.literal(faultStatuses),
            /** Seconds, in the header Retry-After. Left out: no such header. */
            retryAfter: z.int().min(0).optional(),
            ...selection,
        }),
        z.strictObject({
            fault: z.literal("delay"),
            /** Of the machine's time, since it is the client that waits. */
            seconds: z.number().gt(0).max(3600),
            ...selection,
        }),
        z.strictObject({
            fault: z.literal([
                /** The connection is reset, and the request has no effect. */
                "resetBefore",
                /** The connection is reset instead of the answer: the request has had its effect. */
                "resetAfter",
                /** The connection ends in the middle of the answer's body. */
                "halfAnswer",
                /** A good token is refused as one that is over. */
                "expiredToken",
            ]),
            ...selection,
        }),
    ])
    .refine(
        ({ operation, fault, vault, key }) =>
            operation !== "token" || (fault !== "expiredToken" && !vault && !key),
        { error: "operation 'token' has no vault, no key and no token that could expire" },
    );
export type FaultRule = z.infer<typeof faultRule>;

/** A request, as far as rules select it. */
export interface FaultTarget {
    operation?: string;
    vault?: string;
    key?: string;
}

/** A rule with what has come of it. */
export type FaultState = FaultRule & { id: string; selected: number; injected: number };

/** The faults that were asked for. Only while it runs: a restart begins without. */
export class Faults {
    #states: FaultState[] = [];

    add(rule: FaultRule): FaultState {
        const state = { ...rule, id: randomUUID(), selected: 0, injected: 0 };
        this.#states.push(state);
        return state;
    }

    list(): readonly FaultState[] {
        return this.#states;
    }

    clear(): void {
        this.#states = [];
    }

    /** The fault that this request has: of the first rule that selects it and is its turn. */
    next(target: FaultTarget): FaultRule | undefined {
        return this.#states.find((state) => {
            if (!selects(state, target) || state.injected === state.count) return false;
            if (uniform(state.seed, state.selected++) >= state.probability) return false;
            state.injected++;
            return true;
        });
    }
}

function selects(rule: FaultRule, target: FaultTarget): boolean {
    if (target.operation === "token") return rule.operation === "token";
    return (["operation", "vault", "key"] as const).every(
        (name) =>
            rule[name] === undefined || rule[name].toLowerCase() === target[name]?.toLowerCase(),
    );
}

/** The n-th number of this seed's series, at least 0 and below 1: a hash in counter mode is random enough. */
export function uniform(seed: number, n: number): number {
    return createHash("sha256").update(`${seed}:${n}`).digest().readUIntBE(0, 6) / 2 ** 48;
}
