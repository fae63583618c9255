/** Moves the time of this process, and so that of the local Azure in it: what is days for a key is nothing for a test. */
export class MovableTime {
    private readonly real = Date;
    private ahead = 0;

    constructor() {
        const { real } = this;
        const now = () => real.now() + this.ahead;
        globalThis.Date = class extends real {
            constructor(...given: unknown[]) {
                super(...((given.length > 0 ? given : [now()]) as [number]));
            }

            static override now(): number {
                return now();
            }
        } as DateConstructor;
    }

    pass(milliseconds: number): void {
        this.ahead += milliseconds;
    }

    /** Back to the machine's time. */
    reset(): void {
        this.ahead = 0;
    }

    restore(): void {
        globalThis.Date = this.real;
    }
}
