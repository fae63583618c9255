import type * as Declared from "../../providers/declared";
import type * as DistributedKey from "../../providers/distributedKey";

/** Another run of the engine: its provider process has checked nothing yet. */
export async function inNextRun(
    act: (modules: typeof DistributedKey & typeof Declared) => Promise<void>,
): Promise<void> {
    await jest.isolateModulesAsync(() =>
        act({
            ...jest.requireActual<typeof DistributedKey>("../../providers/distributedKey"),
            ...jest.requireActual<typeof Declared>("../../providers/declared"),
        }),
    );
}
