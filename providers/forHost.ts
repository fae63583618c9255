import { KeymgmtError } from "../keys/errors";
import type { Provider } from "./dynamicResource";

/**
 * Adapts a provider to Pulumi's dynamic provider host, which
 * - fails on `undefined` in a result ("Unexpected struct type"), and only after the work was done: https://github.com/pulumi/pulumi/issues/16041
 * - prints `${error}: ${error.stack}` besides reporting the message. Where an error is meant for its reader, its text would stand there twice,
 *   and the stack would bury it.
 */
export function forHost<Inputs, State>(provider: Provider<Inputs, State>): Provider<Inputs, State> {
    const adapt =
        <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
        async (...args: A): Promise<R> => {
            try {
                return withoutUndefined(await method(...args));
            } catch (error) {
                if (error instanceof KeymgmtError) {
                    error.stack = error.code;
                    error.toString = () => error.name;
                }
                throw error;
            }
        };
    return {
        check: adapt(provider.check),
        diff: adapt(provider.diff),
        create: adapt(provider.create),
        read: adapt(provider.read),
        update: adapt(provider.update),
        delete: adapt(provider.delete),
    };
}

/** All values that providers return are JSON. */
export function withoutUndefined<T>(value: T): T {
    return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}
