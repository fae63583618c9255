import { createRequire } from "node:module";
import process from "node:process";

// sucrase only takes the types out, and leaves the rest as it is. ts-node loads TypeScript for that, which alone takes
// longer than everything else in a start.
process.env.SUCRASE_OPTIONS = JSON.stringify({ disableESTransforms: true });
const require = createRequire(import.meta.url);
require("sucrase/register/ts");
require("./main.ts");
