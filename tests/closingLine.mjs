import process from "node:process";

/** Jest reporter: the run's result, alone on the last line. */
export default class ClosingLine {
    onRunComplete(_contexts, results) {
        // A test file that can't be loaded has no tests to count, and is a failure all the same.
        const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
        const skipped = results.numPendingTests + results.numTodoTests;
        const parts = [`${results.numPassedTests} passed`, `${failed} failed`];
        if (skipped > 0) parts.push(`${skipped} skipped`);
        // Jest's own summary comes after every other reporter.
        process.once("exit", () => process.stdout.write(`${parts.join(", ")}\n`));
    }
}
