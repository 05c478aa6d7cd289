// @ts-check
// Numbers and durations; the twin of `format.py`. Durations are milliseconds and are cut, not rounded.
import { say } from "./words.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const { floor, ceil, max, abs } = Math;

/** While it grows. @param {number} ms */
export function whole(ms) {
  ms = max(0, ms);
  if (ms < MINUTE) return say("seconds", { s: floor(ms / SECOND) });
  if (ms < HOUR) return two("minutes", ms, MINUTE, SECOND);
  return ms < DAY ? two("hours", ms, HOUR, MINUTE) : two("days", ms, DAY, HOUR);
}

/** @param {string} unit @param {number} ms @param {number} large @param {number} small */
function two(unit, ms, large, small) {
  const rest = floor((ms % large) / small);
  return say(rest ? unit : `${unit}_only`, { n: floor(ms / large), rest });
}

/** When it is over: below ten seconds with a tenth. @param {number} ms */
export function exact(ms) {
  ms = max(0, ms);
  return ms < 10 * SECOND ? say("seconds", { s: `${floor(ms / SECOND)}.${floor((ms % SECOND) / 100)}` }) : whole(ms);
}

/** Still to come, in steps that do not flicker. @param {number} ms */
export function estimate(ms) {
  const step = ms < 10 * SECOND ? SECOND : ms < MINUTE ? 5 * SECOND : ms < 10 * MINUTE ? 10 * SECOND : MINUTE;
  return max(SECOND, ceil(ms / step) * step);
}

/** A count; a fraction keeps one digit. @param {number} value */
export function number(value) {
  if (Number.isInteger(value)) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  const tenths = floor(abs(value) * 10);
  return `${value < 0 ? "-" : ""}${floor(tenths / 10).toLocaleString("en")}.${tenths % 10}`;
}

/** @param {string} at @param {boolean} [seconds] */
export function clock(at, seconds = false) {
  const second = seconds ? "2-digit" : undefined;
  return new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second });
}
