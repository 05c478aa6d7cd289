// @ts-check
// Times and durations; milliseconds, cut and not rounded.
import { language, number, say } from "./words.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const { floor, ceil, max } = Math;

/** While it grows. @param {number} ms */
export function whole(ms) {
  if (ms < MINUTE) return say("seconds", { s: max(0, floor(ms / SECOND)) });
  if (ms < HOUR) return two("minutes", ms, MINUTE, SECOND);
  return ms < DAY ? two("hours", ms, HOUR, MINUTE) : two("days", ms, DAY, HOUR);
}

/** @param {string} unit @param {number} ms @param {number} large @param {number} small */
function two(unit, ms, large, small) {
  const rest = floor((ms % large) / small);
  return say(rest ? unit : `${unit}_only`, { n: floor(ms / large), rest });
}

/** When it is over: below ten seconds with a tenth. @param {number} ms */
export const exact = (ms) => (ms < 10 * SECOND ? say("seconds", { s: number(max(0, ms) / SECOND, 1) }) : whole(ms));

/** Still to come, in steps that do not flicker. @param {number} ms */
export function estimate(ms) {
  const step = ms < 10 * SECOND ? SECOND : ms < MINUTE ? 5 * SECOND : ms < 10 * MINUTE ? 10 * SECOND : MINUTE;
  return max(SECOND, ceil(ms / step) * step);
}

/** Of memory. @param {number} n */
export const bytes = (n) => (n / 1e6).toLocaleString(language, { style: "unit", unit: "megabyte", maximumFractionDigits: 0 });

/** A new one for each of 10,000 lines would take seconds. @type {Record<string, Intl.DateTimeFormat>} */
const clocks = {};

/** In the reader's zone. @param {string} at @param {"short" | "medium"} [timeStyle] */
export const clock = (at, timeStyle = "medium") =>
  (clocks[`${language} ${timeStyle}`] ??= new Intl.DateTimeFormat(language, { timeStyle })).format(new Date(at));
