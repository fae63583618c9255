import { Pool } from "undici";

/** A bounded number of requests, over connections that stay open. */
export interface Load {
    origin: string;
    ca: string;
    token: string;
    /** Sent in turn; `#` in a path becomes the number of the request. */
    requests: { method: "GET" | "POST" | "PUT"; path: string; body?: string }[];
    total: number;
    connections: number;
}

export interface Result {
    requestsPerSecond: number;
    /** Milliseconds. */
    p99: number;
}

/** Runs in a process of its own, so that it takes no time from the one that is measured. */
async function generate(load: Load): Promise<Result> {
    const pool = new Pool(load.origin, {
        connections: load.connections,
        connect: { ca: load.ca },
    });
    const headers = {
        authorization: `Bearer ${load.token}`,
        "content-type": "application/json",
    };
    const durations: number[] = [];
    let sent = 0;
    const client = async () => {
        while (sent < load.total) {
            const number = sent++;
            const { method, path, body } = load.requests[number % load.requests.length]!;
            const before = performance.now();
            const answer = await pool.request({
                method,
                path: path.replace("#", String(number)),
                headers,
                body,
            });
            const text = await answer.body.text();
            durations.push(performance.now() - before);
            if (answer.statusCode !== 200)
                throw new Error(
                    `${method} ${path} was answered with ${answer.statusCode}: ${text}`,
                );
        }
    };
    const before = performance.now();
    await Promise.all(Array.from({ length: load.connections }, client));
    const seconds = (performance.now() - before) / 1000;
    await pool.close();
    durations.sort((a, b) => a - b);
    return {
        requestsPerSecond: load.total / seconds,
        p99: durations[Math.floor(load.total * 0.99)] ?? 0,
    };
}

process.on("message", (load: Load) => {
    generate(load).then(
        (result) => process.send?.({ result }),
        (error: Error) => process.send?.({ error: error.message }),
    );
});
