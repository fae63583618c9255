/**
 * The keys that the running program declares. In an `up` every declared key is checked before anything is deleted, so the deletion of a
 * copy can tell "this distribution ends" from "the key goes": in a `destroy`, and when the key was taken out of the
 * program, it was not checked. One process serves all resources of a run and of no other run.
 */
export const declaredKeys = new Set<string>();
