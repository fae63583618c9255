import eslint from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/** One room of the project: what it must not import (README.md of each room says why). */
function room(folder, ...forbidden) {
    return {
        files: [`${folder}/**/*.ts`],
        rules: {
            "no-restricted-imports": [
                "error",
                {
                    patterns: forbidden.map((regex) => ({
                        regex,
                        message: `Not from ${folder}/: see ${folder}/README.md.`,
                    })),
                },
            ],
        },
    };
}

const rooms = (...names) => `^(\\.\\./)+(${names.join("|")})(/|$)`;

export default defineConfig(
    { ignores: ["node_modules", ".local", ".local-azure"] },
    eslint.configs.recommended,
    tseslint.configs.recommendedTypeChecked,
    {
        languageOptions: {
            parserOptions: {
                projectService: { allowDefaultProject: ["*.mjs", "tests/*.mjs"] },
                tsconfigRootDir: import.meta.dirname,
            },
        },
        rules: {
            "@typescript-eslint/no-floating-promises": "error",
            "@typescript-eslint/consistent-type-imports": "error",
            "@typescript-eslint/switch-exhaustiveness-check": "error",
            "@typescript-eslint/no-unused-vars": [
                "error",
                { argsIgnorePattern: "^_", varsIgnorePattern: "^_", ignoreRestSiblings: true },
            ],
        },
    },
    { files: ["**/*.mjs"], extends: [tseslint.configs.disableTypeChecked] },
    // The arrows of the architecture: index -> components -> providers -> kms -> keys; local/ stands alone.
    room(
        "keys",
        "^@pulumi/",
        "^@azure/",
        rooms("kms", "providers", "components", "config", "local", "cli", "engine"),
    ),
    room("kms", "^@pulumi/", rooms("providers", "components", "config", "local", "cli", "engine")),
    room(
        "config",
        "^@pulumi/",
        "^@azure/",
        rooms("providers", "components", "local", "cli", "engine"),
    ),
    room(
        "providers",
        "^@pulumi/(azure|azuread)",
        rooms("components", "config", "local", "cli", "engine"),
    ),
    room("components", rooms("config", "local", "cli", "engine")),
    room(
        "local",
        "^@azure/",
        rooms("keys", "kms", "providers", "components", "config", "cli", "engine"),
    ),
    // It reads secrets where the providers do.
    room("cli", rooms("providers(?!/readSecret$)", "components", "local", "kms")),
    room(
        "engine",
        "^@pulumi/(azure|azuread)",
        "^@azure/",
        rooms("keys", "kms", "providers", "components", "config", "local", "cli"),
    ),
);
