import {
    createHttpHeaders,
    createPipelineRequest,
    type PipelineResponse,
} from "@azure/core-rest-pipeline";
import { requestPolicy } from "../../kms/azureKeyVault/requestPolicy";
import { OutcomeUnknownError } from "../../kms/kms";

type Method = "GET" | "PUT" | "PATCH" | "POST";
const newRequest = (method: Method, path = "/keys/k?api-version=7.6", body?: string) =>
    createPipelineRequest({ url: `https://vault.test${path}`, method, body });

function answering(status: number, headers: Record<string, string> = {}) {
    return (request: ReturnType<typeof newRequest>): Promise<PipelineResponse> =>
        Promise.resolve({ request, status, headers: createHttpHeaders(headers) });
}
function failing(code: string) {
    return () => Promise.reject(Object.assign(new Error(code), { code }));
}

test("a 429 without Retry-After gets one: 1, 2, 4, 8, 16 seconds, for each request anew", async () => {
    const policy = requestPolicy();
    for (const method of ["GET", "PUT"] as const) {
        const request = newRequest(method);
        const waits: (string | undefined)[] = [];
        for (let attempt = 0; attempt < 5; attempt++) {
            const response = await policy.sendRequest(request, answering(429));
            waits.push(response.headers.get("Retry-After"));
        }
        expect(waits).toEqual(["1", "2", "4", "8", "16"]);
    }
});

test("a Retry-After of the service is left as it is", async () => {
    const response = await requestPolicy().sendRequest(
        newRequest("GET"),
        answering(429, { "Retry-After": "7" }),
    );
    expect(response.headers.get("Retry-After")).toBe("7");
});

test.each<[string, () => Promise<PipelineResponse>]>([
    ["a broken connection", failing("ECONNRESET")],
    ["a timeout", failing("ETIMEDOUT")],
    ["500", () => answering(500)(newRequest("PUT"))],
    ["502", () => answering(502)(newRequest("PUT"))],
    ["503", () => answering(503)(newRequest("PUT"))],
    ["500 with Retry-After", () => answering(500, { "Retry-After": "1" })(newRequest("PUT"))],
])(
    "an import that ends in %s may have worked: it isn't the SDK's to repeat",
    async (_what, next) => {
        const sent = requestPolicy().sendRequest(newRequest("PUT"), next);
        await expect(sent).rejects.toBeInstanceOf(OutcomeUnknownError);
    },
);

test.each(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"])(
    "an import that was never sent (%s) hasn't worked",
    async (code) => {
        const sent = requestPolicy().sendRequest(newRequest("PUT"), failing(code));
        await expect(sent).rejects.toMatchObject({ code });
    },
);

test("a 503 with Retry-After wasn't worked on: the SDK repeats it", async () => {
    const next = answering(503, { "Retry-After": "1" });
    const response = await requestPolicy().sendRequest(newRequest("PUT"), next);
    expect(response.status).toBe(503);
});

test.each(["GET", "PATCH", "POST"] as const)(
    "%s can be repeated, so its failures are the SDK's",
    async (method) => {
        const policy = requestPolicy();
        expect((await policy.sendRequest(newRequest(method), answering(500))).status).toBe(500);
        await expect(
            policy.sendRequest(newRequest(method), failing("ECONNRESET")),
        ).rejects.toMatchObject({ code: "ECONNRESET" });
    },
);

test("a rotation policy is PUT too, but that can be repeated", async () => {
    const policy = requestPolicy();
    const request = () => newRequest("PUT", "/keys/k/rotationpolicy?api-version=7.6");
    expect((await policy.sendRequest(request(), answering(500))).status).toBe(500);
    await expect(policy.sendRequest(request(), failing("ECONNRESET"))).rejects.toMatchObject({
        code: "ECONNRESET",
    });
    // A key of that name is a key.
    const key = newRequest("PUT", "/keys/rotationpolicy-1?api-version=7.6");
    await expect(policy.sendRequest(key, answering(500))).rejects.toBeInstanceOf(
        OutcomeUnknownError,
    );
});

describe("dates after January 2038", () => {
    const sent = async (body: string | undefined) => {
        const request = newRequest("PATCH", undefined, body);
        await requestPolicy().sendRequest(request, answering(200));
        return request.body;
    };
    /** As the SDK cuts them. */
    const cut = (date: string) => Math.floor(Date.parse(date) / 1000) | 0;

    test.each([
        "1970-01-01T00:00:01Z",
        "2038-01-19T03:14:07Z",
        "2038-01-19T03:14:08Z",
        "2077-01-01T00:00:00Z",
        "2106-02-07T06:28:15Z",
    ])("go out as they are: %s", async (date) => {
        const body = (seconds: number) =>
            JSON.stringify({ attributes: { enabled: true, nbf: seconds, exp: seconds } });
        const seconds = Date.parse(date) / 1000;
        expect(await sent(body(cut(date)))).toBe(body(seconds));
        expect(await sent(body(seconds))).toBe(body(seconds)); // a repeated request
    });

    test("are told from what looks like one: other numbers, and texts", async () => {
        const body = JSON.stringify({ iat: -1, tags: { note: '"exp":-1', exp: "-1" } });
        expect(await sent(body)).toBe(body);
        expect(await sent(undefined)).toBeUndefined();
    });
});
