// @ts-check
// What a row says of a job: more than `facts.py`.
import { plain } from "./ansi.js";
import { clock, estimate, exact, whole } from "./format.js";
import { FINISHED } from "./protocol.js";
import { number, say } from "./words.js";

/** @typedef {{kind: string, word: string, line: string, name: string, sub: string,
 *   bar: {value: number, max: number} | null, actions: string[]}} Row */

/** @param {Job} job @param {number} now the server's time in milliseconds @param {readonly string[]} rights
 *  @param {Status | null} [status] @returns {Row} */
export function describe(job, now, rights, status = null) {
  const kind = kindOf(job);
  return {
    kind,
    word: say(kind),
    line: lines[kind](job, now, status),
    name: nameOf(job),
    sub: job.name ? job.title : whatFor(job.params) || (job.task === job.title ? "" : job.task),
    bar: barOf(job),
    actions: actionsOf(job, rights),
  };
}

const SECRET = /pass|pwd|secret|token|credential|signature|auth(?!or(?!iz))|(^|_|api|access|private)(key|pin)s?(_|$)/i;
// as sanitize.py: what is not seen, or turns round what is
const HIDDEN =
  /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]/g;

/** With what is hidden in it shown: `[U+202E]`. @param {Job} job */
export const nameOf = (job) => marked(job.name || job.title);

/** @param {string} text */
const marked = (text) =>
  text.replace(HIDDEN, (found) => `[U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);

/** What tells jobs of one task apart: the first short params, no secret. @param {unknown} params */
function whatFor(params) {
  const told = Object.entries(params ?? {}).flatMap(([name, value]) => {
    const text = SECRET.test(name) ? "" : shortly(value);
    return text ? marked(`${name}: ${text}`) : [];
  });
  return told.slice(0, 3).join(" · ");
}

/** A word, a number, yes or no; empty for all else. @param {unknown} value */
function shortly(value) {
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") return !value || (Math.abs(value) >= 1e-4 && Math.abs(value) < 1e16) ? String(value) : "";
  return typeof value === "string" && Array.from(value).length <= 40 && !/[\n\r]/.test(value) ? plain(value).trim() : "";
}

/** @param {Job} job */
export const kindOf = (job) => (job.state === "running" && job.cancel_requested_at ? "cancelling" : job.state);

/** Those that are legal now and allowed. @param {Job} job @param {readonly string[]} rights */
export function actionsOf(job, rights) {
  if (FINISHED.includes(job.state)) return rights.includes("retry") && job.state !== "succeeded" ? ["retry"] : [];
  return rights.includes("cancel") && !job.cancel_requested_at ? ["cancel"] : [];
}

/** Why a job failed, in one line. @param {Job} job */
export function failureOf({ error }) {
  if (!error) return "";
  const own = ownWords(error);
  if (own) return own;
  const text = plain([error.type, error.message].filter(Boolean).join(": "));
  return Array.from(text.split("\n", 1)[0]).slice(0, 200).join("");
}

/** What the page says of a reason that is ours. @param {{reason: string}} error */
export const ownWords = ({ reason }) => (reason === "lost" ? say("lost") : reason === "timeout" ? say("timed_out") : "");

/** @param {Job} job */
function barOf({ state, progress: { current, total } }) {
  if (state !== "running" || current === null || !total || total < 0) return null;
  return { value: Math.min(Math.max(current, 0), total), max: total };
}

/** @param {string | null} at */
const ms = (at) => (at ? Date.parse(at) : 0);

/** @param {Job} job */
const took = ({ started_at, finished_at }) => (started_at && finished_at ? ms(finished_at) - ms(started_at) : 0);

/** @type {Record<string, (job: Job, now: number, status: Status | null) => string>} */
const lines = {
  scheduled: (job) => say("starts_at", { time: clock(job.run_at ?? job.created_at, "short") }),
  queued(job, now, status) {
    const queue = status?.queues[job.queue];
    if (queue?.broker === "down") return say("broker_down");
    if (queue?.workers === 0) return say("no_worker");
    // the row does not say since when it waits again
    return job.attempt ? say("waiting") : say("waiting_for", { time: whole(now - ms(job.created_at)) });
  },
  running(job, now) {
    const { current, total, message } = job.progress;
    const elapsed = now - ms(job.started_at ?? job.created_at);
    const parts = [whole(elapsed)];
    if (current && total && elapsed >= 2000 && current / total >= 0.05 && current / total < 1) {
      parts.push(say("left", { time: whole(estimate(Math.trunc((elapsed * (total - current)) / current))) }));
    }
    if (current !== null) parts.push(total ? `${number(current)}/${number(total)}` : number(current));
    if (message) parts.push(plain(message));
    if (job.attempt > 1) parts.push(say("attempt", { n: job.attempt }));
    return parts.join(" · ");
  },
  cancelling(job, now) {
    const late = job.stopping_at && now - ms(job.stopping_at) >= 5000;
    return say(late ? "interrupting" : "asked", { time: whole(now - ms(job.cancel_requested_at)) });
  },
  retrying(job, now) {
    const values = { n: job.attempt + 1, of: job.retries + 1 };
    const rest = job.run_at ? ms(job.run_at) - now : 0;
    return rest > 0 ? say("retry_in", { ...values, time: whole(rest + 999) }) : say("retry_soon", values);
  },
  succeeded: (job) => say("took", { time: exact(took(job)) }),
  failed: failureOf,
  // one that waited is cancelled and finished at once
  cancelled: (job) =>
    job.started_at && job.finished_at !== job.cancel_requested_at
      ? say("stopped_after", { time: exact(took(job)) })
      : say("never_started"),
};
