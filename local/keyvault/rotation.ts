import { errors } from "./errors";
import type { RotationPolicyRequest } from "./requests";

export interface LifetimeAction {
    /** ISO 8601 durations, as they were sent. */
    trigger: { timeAfterCreate: string } | { timeBeforeExpiry: string };
    action: { type: "Rotate" | "Notify" };
}

/** A key's rotation policy, as it is stored. Times in Unix seconds. */
export interface RotationPolicy {
    lifetimeActions: LifetimeAction[];
    /** How long a version lives that a rotation makes: an ISO 8601 duration. */
    expiryTime?: string;
    created: number;
    updated: number;
    /** Nothing is due before: the policy was set then, or the key recovered or restored. */
    countsFrom: number;
}

export const defaultNotification: LifetimeAction = {
    trigger: { timeBeforeExpiry: "P30D" },
    action: { type: "Notify" },
};

const day = 86400;

/** A year has 365 days and a month 30 (assumed: as .NET's XmlConvert.ToTimeSpan counts them). */
export function durationSeconds(duration: string): number {
    const [date = "", time = ""] = duration.slice(1).split("T");
    const sum = (text: string, seconds: Record<string, number>) =>
        [...text.matchAll(/([\d.,]+)([A-Z])/g)].reduce(
            (total, [, count = "", unit = ""]) =>
                total + Number(count.replace(",", ".")) * (seconds[unit] ?? 0),
            0,
        );
    return Math.floor(
        sum(date, { Y: 365 * day, M: 30 * day, W: 7 * day, D: day }) +
            sum(time, { H: 3600, M: 60, S: 1 }),
    );
}

/**
 * The policy that takes the place of `previous`. A notification is added where none is sent. Limits:
 * https://learn.microsoft.com/azure/key-vault/keys/how-to-configure-key-rotation
 */
export function newPolicy(
    request: RotationPolicyRequest,
    previous: RotationPolicy | undefined,
    now: number,
): RotationPolicy {
    const sent = (request.lifetimeActions ?? []).map(lifetimeAction);
    const ofType = (type: string) => sent.filter(({ action }) => action.type === type);
    const [rotate, secondRotate] = ofType("Rotate");
    const [notify, secondNotify] = ofType("Notify");
    if (secondRotate || secondNotify)
        throw errors.invalidRotationPolicy("it has more than one action of a type");
    const expiryTime = request.attributes?.expiryTime ?? undefined;
    if (expiryTime && durationSeconds(expiryTime) < 28 * day)
        throw errors.invalidRotationPolicy("expiryTime has to be at least 28 days");
    if (rotate) assertRotation(rotate, expiryTime);
    return {
        lifetimeActions: notify ? sent : [...sent, defaultNotification],
        ...(expiryTime && { expiryTime }),
        created: previous?.created ?? now,
        updated: now,
        countsFrom: now,
    };
}

function lifetimeAction({
    trigger: { timeAfterCreate, timeBeforeExpiry },
    action,
}: NonNullable<RotationPolicyRequest["lifetimeActions"]>[number]): LifetimeAction {
    if (timeAfterCreate && !timeBeforeExpiry) return { trigger: { timeAfterCreate }, action };
    if (timeBeforeExpiry && !timeAfterCreate) return { trigger: { timeBeforeExpiry }, action };
    throw errors.invalidRotationPolicy(
        "a trigger has either timeAfterCreate or timeBeforeExpiry, and not both",
    );
}

/** So that a version lives at least seven days before and after the rotation, if it expires. */
function assertRotation({ trigger }: LifetimeAction, expiryTime: string | undefined): void {
    const [name, duration] =
        "timeAfterCreate" in trigger
            ? ["timeAfterCreate", trigger.timeAfterCreate]
            : ["timeBeforeExpiry", trigger.timeBeforeExpiry];
    const seconds = durationSeconds(duration);
    if (seconds < 7 * day)
        throw errors.invalidRotationPolicy(`${name} of a rotation has to be at least 7 days`);
    if (name === "timeBeforeExpiry" && !expiryTime)
        throw errors.invalidRotationPolicy("a rotation before the expiry needs an expiryTime");
    if (expiryTime && seconds > durationSeconds(expiryTime) - 7 * day)
        throw errors.invalidRotationPolicy(
            `${name} of a rotation has to be at least 7 days shorter than expiryTime`,
        );
}

/** When the current version of a key with this policy has to be followed by a new one; undefined: never. */
export function rotationDue(
    policy: RotationPolicy | undefined,
    version: { created: number; updated: number; exp?: number },
): number | undefined {
    const rotate = policy?.lifetimeActions.find(({ action }) => action.type === "Rotate");
    if (!policy || !rotate) return undefined;
    const { trigger } = rotate;
    if ("timeBeforeExpiry" in trigger && version.exp === undefined) return undefined;
    const due =
        "timeAfterCreate" in trigger
            ? version.created + durationSeconds(trigger.timeAfterCreate)
            : (version.exp ?? 0) - durationSeconds(trigger.timeBeforeExpiry);
    // An expiry that was changed afterwards can't have made it due any earlier.
    return Math.max(due, version.updated, policy.countsFrom);
}

/** `exp` of a version that a rotation makes now. */
export function expiryOfRotated(policy: RotationPolicy | undefined, now: number) {
    return policy?.expiryTime ? now + durationSeconds(policy.expiryTime) : undefined;
}
