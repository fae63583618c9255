import { KeymgmtError } from "../keys/errors";
import type { SealKey } from "../keys/seal";
import type { SecretLocation } from "../keys/secretLocation";
import { readSealKey } from "./readSecret";

/** The seal key as the state and the inputs know it. */
export interface SealReference {
    location: SecretLocation;
    id: string;
}

/** The seal key, which has to be the one that the inputs were made with. @throws KeymgmtError SEAL_KEY */
export function sealKeyOf(seal: SealReference): SealKey {
    const key = readSealKey(seal.location);
    if (key.id !== seal.id) {
        throw new KeymgmtError("SEAL_KEY", otherSealKey(seal.id, key.id, seal.location));
    }
    return key;
}

/** Why a seal key that isn't the state's can't be used. */
export function otherSealKey(state: string, given: string, location: string): string {
    return (
        `the state is sealed with seal key ${state}, but the one in ${location} is ${given}: give the one that it is sealed with ` +
        `(without it nobody can open the keys in the state)`
    );
}
