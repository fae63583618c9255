import { KeymgmtError } from "../keys/errors";
import type { Provider } from "./dynamicResource";

/**
 * Pulumi's dynamic provider host prints `${error}: ${error.stack}` besides reporting the error's message. Where the error is meant for its
 * reader, the stack would only bury it.
 */
export function withoutStack<Inputs, State>(
    provider: Provider<Inputs, State>,
): Provider<Inputs, State> {
    const wrap =
        <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
        async (...args: A): Promise<R> => {
            try {
                return await method(...args);
            } catch (error) {
                if (error instanceof KeymgmtError) {
                    error.stack = "";
                }
                throw error;
            }
        };
    return {
        check: wrap(provider.check),
        diff: wrap(provider.diff),
        create: wrap(provider.create),
        read: wrap(provider.read),
        update: wrap(provider.update),
        delete: wrap(provider.delete),
    };
}
