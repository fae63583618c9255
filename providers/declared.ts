import { foldName } from "../kms/azureKeyVault/names";

/**
 * What the running program declares. In an `up` every declared resource is checked before anything is deleted, so a deletion can tell what
 * stays; in a `destroy` nothing is checked. One process serves all resources of a run, and of no other run.
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

function placeText({ vault, name, key }: Place): string {
    return JSON.stringify([new URL(vault.uri).href, foldName(name), key]);
}
