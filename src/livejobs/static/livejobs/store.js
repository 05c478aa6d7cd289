// @ts-check
import { FINISHED } from "./protocol.js";

/** What is known of one job. The three merges know nothing of each other: what comes early is kept.
 * @typedef {{
 *   fields: Job | null, progress: Progress & {attempt: number}, log: Map<number, LogLine>, lines: LogLine[] | null,
 *   view: Job | null, epoch: number,
 * }} Entry */

const NO_PROGRESS = Object.freeze({ attempt: -1, tick: 0, current: null, total: null, message: "" });

/** The jobs of a page: any order, any duplicate, any loss followed by a snapshot ends in the same view.
 *
 * Event "change" with detail `{ids: Set<number>}`, at most once per `schedule`. */
export class JobStore extends EventTarget {
  /** @type {Map<number, Entry>} */ #jobs = new Map();
  /** Ids are never used twice, so what is gone stays so. @type {Set<number>} */ #gone = new Set();
  /** @type {Set<number>} */ #changed = new Set();
  #epoch = 0;

  /** @param {(flush: () => void) => void} [schedule] when to tell of changes; a page gives `requestAnimationFrame` */
  constructor(schedule = queueMicrotask) {
    super();
    this.schedule = schedule;
  }

  /** A job as it is shown, or undefined. @param {number} id @returns {Job | undefined} */
  job(id) {
    const entry = this.#jobs.get(id);
    if (!entry?.fields) return undefined;
    return (entry.view ??= { ...entry.fields, progress: shown(entry) });
  }

  /** Every job, newest first. @returns {Job[]} */
  jobs() {
    const ids = [...this.#jobs.keys()].sort((a, b) => b - a);
    return ids.flatMap((id) => this.job(id) ?? []);
  }

  /** A job's log in order. @param {number} id @returns {LogLine[]} */
  log(id) {
    const entry = this.#jobs.get(id);
    return entry ? (entry.lines ??= [...entry.log.values()].sort((a, b) => a.seq - b.seq)) : [];
  }

  /** Whether the server said that this job is no more. @param {number} id */
  gone(id) {
    return this.#gone.has(id);
  }

  /** Take in one message of the server. @param {any} message @param {number} [before] of the list it answers */
  apply(message, before = Infinity) {
    const { action, job, jobs, log } = message;
    if (action === "hello") this.#epoch++;
    else if (action === "batch") message.messages.forEach((/** @type {any} */ each) => this.apply(each));
    else if (action === "progress") this.#progress(message.job_id, message);
    else if (action === "log") this.#log(message.job_id, message.lines);
    else if (action === "gone") this.#remove(message.job_id, true);
    else if (job) {
      this.#fields(job);
      if (log) this.#log(job.id, log);
    } else if (jobs) {
      jobs.forEach((/** @type {Job} */ each) => this.#fields(each));
      this.#forget(jobs, message.more, before);
    }
  }

  /** The higher version wins; at equal versions the untruncated one. @param {Job} job */
  #fields(job) {
    const entry = this.#entry(job.id);
    if (!entry) return;
    entry.epoch = this.#epoch;
    const old = entry.fields;
    if (!old || job.version > old.version || (job.version === old.version && old.truncated && !job.truncated)) {
      entry.fields = job;
      this.#touch(job.id, entry);
    }
    this.#progress(job.id, { ...job.progress, attempt: job.attempt });
  }

  /** The higher (attempt, tick) wins. @param {number} id @param {Progress & {attempt: number}} progress */
  #progress(id, { attempt, tick, current, total, message }) {
    const entry = this.#entry(id);
    if (!entry) return;
    const old = entry.progress;
    if (attempt < old.attempt || (attempt === old.attempt && tick <= old.tick)) return;
    entry.progress = { attempt, tick, current, total, message };
    this.#touch(id, entry);
  }

  /** @param {number} id @param {LogLine[]} lines */
  #log(id, lines) {
    const entry = this.#entry(id);
    if (!entry) return;
    const size = entry.log.size;
    for (const line of lines) if (!entry.log.has(line.seq)) entry.log.set(line.seq, line);
    if (entry.log.size === size) return;
    entry.lines = null;
    this.#touch(id, entry);
  }

  /** A job known from an earlier connection that a fresh list should hold and does not is no more, or no longer ours.
   * One that came over this connection is left alone: its event may have overtaken the list.
   * @param {Job[]} jobs @param {boolean} more @param {number} before */
  #forget(jobs, more, before) {
    const from = more ? Math.min(...jobs.map((job) => job.id)) : 0;
    for (const [id, entry] of this.#jobs) {
      if (entry.epoch < this.#epoch && id >= from && id < before) this.#remove(id, false);
    }
  }

  /** @param {number} id @param {boolean} forever */
  #remove(id, forever) {
    if (forever) this.#gone.add(id);
    if (this.#jobs.delete(id) || forever) this.#mark(id);
  }

  /** @param {number} id @returns {Entry | undefined} */
  #entry(id) {
    if (this.#gone.has(id)) return undefined;
    let entry = this.#jobs.get(id);
    if (!entry) {
      entry = { fields: null, progress: NO_PROGRESS, log: new Map(), lines: null, view: null, epoch: this.#epoch };
      this.#jobs.set(id, entry);
    }
    return entry;
  }

  /** @param {number} id @param {Entry} entry */
  #touch(id, entry) {
    entry.view = null;
    this.#mark(id);
  }

  /** @param {number} id */
  #mark(id) {
    if (!this.#changed.size) this.schedule(() => this.#flush());
    this.#changed.add(id);
  }

  #flush() {
    const ids = this.#changed;
    this.#changed = new Set();
    this.dispatchEvent(new CustomEvent("change", { detail: { ids } }));
  }
}

/** Progress shows while running and after; a retry leaves it to the next claim. @param {Entry} entry */
function shown({ fields, progress }) {
  const { state } = /** @type {Job} */ (fields);
  const { attempt: _, ...rest } = state === "running" || FINISHED.includes(state) ? progress : NO_PROGRESS;
  return rest;
}
