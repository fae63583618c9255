/** The cloud's time. Everything in local/ that asks for the time asks this, so that tests can move it. */
export interface Clock {
    /** Milliseconds since the Unix epoch. */
    now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
