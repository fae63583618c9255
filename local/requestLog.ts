/** One request. Never a body, a token or a query string: the log has to be safe to show to anyone. */
export interface RequestLogEntry {
    /** ISO 8601. */
    time: string;
    /** `control`: settings, clock and faults of this local Azure. */
    plane: "keyvault" | "entra" | "resourceManager" | "control";
    vault?: string;
    method: string;
    path: string;
    /** What was asked for, e.g. `import`, `decrypt`, `listVersions`. */
    operation?: string;
    key?: string;
    /** 0: not answered, or not wholly, since a fault was injected. */
    status: number;
    /** The error's code, if it was one. */
    code?: string;
    /** The kind of the fault that was injected. */
    fault?: string;
    /** The application that called. */
    clientId?: string;
}
