/** @type {import("jest").Config} */
const common = {
    testEnvironment: "node",
    transform: {
        "^.+\\.[tj]s$": [
            "@swc/jest",
            {
                jsc: { target: "es2022", parser: { syntax: "typescript" } },
                module: { type: "commonjs" },
            },
        ],
    },
    // Published as ES modules only; jest's CommonJS loader needs them transformed.
    transformIgnorePatterns: ["/node_modules/(?!(jose|p-throttle)/)"],
};

export default {
    projects: ["unit", "local", "provider", "e2e", "model"].map((name) => ({
        ...common,
        displayName: name,
        testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
    })),
    maxWorkers: 2,
    reporters: ["default", "<rootDir>/tests/closingLine.mjs"],
};
