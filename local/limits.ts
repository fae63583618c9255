/**
 * The transaction limits of a vault, https://learn.microsoft.com/azure/key-vault/general/service-limits: in 10 seconds
 * 10 creations of HSM keys or 20 of software keys, 300 imports, and of all others 4,000 with RSA-2048 software keys.
 * Mixed loads count as a weighted sum, so each limit is a budget that a request takes some units of.
 */
const budgets = { create: 20, import: 300, other: 4000 };
export type LimitClass = keyof typeof budgets;

const windowLength = 10_000;

export interface Cost {
    class: LimitClass;
    units: number;
}

/** What a limit needs to know of a key. */
export interface KeySize {
    kty: string;
    /** Of an RSA key. */
    bits?: number;
}

/** A request without a key, or with one that isn't there, costs as little as any (assumed). */
export function costOf(operation: string | undefined, key: KeySize | undefined): Cost {
    const hsm = key?.kty.endsWith("-HSM") ? 2 : 1;
    if (operation === "import") return { class: "import", units: 1 };
    // A rotation makes a key in the vault, as a creation does; `release` shares that limit by the documentation.
    if (operation === "create" || operation === "rotate" || operation === "release")
        return { class: "create", units: hsm };
    // Software 4000, 1000, 500; HSM 2000, 500, 250.
    const size = key?.bits === 4096 ? 8 : key?.bits === 3072 ? 4 : 1;
    return { class: "other", units: size * hsm };
}

/** What was taken of the budgets in one window of 10 seconds. */
export interface Usage {
    window: number;
    used: Record<LimitClass, number>;
}

/** The usage after one more request; undefined if that is over the limit. Windows follow each other (assumed). */
export function spend(usage: Usage | undefined, cost: Cost, now: number): Usage | undefined {
    const window = Math.floor(now / windowLength);
    const used = usage?.window === window ? usage.used : { create: 0, import: 0, other: 0 };
    const total = used[cost.class] + cost.units;
    if (total > budgets[cost.class]) return undefined;
    return { window, used: { ...used, [cost.class]: total } };
}
