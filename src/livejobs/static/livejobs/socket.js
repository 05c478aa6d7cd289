// @ts-check
import { CloseCode, ErrorCode, SUBPROTOCOL } from "./protocol.js";

const ANSWER_MS = 10_000; // without an answer or hello the connection is dead
const PROBE_MS = 3_000;
const PING_MS = 5_000; // of silence
const AGAIN_MS = 1_000; // before an unanswered watch is sent again
const DELAY_MAX = 30; // seconds, unless hello says
const LONE = /\p{Surrogate}/gu;

/** Why a command was not done: an ErrorCode, "disconnected" (not sent), or "dropped" (sent, not answered). */
export class CommandError extends Error {
  /** @param {string} code @param {string} [message] @param {Record<string, string>} [fields] by parameter */
  constructor(code, message = "", fields = {}) {
    super(message);
    this.code = code;
    this.fields = fields;
  }
}

/** One connection that comes back by itself.
 *
 * Events: "state" `{state, retryAt}`, "hello", "message" (of the server), "asked" (a `watch` or `unwatch`, sent or not
 * yet). It is "live" after hello, "waiting" until `retryAt`. */
export class JobSocket extends EventTarget {
  /** @type {Map<string, JobSocket>} */
  static #shared = new Map();

  /** The one connection to that address. @param {string} url */
  static shared(url) {
    let socket = JobSocket.#shared.get(url);
    if (!socket) JobSocket.#shared.set(url, (socket = new JobSocket(url)));
    return socket;
  }

  /** @type {"idle" | "connecting" | "live" | "waiting" | "closed"} */
  state = "idle";
  /** When the next try is, in milliseconds since 1970. */
  retryAt = 0;
  heardAt = 0;
  /** By watch id. @type {Map<string, WatchWhat>} */
  watches = new Map();

  /** @type {WebSocket | undefined} */ #ws;
  /** @type {Map<string, Pending>} */ #pending = new Map();
  #tries = 0;
  #base = 0.5; // seconds; hello says
  #longest = DELAY_MAX;
  #refs = 0;
  #changedAt = -Infinity; // of the session
  /** @type {any} */ #timer;
  /** @type {any} */ #deadline;
  /** @type {any} */ #pinging;

  /** @param {string} url @param {SocketSeams} [seams] for tests */
  constructor(url, seams = {}) {
    super();
    this.url = url;
    this.seams = { WebSocket: globalThis.WebSocket, random: Math.random, now: Date.now, ...seams };
  }

  connect() {
    if (this.state === "idle" || this.state === "closed") this.#open();
  }

  close() {
    this.#drop("closed");
  }

  /** The page woke up, or the network is back. */
  wake() {
    if (this.state === "waiting") this.#open();
    else if (this.state === "live") this.#ping(PROBE_MS);
  }

  /** Sent again, with the same key, if the connection is lost. @param {StartWhat} what @returns {Promise<Job>} */
  start({ task, name = "", params = {}, key = newKey() }) {
    // half a surrogate pair is no text to the server
    return this.#command({ action: "start", task, name: name.replace(LONE, "\ufffd"), params, key }, true);
  }

  /** @param {number} id @returns {Promise<Job>} */
  cancel(id) {
    return this.#command({ action: "cancel", job_id: id });
  }

  /** @param {number} id @returns {Promise<Job>} */
  retry(id) {
    return this.#command({ action: "retry", job_id: id });
  }

  /** Now and after each reconnect. @param {string} id @param {WatchWhat} what */
  watch(id, what) {
    this.watches.set(id, what);
    if (this.state === "live") this.#watch(id, what);
    else this.#emit("asked", { action: "watch", id, ...what });
  }

  /** @param {string} id */
  unwatch(id) {
    if (!this.watches.delete(id)) return;
    this.#emit("asked", { action: "unwatch", id });
    if (this.state === "live") this.#send({ action: "unwatch", id }).catch(() => {});
  }

  /** A page has its buttons before its connection. @param {Record<string, any>} frame @param {boolean} [again] @returns {Promise<any>} */
  async #command(frame, again = false) {
    if (this.state === "connecting") await new Promise((then) => this.addEventListener("state", then, { once: true }));
    if (this.state !== "live") throw new CommandError("disconnected");
    return this.#send(frame, ANSWER_MS, again);
  }

  /** @param {Record<string, any>} frame @param {number} [ms] @param {boolean} [again] @returns {Promise<any>} */
  #send(frame, ms = ANSWER_MS, again = false) {
    const ref = `${++this.#refs}`;
    const text = JSON.stringify({ ...frame, ref });
    return new Promise((resolve, reject) => {
      this.#pending.set(ref, { text, again, ms, resolve, reject, timer: undefined });
      this.#transmit(ref);
    });
  }

  /** @param {string} ref */
  #transmit(ref) {
    const pending = /** @type {Pending} */ (this.#pending.get(ref));
    this.#ws?.send(pending.text);
    pending.timer = setTimeout(() => this.#dropped(0), pending.ms);
  }

  /** @param {string} id @param {WatchWhat} what */
  #watch(id, what) {
    const frame = { action: "watch", id, ...(what.log_after ? { ...what, log_after: what.log_after() } : what) };
    const answer = this.#send(frame);
    this.#emit("asked", { ...frame, ref: `${this.#refs}` });
    answer.catch(({ code }) => {
      if (this.watches.get(id) !== what || code === "dropped") return;
      if (code !== ErrorCode.UNAVAILABLE) return this.#emit("message", { action: "error", watch: id, code });
      const again = () => this.state === "live" && this.watches.get(id) === what && this.#watch(id, what);
      setTimeout(again, AGAIN_MS * (0.5 + this.seams.random()));
    });
  }

  /** @param {number} [ms] */
  #ping(ms) {
    this.#send({ action: "ping" }, ms).catch(() => {});
  }

  #keepAlive(ms = PING_MS) {
    clearTimeout(this.#pinging);
    this.#pinging = setTimeout(() => {
      const rest = this.heardAt + PING_MS - this.seams.now();
      if (rest > 0) return this.#keepAlive(rest);
      this.#ping();
      this.#keepAlive();
    }, ms);
  }

  #open() {
    clearTimeout(this.#timer);
    this.#set("connecting");
    let ws;
    try {
      ws = new this.seams.WebSocket(this.url, [SUBPROTOCOL]);
    } catch {
      return this.#dropped(0);
    }
    this.#ws = ws;
    this.#deadline = setTimeout(() => this.#dropped(0), ANSWER_MS);
    ws.onmessage = (event) => {
      if (ws !== this.#ws) return;
      this.heardAt = this.seams.now();
      this.#receive(JSON.parse(event.data));
    };
    ws.onclose = (event) => ws === this.#ws && this.#dropped(event.code);
  }

  /** @param {any} message */
  #receive(message) {
    if (message.action === "batch") return message.messages.forEach((/** @type {any} */ each) => this.#receive(each));
    this.#emit("message", message);
    if (message.action === "hello") this.#hello(message);
    // what could not be read is refused without a ref: most likely the oldest
    const ref = message.code === ErrorCode.BAD_FRAME ? (message.ref ?? [...this.#pending.keys()][0]) : message.ref;
    const pending = this.#pending.get(ref);
    if (!pending) return;
    this.#pending.delete(ref);
    clearTimeout(pending.timer);
    if (message.action === "error") pending.reject(new CommandError(message.code, message.message, message.fields));
    else pending.resolve(message.job);
  }

  /** @param {Hello} hello */
  #hello(hello) {
    clearTimeout(this.#deadline);
    this.#tries = 0;
    this.#longest = hello.retry_max ?? DELAY_MAX;
    this.#base = Math.min(Math.max(hello.retry_after, 0.5), this.#longest);
    this.#emit("hello", hello);
    const unanswered = [...this.#pending.keys()];
    for (const [id, what] of this.watches) this.#watch(id, what);
    unanswered.forEach((ref) => this.#transmit(ref));
    this.#keepAlive();
    this.#set("live");
  }

  /** @param {number} code of the close, or 0 */
  #dropped(code) {
    const now = this.seams.now();
    const tries = this.#tries++;
    // in another session the key would make a second job
    const final = code === CloseCode.SESSION_CHANGED || code === CloseCode.TOO_LARGE;
    const reason = code === CloseCode.TOO_LARGE ? ErrorCode.TOO_LARGE : "dropped";
    const atOnce = code === CloseCode.SESSION_CHANGED && now - this.#changedAt > ANSWER_MS;
    if (atOnce) this.#changedAt = now;
    const cap = Math.min(this.#longest, this.#base * 2 ** Math.min(tries, 10));
    const delay = atOnce ? 0 : this.seams.random() * cap * 1000;
    this.retryAt = now + delay;
    this.#drop("waiting", reason, final);
    this.#timer = setTimeout(() => this.#open(), delay);
  }

  /** @param {"waiting" | "closed"} state @param {string} [reason] @param {boolean} [final] */
  #drop(state, reason = "dropped", final = state === "closed") {
    const ws = this.#ws;
    this.#ws = undefined;
    clearTimeout(this.#timer);
    clearTimeout(this.#deadline);
    clearTimeout(this.#pinging);
    for (const [ref, pending] of this.#pending) {
      clearTimeout(pending.timer);
      if (pending.again && !final) continue;
      this.#pending.delete(ref);
      pending.reject(new CommandError(reason));
    }
    ws?.close();
    this.#set(state);
  }

  /** @param {JobSocket["state"]} state */
  #set(state) {
    this.state = state;
    this.#emit("state", { state, retryAt: this.retryAt });
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Plain http has no `randomUUID`. */
export function newKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
