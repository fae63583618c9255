import {
    assertCopyMayBeDeleted,
    assertKeyMayBeDeleted,
    assertNothingFailed,
} from "../../keys/deletion";

const copy = {
    key: "rsa-1",
    name: "orders",
    vault: "learn-keyvault",
    onDelete: "delete" as const,
};
const refusal = { name: "KeymgmtError", code: "DELETION_NOT_ALLOWED" };
const wayOut = /pulumi config set --path 'keymgmt:keys\.rsa-1\.deletionAllowed' true/;

function thrownBy(action: () => void): Error | undefined {
    try {
        action();
        return undefined;
    } catch (error) {
        return error as Error;
    }
}

test("a key goes only when its deletion is allowed; the refusal names it and the way out", () => {
    assertKeyMayBeDeleted("rsa-1", true);
    const error = thrownBy(() => assertKeyMayBeDeleted("rsa-1", false));
    expect(error).toMatchObject(refusal);
    expect(error!.message).toMatch(/^Key rsa-1 isn't deleted: its deletionAllowed is false\./);
    expect(error!.message).toMatch(wayOut);
});

test.each([
    { deletionAllowed: true, keyStays: true },
    { deletionAllowed: true, keyStays: false },
    { deletionAllowed: false, keyStays: true },
])("a copy goes with its key, or alone when the key stays: %o", ({ deletionAllowed, keyStays }) => {
    expect(thrownBy(() => assertCopyMayBeDeleted(copy, deletionAllowed, keyStays))).toBeUndefined();
});

test("a copy stays with a key that must stay; the refusal names key, copy, vault and the way out", () => {
    const error = thrownBy(() => assertCopyMayBeDeleted(copy, false, false));
    expect(error).toMatchObject(refusal);
    expect(error!.message).toMatch(/Key rsa-1 .* copy orders in vault learn-keyvault/);
    expect(error!.message).toMatch(wayOut);
});

test("a copy that is all there is of an external version stays, even if its key does, unless it is left in place", () => {
    const external = { ...copy, external: 2 };
    const error = thrownBy(() => assertCopyMayBeDeleted(external, false, true));
    expect(error).toMatchObject(refusal);
    expect(error!.message).toMatch(
        /copy orders of key rsa-1 in vault learn-keyvault .* version 2, which is external/,
    );
    expect(error!.message).toMatch(wayOut);
    assertCopyMayBeDeleted({ ...external, onDelete: "detach" }, false, true);
    assertCopyMayBeDeleted(external, true, false);
});

test("a copy stays for this run when something of its key failed in it", () => {
    assertNothingFailed(copy, undefined);
    const error = thrownBy(() => assertNothingFailed(copy, "the copy rsa-1 in vault east"));
    expect(error).toMatchObject({ name: "KeymgmtError", code: "DELETION_POSTPONED" });
    expect(error!.message).toMatch(
        /orders of key rsa-1 in vault learn-keyvault .* the copy rsa-1 in vault east failed/,
    );
});
