// @ts-check
import { nameOf, failureOf } from "./describe.js";
import { FINISHED, LIST_DEFAULT, LIST_MAX } from "./protocol.js";
import { JobSocket } from "./socket.js";
import { JobStore } from "./store.js";
import { say, useWords } from "./words.js";

/** What the elements of one page share: the snapshot, one connection, one store, one clock.
 *
 * Events: "hello", "status", "state" (of the connection), "tick" (each second), "own" (detail: id of a job started or
 * retried here), "say" (detail: a text to be spoken), "refused" (detail: id of a watch). */
export class Page extends EventTarget {
  /** @type {Page | undefined} */ static #shared;

  /** The page of this document. */
  static shared() {
    return (Page.#shared ??= new Page(readSnapshot(), socketUrl()));
  }

  /** @type {Status | null} */ status = null;
  /** The version of the server that answers now. */
  server;
  /** Since when there is no connection, in milliseconds of this clock; 0 while there is one. */
  lostAt;
  /** Whether older jobs exist than those of the list. */
  more;
  #offset = 0;
  #started = false;
  #connections = 0;

  /** @param {Snapshot} snapshot @param {string} url */
  constructor(snapshot, url) {
    super();
    useWords(snapshot.words);
    this.snapshot = snapshot;
    this.server = snapshot.server;
    this.user = snapshot.user;
    this.rights = snapshot.rights;
    this.tasks = snapshot.tasks;
    this.more = snapshot.more;
    this.lostAt = Date.now();
    this.#offset = snapshot.now - Date.now();
    this.socket = JobSocket.shared(url);
    this.store = new JobStore(nextFrame);
    this.store.apply({ jobs: snapshot.jobs, more: true });
    const { socket } = this;
    socket.addEventListener("hello", (event) => this.#hello(detail(event)));
    socket.addEventListener("message", (event) => this.#message(detail(event)));
    socket.addEventListener("state", () => this.#state());
  }

  /** Connect and let time run; `index.js` calls it once the elements have rendered the snapshot. */
  begin() {
    if (this.#started) return;
    setInterval(() => this.#tick(), 1000);
    const wake = () => document.visibilityState === "visible" && this.socket.wake();
    for (const type of ["pageshow", "online"]) addEventListener(type, wake);
    document.addEventListener("visibilitychange", wake);
    this.socket.connect();
  }

  /** The server's time in milliseconds; until the first second has passed, that of the snapshot, so that what the
   * elements render first is what the server rendered. */
  get now() {
    return this.#started ? Date.now() + this.#offset : this.snapshot.now;
  }

  get live() {
    return this.socket.state === "live";
  }

  /** The address of a job's page. @param {number} id @param {string} [below] */
  url(id, below = "") {
    return this.snapshot.urls.job.replace(/\b0\/$/, `${id}/${below}`);
  }

  /** Speak a text to those who listen instead of look. @param {string} text */
  say(text) {
    this.#emit("say", text);
  }

  /** Look at the list of one's own jobs. */
  watchList() {
    this.socket.watch("list", { jobs: { scope: "mine" } });
  }

  /** Load the jobs before the oldest one known. */
  older() {
    const ids = this.store.jobs().map((job) => job.id);
    const before = Math.min(...ids);
    // each page as long as all before it: a connection may have only so many watches
    const limit = Math.min(Math.max(ids.length, LIST_DEFAULT), LIST_MAX);
    this.socket.watch(`before-${before}`, { jobs: { scope: "mine", before, limit } });
  }

  /** @param {StartWhat} what */
  async start(what) {
    const job = await this.socket.start(what);
    this.#emit("own", job.id);
    this.say(say("said_queued", { name: nameOf(job) }));
    return job;
  }

  /** @param {Hello} hello */
  #hello(hello) {
    this.server = hello.server;
    this.user = hello.user;
    this.rights = hello.rights;
    this.tasks = hello.tasks;
    this.#emit("hello", hello);
  }

  /** @param {any} message */
  #message(message) {
    const { action } = message;
    if (action === "status") {
      this.status = message;
      this.#emit("status", message);
    } else if (action === "error") {
      if (message.watch) this.#emit("refused", message.watch);
    } else {
      const list = this.socket.watches.get(message.watch)?.jobs;
      /** @type {Job[]} */ const jobs = message.jobs ?? (message.job ? [message.job] : []);
      const before = jobs.map(({ id }) => this.store.job(id));
      this.store.apply(message, list?.before);
      if (message.jobs && list) this.#listed(message);
      jobs.forEach((job, at) => this.#heard(job, before[at]));
    }
  }

  /** Only the list with the oldest jobs knows whether there are more. @param {{jobs: Job[], more: boolean}} message */
  #listed({ jobs, more }) {
    const oldest = Math.min(...this.store.jobs().map((job) => job.id));
    if (!jobs.length || jobs.some((job) => job.id === oldest)) {
      this.more = more;
      this.#emit("status", this.status);
    }
  }

  /** A finish is spoken once: by the event that brings it, or after a break by the snapshot.
   * @param {Job} job @param {Job | undefined} old */
  #heard(job, old) {
    this.#atLeast(job);
    if (!old || job.version <= old.version || FINISHED.includes(old.state) || !FINISHED.includes(job.state)) return;
    this.say(say(`said_${job.state}`, { name: nameOf(job), error: failureOf(job) }));
  }

  /** A page out of the browser's cache has an old `now`; what the server says was later corrects it. @param {Job} job */
  #atLeast(job) {
    for (const at of [job.created_at, job.started_at, job.cancel_requested_at, job.finished_at]) {
      if (at) this.#offset = Math.max(this.#offset, Date.parse(at) - Date.now());
    }
  }

  #state() {
    const was = this.lostAt;
    this.lostAt = this.live ? 0 : this.lostAt || Date.now();
    if (this.live && was && this.#connections++) this.say(say("connected"));
    this.#emit("state", this.socket.state);
  }

  #tick() {
    this.#started = true;
    this.#emit("tick", this.now);
  }

  /** @param {string} type @param {unknown} value */
  #emit(type, value) {
    this.dispatchEvent(new CustomEvent(type, { detail: value }));
  }
}

/** The detail of a CustomEvent. @param {Event} event @returns {any} */
export const detail = (event) => /** @type {CustomEvent} */ (event).detail;

/** One flush per animation frame; a hidden page has no frames, but its title still tells. @param {() => void} flush */
function nextFrame(flush) {
  if (document.visibilityState === "visible") requestAnimationFrame(flush);
  else setTimeout(flush, 250);
}

/** @returns {Snapshot} */
function readSnapshot() {
  return JSON.parse(document.getElementById("livejobs-snapshot")?.textContent ?? "{}");
}

function socketUrl() {
  const meta = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="livejobs-socket"]'));
  const url = new URL(meta?.content ?? "socket/", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
