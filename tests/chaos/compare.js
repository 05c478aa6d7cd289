// @ts-check
// What a page shows, held against what the database says. It shares nothing with the page's own modules but their words.
import { isDeepStrictEqual } from "node:util";

/** What a page shows now: its health, its counter, its list (of jobs below `top`), and beside the list the jobs it looks
 * at one by one, with their logs.
 * @typedef {{health: string, running: number, more: boolean, top: number, jobs: Job[],
 *   said: {kind: string, word: string, line: string, name: string, sub: string}[], logs: Map<number, LogLine[]>}} Shown */

/** What the database says: every id of this owner, newest first, the public jobs of the newest, and some logs. Of a job
 * that is not finished `line` is null: it tells how long ago something was.
 * @typedef {{job: Job, short?: Job, said: {kind: string, word: string, line: string | null, name: string, sub: string}}} True
 * @typedef {{ids: number[], rows: Record<string, True>, running: number, logs: Record<string, LogLine[]>,
 *   least: number, most: number}} Truth */

/** What is wrong on a page, a sentence each; and the ids of which the truth did not tell.
 * @param {Shown} shown @param {Truth} truth @returns {{found: string[], untold: number[]}} */
export function compare(shown, truth) {
  const found = [...frame(shown, truth), ...list(shown, truth)];
  const untold = [];
  for (const [at, job] of shown.jobs.entries()) {
    const row = truth.rows[job.id];
    if (row) found.push(...[...fields(job, shown.said[at], row)].map((why) => `job ${job.id}: ${why}`));
    else untold.push(job.id);
  }
  for (const [id, lines] of shown.logs) {
    const wanted = truth.logs[id] ?? [];
    if (lines.length !== wanted.length) found.push(`job ${id}: ${lines.length} lines of its log, not ${wanted.length}`);
    const at = wanted.findIndex((line, at) => !isDeepStrictEqual(line, lines[at]));
    if (at >= 0) found.push(`job ${id}: line ${at + 1} is ${text(lines[at])}, not ${text(wanted[at])}`);
  }
  return { found, untold };
}

/** What is not of one job. @param {Shown} shown @param {Truth} truth */
function* frame({ health, running }, truth) {
  if (health !== "live") yield `it is ${health}, not live`;
  if (running !== truth.running) yield `it says ${running} are running, not ${truth.running}`;
}

/** The list has the newest jobs below its top without a gap; what is shown above and below it is looked at one by one.
 * @param {Shown} shown @param {Truth} truth */
function* list({ jobs, more, top, logs }, truth) {
  const ids = jobs.map(({ id }) => id);
  const all = truth.ids.filter((id) => id < top);
  const above = ids.filter((id) => id >= top);
  let count = 0;
  while (above.length + count < ids.length && ids[above.length + count] === all[count]) count++;
  const listed = new Set(all.slice(0, count));
  if (ids.some((id) => !listed.has(id) && !logs.has(id))) yield `job ${all[count]} is missing, and others are shown`;
  for (const id of logs.keys()) if (!ids.includes(id)) yield `job ${id} is looked at, and not shown`;
  if (count < Math.min(truth.least, all.length)) yield `it shows ${count} rows of ${all.length}`;
  if (count > truth.most) yield `it shows ${count} rows`;
  if (more !== count < all.length) yield `it says that there are ${more ? "" : "no "}more than ${count} of ${all.length} rows`;
}

/** One row, all of it. @param {Job} job @param {Shown["said"][number]} said @param {True} row @returns {Iterable<string>} */
function* fields(job, said, { job: whole, short, said: says }) {
  const wanted = job.truncated ? short : whole;
  if (!wanted) {
    yield "it is truncated, and need not be";
    return;
  }
  if (!isDeepStrictEqual(job, wanted)) {
    for (const name of /** @type {(keyof Job)[]} */ (Object.keys({ ...job, ...wanted }))) {
      if (!isDeepStrictEqual(job[name], wanted[name])) yield `${name} is ${text(job[name])}, not ${text(wanted[name])}`;
    }
  }
  for (const name of /** @type {(keyof typeof says)[]} */ (Object.keys(says))) {
    if (says[name] !== null && said[name] !== says[name]) yield `${name} reads “${said[name]}”, not “${says[name]}”`;
  }
}

/** @param {unknown} value */
const text = (value) => JSON.stringify(value)?.slice(0, 200);
