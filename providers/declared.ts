import { foldName } from "../kms/azureKeyVault/names";
import type { IdentityReference } from "./vaults";

/**
 * What the running program declares, and what became of it. In an `up` every declared resource is checked, and done, before anything is deleted, so a
 * deletion can tell what stays; in a `destroy` nothing is checked. One process serves all resources of a run, and of no other run.
 */

const keys = new Set<string>();
const places = new Set<string>();

export function declareKey(name: string): void {
    keys.add(name);
}

export function isDeclaredKey(name: string): boolean {
    return keys.has(name);
}

/** A key under its name in a vault. */
export interface Place {
    vault: { uri: string };
    name: string;
    key: string;
}

export function declarePlace(place: Place): void {
    places.add(placeText(place));
}

export function isDeclaredPlace(place: Place): boolean {
    return places.has(placeText(place));
}

const identities = new Map<string, IdentityReference>();

/** A vault may be about to let in other identities than the one that the state knows. */
export function declareIdentity(vault: { uri: string }, identity: IdentityReference): void {
    identities.set(new URL(vault.uri).href, identity);
}

export function declaredIdentity(vault: { uri: string }): IdentityReference | undefined {
    return identities.get(new URL(vault.uri).href);
}

const failures = new Map<string, string>();

/** @param what as in "copy orders in vault west" */
export function noteFailure(key: string, what: string): void {
    failures.set(key, what);
}

/** What of a key failed in this run; undefined: nothing. A run may go on after it (`pulumi up --continue-on-error`), to the deletions too. */
export function failureOf(key: string): string | undefined {
    return failures.get(key);
}

function placeText({ vault, name, key }: Place): string {
    return JSON.stringify([new URL(vault.uri).href, foldName(name), key]);
}
