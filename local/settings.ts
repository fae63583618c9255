/** How this local Azure behaves where a test wants it quick, or slow, or strict. */
export interface Settings {
    /** Seconds until a deletion, recovery or purge of a key is visible. Azure: a few. */
    visibilityDelay: number;
    /** Seconds until a new or changed access policy or role assignment counts. Azure: up to minutes. */
    propagationDelay: number;
    /** Whether the documented transaction limits of a vault are kept. */
    limits: boolean;
}

export const defaultSettings: Settings = { visibilityDelay: 0, propagationDelay: 0, limits: false };
