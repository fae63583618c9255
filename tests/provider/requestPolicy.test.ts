import {
    createHttpHeaders,
    createPipelineRequest,
    type PipelineResponse,
} from "@azure/core-rest-pipeline";
import { requestPolicy } from "../../kms/azureKeyVault/requestPolicy";
import { OutcomeUnknownError } from "../../kms/kms";

type Method = "GET" | "PUT" | "PATCH" | "POST";
const newRequest = (method: Method) =>
    createPipelineRequest({ url: "https://vault.test/keys/k", method });

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
