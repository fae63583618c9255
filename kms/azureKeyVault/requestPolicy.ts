import type { PipelinePolicy, PipelineRequest } from "@azure/core-rest-pipeline";
import { OutcomeUnknownError } from "../kms";

const unreachable = ["ECONNREFUSED", "ENOTFOUND"];

/**
 * Sits below the SDK's own retry policy and corrects it in four points:
 * - A 429 without `Retry-After` is what Key Vault really sends, but the SDK retries only with the header. Azure prescribes
 *   1, 2, 4, 8, 16 seconds (https://learn.microsoft.com/azure/key-vault/general/overview-throttling).
 * - A host that isn't there isn't asked again: that doesn't heal within the SDK's tries, which take most of a minute.
 * - It cuts dates to 32 bits with a sign, so that those after January 2038 go out negative.
 * - An import that may have worked isn't repeated: each one makes a version. (The SDK retries all methods alike.)
 */
export function requestPolicy(): PipelinePolicy {
    const throttled = new WeakMap<PipelineRequest, number>();
    return {
        name: "keymgmtRequestPolicy",
        async sendRequest(request, next) {
            const isImport = isImportOf(request);
            request.body =
                typeof request.body === "string" ? unsignedDates(request.body) : request.body;
            let response;
            try {
                response = await next(request);
            } catch (error) {
                const { code = "", message } = error as { code?: string; message?: string };
                if (unreachable.includes(code)) {
                    throw Object.assign(new Error(message), { code });
                }
                // EAI_AGAIN: no address yet, so nothing was sent.
                throw isImport && code !== "EAI_AGAIN"
                    ? new OutcomeUnknownError("The answer to an import was lost.", { cause: error })
                    : error;
            }
            const wait = response.headers.has("Retry-After");
            if (response.status === 429 && !wait) {
                const count = throttled.get(request) ?? 0;
                throttled.set(request, count + 1);
                response.headers.set("Retry-After", String(2 ** count));
            }
            // Only a 503 that says when to come back is sure to have done nothing.
            const unclear = response.status >= 500 || response.status === 408;
            if (isImport && unclear && !(response.status === 503 && wait)) {
                throw new OutcomeUnknownError(`An import was answered with ${response.status}.`);
            }
            return response;
        },
    };
}

/** A rotation policy is PUT too, but that may be repeated. */
function isImportOf({ method, url }: PipelineRequest): boolean {
    return method === "PUT" && !new URL(url).pathname.endsWith("/rotationpolicy");
}

function unsignedDates(body: string): string {
    return body.replace(
        /"(nbf|exp)":(-\d+)/g,
        (_all, name: string, seconds: string) => `"${name}":${Number(seconds) + 2 ** 32}`,
    );
}
