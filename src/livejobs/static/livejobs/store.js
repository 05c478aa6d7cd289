// @ts-check
import { ErrorCode, FINISHED, LOG_MAX } from "./protocol.js";

const NO_PROGRESS = Object.freeze({ attempt: -1, tick: 0, current: null, total: null, message: "" });

const GONE_MAX = 1000; // ids remembered, so that a late event brings no row back

/** The jobs of a page: any order, any duplicate, any loss with a snapshot after it ends in the same view, of jobs that a
 * watch covers. Event "change" `{ids: Set<number>}`, once per `schedule`. */
export class JobStore extends EventTarget {
  /** @type {Map<number, Entry>} */ #jobs = new Map();
  /** @type {Map<string | number, Watch>} */ #watches = new Map();
  /** @type {Set<number>} */ #gone = new Set();
  /** @type {Set<number>} */ #changed = new Set();
  #epoch = 0;

  /** @param {(flush: () => void) => void} [schedule] when to tell of changes */
  constructor(schedule = queueMicrotask) {
    super();
    this.schedule = schedule;
  }

  /** Every watch, on this connection: then all that is shown is live. */
  get answered() {
    return [...this.#watches.values()].every((watch) => watch.answered);
  }

  /** @param {number} id @returns {Job | undefined} */
  job(id) {
    const entry = this.#jobs.get(id);
    if (!entry?.fields) return undefined;
    return (entry.view ??= { ...entry.fields, progress: shown(entry) });
  }

  /** Newest first. @returns {Job[]} */
  jobs() {
    const ids = [...this.#jobs.keys()].sort((a, b) => b - a);
    return ids.flatMap((id) => this.job(id) ?? []);
  }

  get size() {
    return this.#jobs.size;
  }

  /** Of more than LOG_MAX lines the first half and the last half. @param {number} id @returns {LogLine[]} */
  log(id) {
    return this.#jobs.get(id)?.log ?? [];
  }

  /** The line that has no end yet. @param {number} id */
  open(id) {
    const { fields, open, log } = this.#jobs.get(id) ?? {};
    const current = fields?.state === "running" && open?.attempt === fields.attempt;
    return current && open.seq > (log?.at(-1)?.seq ?? 0) ? open.text : "";
  }

  /** @param {number} id */
  gone(id) {
    return this.#gone.has(id);
  }

  /** Whether it is of a watch as it was asked for last. @param {{watch: any, ref?: unknown}} message */
  current({ watch, ref }) {
    const known = this.#watches.get(watch);
    return !!known && known.ref === ref;
  }

  /** Let a watch cover nothing below an id, until it is answered. @param {string} id @param {number} from */
  expect(id, from) {
    const watch = this.#watches.get(id);
    if (!watch || watch.answered) return;
    watch.from = from;
    this.#letGo();
  }

  /** Take in what the server says, and each `watch` and `unwatch`. @param {any} message */
  apply(message) {
    const { action, job, job_id } = message;
    if (action === "batch") message.messages.forEach((/** @type {any} */ each) => this.apply(each));
    else if (action === "hello") this.#anew();
    else if (action === "watch") this.#watch(message);
    else if (action === "unwatch") this.#watches.delete(message.id) && this.#letGo();
    else if (action === "snapshot") this.#snapshot(message);
    else if (action === "narrowed") this.current(message) && this.#narrow(message);
    else if (action === "error") this.#refused(message);
    else if (action === "progress") this.#progress(job_id, message);
    else if (action === "log") this.#log(job_id, message.lines);
    else if (action === "open") this.#open(job_id, message);
    else if (action === "gone") this.#isGone(job_id);
    else if (job) this.#fields(job);
  }

  /** What is shown stays until it is answered again. */
  #anew() {
    for (const watch of this.#watches.values()) Object.assign(watch, { answered: false, from: 0 });
  }

  /** @param {any} command */
  #watch({ id, ref, job_id, jobs }) {
    this.#watches.set(id, { ref, job: job_id, from: 0, before: jobs?.before ?? Infinity, answered: false, epoch: ++this.#epoch });
    this.#letGo();
  }

  /** One for an earlier command tells of jobs, too, and only once. @param {any} message */
  #snapshot({ watch, ref, job, log, jobs, from_id, before }) {
    const known = this.current({ watch, ref }) && this.#watches.get(watch);
    if (known) known.answered = true;
    if (known && jobs) Object.assign(known, { from: from_id, before: before ?? Infinity });
    for (const each of jobs ?? [job]) this.#fields(each);
    if (log) this.#log(job.id, log);
    if (known && jobs) this.#forget(known);
    this.#letGo();
  }

  /** @param {any} message */
  #narrow({ watch, from_id }) {
    /** @type {Watch} */ (this.#watches.get(watch)).from = from_id;
    this.#letGo();
  }

  /** What is unavailable is asked for again. @param {any} message */
  #refused({ ref, code }) {
    if (ref === undefined || code === ErrorCode.UNAVAILABLE) return;
    for (const [id, watch] of this.#watches) if (watch.ref === ref) this.#watches.delete(id);
    this.#letGo();
  }

  /** @param {number} id @param {boolean} [surely] by a watch that is answered */
  #covers(id, surely) {
    for (const { job, from, before, answered } of this.#watches.values()) {
      if ((answered || !surely) && (job === undefined ? from <= id && id < before : job === id)) return true;
    }
    return false;
  }

  /** What no watch covers would never change. */
  #letGo() {
    for (const id of this.#jobs.keys()) if (!this.#covers(id)) this.#remove(id);
  }

  /** What it lacks and was told before it was asked for is no more. @param {Watch} list */
  #forget({ from, before, epoch }) {
    const single = [...this.#watches.values()].map(({ job, answered }) => answered && job);
    for (const [id, entry] of this.#jobs) {
      if (entry.epoch < epoch && from <= id && id < before && !single.includes(id)) this.#remove(id);
    }
  }

  /** @param {number} id */
  #isGone(id) {
    this.#gone.add(id);
    if (this.#gone.size > GONE_MAX) this.#gone.delete(this.#gone.values().next().value ?? 0);
    this.#remove(id);
    this.#mark(id);
  }

  /** @param {number} id */
  #remove(id) {
    if (this.#jobs.delete(id)) this.#mark(id);
  }

  /** The higher version wins; at equal versions the untruncated one. @param {Job} job */
  #fields(job) {
    const entry = this.#entry(job.id);
    if (!entry) return;
    if (this.#covers(job.id, true)) entry.epoch = this.#epoch; // else a list asked for tells
    const old = entry.fields;
    if (!old || job.version > old.version || (job.version === old.version && old.truncated && !job.truncated)) {
      entry.fields = job;
      this.#touch(job.id, entry);
    }
    this.#progress(job.id, { ...job.progress, attempt: job.attempt });
  }

  /** The higher (attempt, tick) wins. @param {number} id @param {Progress & {attempt: number}} progress */
  #progress(id, { attempt, tick, current, total, message, cpu_seconds, memory_peak, memory }) {
    const entry = this.#entry(id);
    if (!entry) return;
    const old = entry.progress;
    if (attempt < old.attempt || (attempt === old.attempt && tick <= old.tick)) return;
    const use = memory_peak && { cpu_seconds, memory_peak, memory };
    entry.progress = { attempt, tick, current, total, message, ...use };
    this.#touch(id, entry);
  }

  /** @param {number} id @param {LogLine[]} lines */
  #log(id, lines) {
    const entry = this.#entry(id);
    if (!entry) return;
    const both = [...entry.log, ...lines].sort((a, b) => a.seq - b.seq);
    const log = both.filter(({ seq }, at) => seq !== both[at - 1]?.seq);
    if (log.length === entry.log.length) return;
    if (log.length > LOG_MAX) log.splice(LOG_MAX / 2, log.length - LOG_MAX);
    entry.log = log;
    this.#touch(id, entry);
  }

  /** The higher (attempt, tick) wins. @param {number} id @param {OpenLine} line */
  #open(id, { attempt, tick, seq, text }) {
    const entry = this.#entry(id);
    const old = entry?.open;
    if (!entry || (old && (attempt < old.attempt || (attempt === old.attempt && tick <= old.tick)))) return;
    entry.open = { attempt, tick, seq, text };
    this.#touch(id, entry);
  }

  /** @param {number} id @returns {Entry | undefined} */
  #entry(id) {
    if (this.#gone.has(id) || !this.#covers(id)) return undefined;
    let entry = this.#jobs.get(id);
    if (!entry) {
      entry = { fields: null, progress: NO_PROGRESS, log: [], open: null, view: null, epoch: 0 };
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

/** Its progress is that of its row once it is over. @param {Entry} entry */
function shown({ fields, progress }) {
  const job = /** @type {Job} */ (fields);
  if (FINISHED.includes(job.state)) return job.progress;
  const { attempt: _, ...rest } = job.state === "running" ? progress : NO_PROGRESS;
  return rest;
}
