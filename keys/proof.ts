/** That a copy holds the private half, and how it showed it. */
export interface Proof {
    /** The purpose that was tried; undefined where the copy has none that takes the private half, or may not use it now. */
    by?: "decrypt" | "unwrap" | "sign";
    /** Why nothing could be tried. */
    unproven?: string;
}
