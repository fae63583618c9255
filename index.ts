import * as pulumi from "@pulumi/pulumi";
import { KeyRing } from "./components";
import { environmentProblem } from "./config/environmentCheck";
import { readKeysFile } from "./config/keysFile";
import { describeProblems, parseStackConfig } from "./config/stackConfig";

const namespace = `${pulumi.getProject()}:`;
const texts = Object.fromEntries(
    Object.entries(pulumi.runtime.allConfig())
        .filter(([name]) => name.startsWith(namespace))
        .map(([name, value]) => [name.slice(namespace.length), value]),
);

const keysFile = readKeysFile(texts.keys);
const parsed = parseStackConfig(
    keysFile.text === undefined ? texts : { ...texts, keys: keysFile.text },
);
if ("problems" in parsed || keysFile.problems.length > 0) {
    const others = "problems" in parsed ? parsed.problems : [];
    throw new pulumi.RunError(describeProblems([...keysFile.problems, ...others]));
}
const problem = environmentProblem(parsed.config.environment, process.env);
if (problem) {
    throw new pulumi.RunError(problem);
}

const ring = new KeyRing(pulumi.getProject(), parsed.config);

export const vaults = ring.vaults;
export const servicePrincipal = ring.servicePrincipal;
export const keys = ring.keys;
export const distributions = ring.distributions;
