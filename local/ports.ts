import { randomInt } from "node:crypto";
import type { FastifyInstance } from "fastify";

/** Below the range from which Linux takes the ports of outgoing connections (32768 and up). */
const lowest = 20_000;
const highest = 29_999;

/**
 * Listens on loopback at the port that was kept, or at a free one, and returns it. A kept port is part of an
 * address that others hold, so it doesn't move.
 */
export async function listen(
    app: FastifyInstance,
    what: string,
    keptPort: number | undefined,
): Promise<number> {
    if (keptPort !== undefined) {
        if (await listensAt(app, keptPort)) return keptPort;
        throw new Error(
            `${what} can't be served: its port ${keptPort} is taken by another program, and the port is part of its ` +
                `address. Stop that program (\`ss -ltnp 'sport = :${keptPort}'\` shows it), then start again.`,
        );
    }
    for (let attempt = 0; attempt < 100; attempt++) {
        const port = randomInt(lowest, highest + 1);
        if (await listensAt(app, port)) return port;
    }
    throw new Error(
        `${what} can't be served: no free port found between ${lowest} and ${highest} on 127.0.0.1. Stop programs that listen there.`,
    );
}

async function listensAt(app: FastifyInstance, port: number): Promise<boolean> {
    try {
        await app.listen({ host: "127.0.0.1", port });
        return true;
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
        throw error;
    }
}
