import * as pulumi from "@pulumi/pulumi";
import { KeymgmtError } from "../keys/errors";

/** An error as a program should throw it: what is its reader's to mend, as a message without a stack trace. */
export function toRunError(error: unknown): unknown {
    return error instanceof KeymgmtError ? new pulumi.RunError(error.message) : error;
}
