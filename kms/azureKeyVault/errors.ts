import { KeymgmtError } from "../../keys/errors";
import { OutcomeUnknownError, SoftDeletedError } from "../kms";
import type { Cloud } from "./environment";

interface ServiceError {
    statusCode?: number;
    /** The service's, or the system's where nothing was reached. */
    code?: string;
    name?: string;
    message?: string;
    details?: { error?: { innerError?: { code?: string }; innererror?: { code?: string } } };
}

export function statusOf(error: unknown): number | undefined {
    return (error as ServiceError).statusCode;
}

export function isSoftDeleted(error: unknown): boolean {
    return innerCodeOf(error) === "ObjectIsDeletedButRecoverable";
}

/** Errors that a caller handles, rather than a reader. */
export function toSpecificError(error: unknown): Error | undefined {
    if (error instanceof OutcomeUnknownError || error instanceof KeymgmtError) {
        return error;
    }
    if (isSoftDeleted(error)) {
        return new SoftDeletedError(undefined, { cause: error });
    }
    return undefined;
}

/** Whether there's nothing at a vault's address: its name in the DNS comes and goes with it; a local one is at a port. */
export function isUnreachable(error: unknown, cloud: Cloud): boolean {
    return (error as ServiceError).code === (cloud.wellKnownHosts ? "ENOTFOUND" : "ECONNREFUSED");
}

/**
 * Says what the vault was to do, what it answered and what its reader can do about it.
 * @param vault its name and URL
 */
export function explain(error: unknown, what: string, vault: string): KeymgmtError {
    const text = `Vault ${vault} didn't ${what}: ${answerOf(error)}`;
    return new KeymgmtError("KMS", `${text}${hint(error)}`, { cause: error });
}

/** The same, of the vault itself and the resource manager. @param what as in "made" */
export function explainVault(error: unknown, what: string, vault: string): KeymgmtError {
    const text = `Vault ${vault} couldn't be ${what}: ${answerOf(error)}`;
    return new KeymgmtError("KMS", text, { cause: error });
}

function answerOf(error: unknown): string {
    const { statusCode, code, name, message } = error as ServiceError;
    const answer = [statusCode, code ?? name].filter(Boolean).join(" ");
    return `${answer}: ${firstLines(message)}`;
}

function hint(error: unknown): string {
    const { statusCode, code, name } = error as ServiceError;
    const inner = innerCodeOf(error);
    if (inner === "ForbiddenByPolicy" || inner === "ForbiddenByRbac") {
        return " Give that identity the permission; a new one takes a few minutes to reach the vault, so if it was just given, run this again.";
    }
    if (inner === "ForbiddenByFirewall") {
        return " Let this machine's address through the vault's firewall, or run this from a network that it lets in.";
    }
    if (inner === "ObjectIsBeingDeleted") {
        return " Its deletion is under way, which takes some seconds; run this again then.";
    }
    if (statusCode === 429) {
        return " The vault is over its limit of requests; run this again in a while.";
    }
    if (name === "AuthenticationRequiredError" || name === "CredentialUnavailableError") {
        return " Check the tenant, the client id and the client secret of the identity; one that was just made takes a minute to be known everywhere, so run this again.";
    }
    if (["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT"].includes(code ?? "")) {
        return " The vault can't be reached from here: is its name right, and is it there?";
    }
    return "";
}

function innerCodeOf(error: unknown): string | undefined {
    const body = (error as ServiceError).details?.error;
    return body?.innerError?.code ?? body?.innererror?.code;
}

/** Services append trace ids and blank lines. */
function firstLines(message = ""): string {
    return message.trim().split(/\r?\n/).slice(0, 3).join(" ");
}
