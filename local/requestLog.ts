/** One answered request. Never a body, a token or a query string: the log has to be safe to show to anyone. */
export interface RequestLogEntry {
    /** ISO 8601. */
    time: string;
    plane: "keyvault" | "entra" | "resourceManager";
    vault?: string;
    method: string;
    path: string;
    /** What was asked for, e.g. `import`, `decrypt`, `listVersions`. */
    operation?: string;
    key?: string;
    status: number;
    /** The error's code, if it was one. */
    code?: string;
    /** The application that called. */
    clientId?: string;
}
