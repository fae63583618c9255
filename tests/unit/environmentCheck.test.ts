import { environmentProblem } from "../../config/environmentCheck";
import { environments } from "../../kms/azureKeyVault/environment";

const standIns = { PULUMI_DEBUG_PROVIDERS: "azure-native:20001,azuread:20002" };
const clouds = environments.filter((environment) => environment !== "local");

test("a local stack runs with the stand-ins, and nothing else does", () => {
    expect(environmentProblem("local", standIns)).toBeUndefined();
    for (const cloud of clouds) {
        expect(environmentProblem(cloud, standIns)).toMatch(
            new RegExp(`^keymgmt:environment is ${cloud}, but PULUMI_DEBUG_PROVIDERS .* Unset it`),
        );
    }
});

test("without the stand-ins a real stack runs, and a local one doesn't", () => {
    for (const variables of [
        {},
        { PULUMI_DEBUG_PROVIDERS: "" },
        { PULUMI_DEBUG_PROVIDERS: "aws:1" },
    ]) {
        for (const cloud of clouds) {
            expect(environmentProblem(cloud, variables)).toBeUndefined();
        }
        expect(environmentProblem("local", variables)).toMatch(
            /the local Azure isn't there.*npm run pulumi/,
        );
    }
});

test.each(["azuread:1", "azure-native:1", "aws:2,azuread:1"])(
    "one stand-in alone (%s) is too many for a real stack",
    (value) => {
        expect(
            environmentProblem("AzurePublicCloud", { PULUMI_DEBUG_PROVIDERS: value }),
        ).toBeDefined();
    },
);
