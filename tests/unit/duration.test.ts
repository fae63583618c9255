import fc from "fast-check";
import { after, durationProblem, isLonger, moment, momentProblem } from "../../keys/duration";

test.each(["P1D", "PT24H", "P90D", "P6M", "P1Y6M", "P2W", "P50Y", "P1DT12H"])(
    "%s is a duration",
    (text) => expect(durationProblem(text)).toBeUndefined(),
);

test.each<[string, RegExp]>([
    ["", /isn't an ISO 8601 duration/],
    ["90", /isn't an ISO 8601 duration/],
    ["90d", /isn't an ISO 8601 duration/],
    ["P90D ", /isn't an ISO 8601 duration/],
    ["P", /under a day/],
    ["PT23H59M", /under a day/],
    ["P0D", /under a day/],
    ["-P90D", /under a day/],
    ["P1Y-1D", /under a day/],
    ["P51Y", /too long/],
    ["P1000000D", /too long/],
])("%j is refused, saying what is allowed", (text, reason) => {
    expect(durationProblem(text)).toMatch(reason);
    expect(durationProblem(text)).toMatch(/allowed: .* P1D to P50Y/);
});

test.each([
    ["P31D", "P1M", true],
    ["P1M", "P30D", false],
    ["P30D", "P1M", false],
    ["P1Y", "P365D", false],
    ["P2Y", "P365D", true],
    ["P1D", "P2D", false],
])("%s is longer than %s: %s", (one, other, longer) => {
    expect(isLonger(one, other)).toBe(longer);
});

test.each([
    ["2027-01-31T00:00:00.000Z", "P1M", "2027-02-28T00:00:00.000Z"],
    ["2028-02-29T12:00:00.000Z", "P1Y", "2029-02-28T12:00:00.000Z"],
    ["2027-12-31T23:59:59.999Z", "P1D", "2028-01-01T23:59:59.999Z"],
    // In Europe clocks change on that day; here a day has 24 hours.
    ["2027-03-27T12:00:00.000Z", "P1D", "2027-03-28T12:00:00.000Z"],
    ["2027-01-01T00:00:00+02:00", "P1D", "2027-01-01T22:00:00.000Z"],
])("%s and %s is %s", (date, duration, sum) => {
    expect(after(date, duration)).toBe(sum);
});

test("what comes after is later, and the same whatever the length of time in between is called", () => {
    const dates = fc.date({
        min: new Date("2000-01-01T00:00:00Z"),
        max: new Date("2200-01-01T00:00:00Z"),
        noInvalidDate: true,
    });
    fc.assert(
        fc.property(dates, fc.integer({ min: 1, max: 2000 }), (date, weeks) => {
            const sum = after(date.toISOString(), `P${weeks}W`);
            expect(sum > date.toISOString()).toBe(true);
            expect(after(date.toISOString(), `P${weeks * 7}D`)).toBe(sum);
            expect(after(date.toISOString(), `PT${weeks * 7 * 24}H`)).toBe(sum);
        }),
    );
});

test.each([
    ["2027-01-31", "2027-01-31T00:00:00.000Z"],
    ["2027-01-31T08:00", "2027-01-31T08:00:00.000Z"],
    ["2027-01-31T08:00:00Z", "2027-01-31T08:00:00.000Z"],
    ["2027-01-31T08:00:00.5+02:00", "2027-01-31T06:00:00.500Z"],
])("the moment %s is %s", (text, utc) => {
    expect(momentProblem(text)).toBeUndefined();
    expect(moment(text)).toBe(utc);
    expect(moment(utc)).toBe(utc);
});

test.each([
    "",
    "now",
    "31.01.2027",
    "2027-02-30",
    "2027-13-01",
    "2027-01-31 08:00",
    "P1D",
    "1970-01-01",
    "2106-03-01",
])("%j isn't a moment", (text) =>
    expect(momentProblem(text)).toMatch(/isn't an ISO 8601 date from 2000 to 2099; allowed: /),
);
