import * as pulumi from "@pulumi/pulumi";

/*
 * For runs that go on after errors (`pulumi up --continue-on-error`, which keymgmt's own commands give): in the program, an output of a resource
 * that failed, or that depends on one, is never known.
 */

/**
 * An output, or another value where the output will never be known. Pulumi would store the text that stands for an unknown value, in place of
 * the whole stack output that it is a part of.
 */
export function unlessFailed<T, Instead>(
    output: pulumi.Output<T>,
    instead: Instead,
): pulumi.Output<T | Instead> {
    return pulumi.runtime.isDryRun()
        ? output
        : pulumi.output(isKnown(output).then((known): unknown => (known ? output : instead)));
}

let told = false;

/**
 * Fails the program if a resource fails, so that the run ends without deletions. Otherwise Pulumi deletes what is no longer declared also
 * when what takes its place failed (deployment_executor.go in pulumi/pulumi): a key that moves to a vault that can't be made would be gone
 * from the old one.
 * @param name of the resource, for the message
 */
export function deleteNothingIfFailed(name: string, resource: pulumi.CustomResource): void {
    if (pulumi.runtime.isDryRun()) {
        return;
    }
    // Not waited for: Pulumi sees to it that the program waits, and fails with an error that nobody caught.
    void isKnown(resource.id).then((known) => {
        if (!known && !told) {
            told = true;
            throw new pulumi.RunError(
                `Nothing is deleted in this run, since ${name} failed: what is no longer declared goes with the next up that has no errors.`,
            );
        }
    });
}

/** Not in the SDK's types, but what all of its own functions go by. */
function isKnown(output: pulumi.Output<unknown>): Promise<boolean> {
    return (output as unknown as { isKnown: Promise<boolean> }).isKnown;
}
