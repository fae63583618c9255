import type { Store } from "./store";

/** Where a service keeps its records. */
export type Collections = Pick<Store, "collection">;

/** Collections apart from those of the same name in the rest of the store. */
export const storePart = (store: Collections, part: string): Collections => ({
    collection: (name) => store.collection(`${part}.${name}`),
});
