import type { Vault } from "../../local/vault";
import { startServer, type Answer } from "./keyvaultServer";

/** A request of a recorded session at its time (Unix seconds), and its answer, as far as that tells something. */
export type Step = [
    at: number,
    method: string,
    path: string,
    request: object | undefined,
    status: number,
    answer?: object,
];

/** Longer than a second and shorter than the recorded waits for something to be seen. */
const visibilityDelay = 3;

/**
 * Sends a recorded session to a vault of today at the times of then. Members of answers, their order and all values have
 * to be the recorded ones. What is random has a short name there: `n1`, `x1`, `y1` in key material, four digits in
 * place of a version's id, `s1` for what a key signed, encrypted or wrapped; what has one name has to stay the same.
 */
export async function replay(api: string, steps: Step[], vault: Partial<Vault> = {}) {
    const server = await startServer({ softDeleteRetentionInDays: 7, ...vault });
    server.settings.visibilityDelay = visibilityDelay;
    const random = new Random();
    try {
        for (const [at, method, path, request, status, recorded] of steps) {
            server.clock.time = at * 1000;
            const local = random.localized(path);
            const body =
                request && (JSON.parse(random.localized(JSON.stringify(request))) as object);
            const options = { api: path.includes("api-version=") ? null : api };
            const answer = await server.send(method, local, body, options);
            expect([method, path, answer.status]).toEqual([method, path, status]);
            if (recorded) compare(answer, recorded, random);
        }
    } finally {
        await server.stop();
    }
}

function compare(answer: Answer, recorded: object, random: Random): void {
    const local = JSON.stringify(answer.body).replaceAll(/https:\/\/[\d.:]+/g, "https://vault");
    const expected = random.learned(JSON.stringify(recorded), local);
    // A list is in the order of ids, and so not in the recorded one.
    const timeless = (body: string) =>
        "value" in recorded ? body.replaceAll(/(?<="(?:created|updated)":)\d+/g, "0") : body;
    expect(timeless(local)).toBe(timeless(expected));
}

/** What is random: by its name in the recorded session, where it stands there, and where it stands here. */
const places: [recorded: RegExp, local: RegExp][] = [
    [/(?<=\/)[0-9a-f]{4}(?=["? /]|$)/g, /(?<=\/)[0-9a-f]{32}(?=["? ])/g],
    [/(?<="[nxy]":")[nxy]\d(?=")/g, /(?<="[nxy]":")[\w-]+(?=")/g],
    [/(?<="value":")s\d(?=")/g, /(?<="value":")[\w-]+(?=")/g],
    [/(?<=skiptoken=)Sanitized/g, /(?<=skiptoken=)[\w-]+/g],
];

class Random {
    readonly #local = new Map<string, string>();

    /** A recorded path or body with what is random as it is here. */
    localized(recorded: string): string {
        return places.reduce(
            (text, [place]) => text.replaceAll(place, (name) => this.#local.get(name) ?? name),
            recorded,
        );
    }

    /** The same, after what is new in this answer was learned from it. */
    learned(recorded: string, local: string): string {
        for (const [recordedPlace, localPlace] of places) {
            const found = local.match(localPlace) ?? [];
            recorded.match(recordedPlace)?.forEach((name, index) => {
                const value = found[index];
                if (value !== undefined && !this.#local.has(name)) this.#local.set(name, value);
            });
        }
        return this.localized(recorded);
    }
}
