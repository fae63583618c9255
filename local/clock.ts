import type { Collection } from "./store";

/** The cloud's time. Everything in local/ that asks for the time asks this, so that tests can move it. */
export interface Clock {
    /** Milliseconds since the Unix epoch. */
    now(): number;
}

export interface MovableClock extends Clock {
    /** From now on it is this time, and time goes on from there. */
    set(milliseconds: number): Promise<void>;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Its distance from the base clock is kept, so that a restart doesn't jump back. */
export function movableClock(base: Clock, kept: Collection<number>): MovableClock {
    return {
        now: () => base.now() + (kept.get("offset") ?? 0),
        set: (milliseconds) => kept.put("offset", milliseconds - base.now()),
    };
}
