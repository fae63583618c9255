import * as pulumi from "@pulumi/pulumi";

/**
 * An output, or in a run that goes on after errors (`pulumi up --continue-on-error`) another value where the output will never be known,
 * because a resource that it is of failed. Pulumi would store the text that stands for an unknown value, in place of the whole stack
 * output that it is a part of.
 */
export function unlessFailed<T, Instead>(
    output: pulumi.Output<T>,
    instead: Instead,
): pulumi.Output<T | Instead> {
    // Not in the SDK's types, but what all of its own functions go by.
    const { isKnown } = output as unknown as { isKnown: Promise<boolean> };
    return pulumi.runtime.isDryRun()
        ? output
        : (pulumi.output(
              isKnown.then((known): unknown => (known ? output : instead)),
          ));
}
