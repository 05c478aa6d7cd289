// @ts-check
import { failureOf, nameOf } from "./describe.js";
import { JobList } from "./list.js";
import { FINISHED } from "./protocol.js";
import { JobSocket } from "./socket.js";
import { JobStore } from "./store.js";
import { say, useWords } from "./words.js";

const SILENT_MS = 15_000; // not heard for so long, it is not called live

/** What the elements of one page share: snapshot, connection, store, list, clock.
 *
 * Events: "hello", "status", "state" (of `health`), "list" (its range or count), "tick" (each second), "own" (id of a job
 * started here), "say" (a text), "refused" (id of a watch). */
export class Page extends EventTarget {
  /** @type {Page | undefined} */ static #shared;

  static shared() {
    return (Page.#shared ??= new Page(readSnapshot(), socketUrl()));
  }

  /** @type {Status | null} */ status = null;
  server;
  /** Since when what is shown may be old, by this clock, or 0. */
  lostAt;
  /** How many of one's jobs run, shown or not. */
  running;
  #offset = 0;
  #wasLive = false;
  #wasLost = false;
  /** @type {Health} */ #health = "connecting";

  /** @param {Snapshot} snapshot @param {string} url @param {SocketSeams} [seams] for tests */
  constructor(snapshot, url, seams) {
    super();
    useWords(snapshot.words);
    this.snapshot = snapshot;
    this.server = snapshot.server;
    this.user = snapshot.user;
    this.rights = snapshot.rights;
    this.tasks = snapshot.tasks;
    this.running = snapshot.running ?? 0;
    this.lostAt = Date.now();
    this.#offset = snapshot.now - Date.now();
    const socket = (this.socket = seams ? new JobSocket(url, seams) : JobSocket.shared(url));
    this.store = new JobStore(nextFrame);
    this.list = new JobList(socket, this.store, snapshot.more);
    this.#preload(snapshot);
    socket.addEventListener("asked", (event) => this.store.apply(detail(event)));
    socket.addEventListener("hello", (event) => this.#hello(detail(event)));
    socket.addEventListener("message", (event) => this.#message(detail(event)));
    socket.addEventListener("state", () => this.#state());
  }

  /** Once the elements have rendered the snapshot. */
  begin() {
    setInterval(() => this.#tick(), 1000);
    const wake = () => document.visibilityState === "visible" && this.socket.wake();
    for (const type of ["pageshow", "online"]) addEventListener(type, wake);
    for (const type of ["visibilitychange", "resume"]) document.addEventListener(type, wake);
    this.socket.connect();
  }

  /** The server's time in milliseconds. */
  get now() {
    return Date.now() + this.#offset;
  }

  get connected() {
    return this.socket.state === "live";
  }

  /** "live": what is shown is so now. @returns {Health} */
  get health() {
    if (!this.connected) return this.#wasLive ? "reconnecting" : "connecting";
    if (Date.now() - this.socket.heardAt > SILENT_MS) return "silent";
    if (!this.store.answered) return "catching_up";
    return this.status?.live === "delayed" ? "delayed" : "live";
  }

  /** @param {number} id @param {string} [below] */
  url(id, below = "") {
    return this.snapshot.urls.job.replace(/\b0\/$/, `${id}/${below}`);
  }

  /** Speak a text to those who listen. @param {string} text */
  say(text) {
    this.#emit("say", text);
  }

  watchList() {
    this.list.watch();
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

  /** What the server rendered stays until the first answer. @param {Snapshot} snapshot */
  #preload({ jobs = [], more, timeline, log }) {
    if (timeline) {
      this.store.apply({ action: "watch", id: "job", job_id: jobs[0].id });
      this.store.apply({ action: "snapshot", watch: "job", job: jobs[0], log });
    } else if (jobs.length) {
      this.store.apply({ action: "watch", id: "list-1", jobs: {} });
      this.store.apply({ action: "snapshot", watch: "list-1", jobs, from_id: more ? jobs.at(-1)?.id : 0 });
    }
  }

  /** @param {any} message */
  #message(message) {
    const { action, job, jobs } = message;
    const ours = message.watch !== undefined && (action === "error" || this.store.current(message));
    if (action === "status") {
      this.status = message;
      this.#emit("status", message);
    } else if (action === "count") {
      if (ours) this.running = message.running;
      this.#emit("list");
    } else {
      /** @type {Job[]} */ const told = jobs ?? (job ? [job] : []);
      const before = told.map(({ id }) => this.store.job(id));
      if (ours) this.list.heard(message);
      this.store.apply(message);
      if (action === "hello") this.list.connected();
      this.list.trim();
      told.forEach((each, at) => this.#heard(each, before[at]));
      if (ours) this.#emit(action === "error" ? "refused" : "list", message.watch);
    }
    this.#check();
  }

  /** A finish is spoken once. @param {Job} job @param {Job | undefined} old */
  #heard(job, old) {
    this.#atLeast(job);
    if (!old || job.version <= old.version || FINISHED.includes(old.state) || !FINISHED.includes(job.state)) return;
    this.say(say(`said_${job.state}`, { name: nameOf(job), error: failureOf(job) }));
  }

  /** A cached page has an old `now`. @param {Job} job */
  #atLeast(job) {
    for (const at of [job.created_at, job.started_at, job.cancel_requested_at, job.finished_at]) {
      if (at) this.#offset = Math.max(this.#offset, Date.parse(at) - Date.now());
    }
  }

  #state() {
    this.#wasLost ||= this.#wasLive && !this.connected;
    this.#check();
  }

  /** Tell when `health` has changed. */
  #check() {
    const { health } = this;
    if (health === this.#health) return;
    this.#health = health;
    const fresh = health === "live" || health === "delayed";
    this.lostAt = fresh ? 0 : this.lostAt || Date.now();
    if (fresh && this.#wasLost) this.say(say("connected"));
    if (fresh) this.#wasLost = false;
    this.#wasLive ||= fresh;
    this.#emit("state", health);
  }

  #tick() {
    this.#check();
    this.#emit("tick", this.now);
  }

  /** @param {string} type @param {unknown} [value] */
  #emit(type, value) {
    this.dispatchEvent(new CustomEvent(type, { detail: value }));
  }
}

/** @param {Event} event @returns {any} */
export const detail = (event) => /** @type {CustomEvent} */ (event).detail;

/** A hidden page has no frames, but a title. @param {() => void} flush */
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
