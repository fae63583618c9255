/** What a stack declares: the config's `keymgmt:keys`, as far as the model uses it. */
export type Declared = Readonly<Record<string, DeclaredKey>>;

export interface DeclaredKey {
    type: KeyType;
    rotation: DeclaredRotation;
    minEnabledVersion?: number;
    disabledVersions?: number[];
    import?: { version: number; from: `env:${string}` }[];
    deletionAllowed: boolean;
    distribute: DeclaredDistribution[];
}

export type KeyType = "ecdsa-p256" | "ecdsa-p384" | "rsa-2048";

export interface DeclaredRotation {
    trigger?: string;
    interval?: string;
    retire?: { after: string; action: "keep" | "expire" | "disable" };
    keepEnabled?: number;
    notifyBefore?: string;
}

export interface DeclaredDistribution {
    vault: string;
    name?: string;
    purpose: Purpose[];
    protection: "hsm" | "software";
    tags?: Record<string, string>;
    notBefore?: string;
    expiresAfter?: string;
    onDelete?: OnDelete;
}

export type Purpose = "encrypt" | "decrypt" | "sign" | "verify" | "wrap" | "unwrap";
export type OnDelete = "delete" | "detach" | "purge";

/** A key's name in a vault. */
export interface Place {
    vault: string;
    name: string;
}

export function placeOf(key: string, { vault, name = key }: DeclaredDistribution): Place {
    return { vault, name };
}

export function placeId({ vault, name }: Place): string {
    return `${vault}/${name}`;
}
