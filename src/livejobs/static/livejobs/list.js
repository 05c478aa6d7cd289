// @ts-check
import { LIST_DEFAULT, LIST_LIVE_MAX, LIST_MAX } from "./protocol.js";

/** A page's list: one range of ids without a gap, `max` rows at most. A snapshot has LIST_MAX: a long list is several
 * watches, each below the one before; where one ends early, those below are let go. */
export class JobList {
  /** From the top. @type {Piece[]} */ #pieces = [];
  /** Replaces them all once it is answered. @type {Piece | undefined} */ #next;
  /** After a reconnect: the lowest id to reach again. */
  #goal = Infinity;
  #watches = 0;

  /** @param {import("./socket.js").JobSocket} socket @param {import("./store.js").JobStore} store
   * @param {boolean} more whether older jobs exist @param {number} [max] */
  constructor(socket, store, more, max = LIST_LIVE_MAX) {
    this.socket = socket;
    this.store = store;
    this.more = more;
    this.max = max;
  }

  get busy() {
    return !!this.#next || this.#pieces.some(({ from }) => from === undefined);
  }

  /** All ids are below it; Infinity: it has the newest jobs. */
  get top() {
    return this.#pieces[0]?.before ?? Infinity;
  }

  watch() {
    if (!this.#pieces.length) this.#add(Infinity, LIST_DEFAULT, 0);
  }

  /** Load the jobs below, in place of the others where the list is full. */
  older() {
    const from = this.#pieces.at(-1)?.from;
    if (!this.more || this.busy || !from) return;
    const size = this.#ids().length;
    // as long as all above: the watches of a connection are limited
    if (size < this.max) this.#add(from, Math.max(size, LIST_DEFAULT), size);
    else this.#next = this.#ask(from, LIST_MAX);
  }

  newest() {
    if (this.top < Infinity) this.#next = this.#ask(Infinity, LIST_DEFAULT);
  }

  /** A new connection: ask from the top for as much as is shown. */
  connected() {
    if (!this.#pieces.length) return;
    const { top } = this;
    const ids = this.#ids();
    const old = [...this.#pieces.splice(0), this.#next];
    this.#next = undefined;
    this.#goal = ids.at(-1) ?? Infinity;
    this.#add(top, Math.max(ids.length, LIST_DEFAULT), 0);
    this.#drop(old);
  }

  /** Hear it before the store: what is asked for now stays covered. @param {any} message */
  heard({ action, watch, from_id, jobs, more }) {
    const piece = [this.#next, ...this.#pieces].find((each) => each?.id === watch);
    if (!piece) return;
    if (action === "error") return this.#refused(piece);
    piece.from = from_id;
    if (action === "narrowed") return this.#cutBelow(piece);
    if (action !== "snapshot") return;
    if (piece === this.#next) {
      this.#drop(this.#pieces.splice(0, Infinity, piece));
      this.#next = undefined;
    }
    this.more = more;
    this.#goOn(from_id, jobs);
  }

  /** Let go of the oldest; the server narrows a single piece. */
  trim() {
    if (this.store.size <= this.max) return;
    const ids = this.#ids();
    const last = this.#pieces.at(-1);
    if (!last || ids.length <= this.max) return;
    if (last.from === undefined) this.store.expect(last.id, (this.#goal = ids[this.max - 1]));
    else if (this.#pieces.length > 1) this.#cutBelow(/** @type {Piece} */ (this.#pieces.at(-2)));
  }

  /** After a reconnect: the next piece, until all that was shown is covered.
   * @param {number} from @param {Job[]} jobs */
  #goOn(from, jobs) {
    const ids = this.#ids();
    const below = ids.filter((id) => id < from).length;
    const above = new Set([...ids, ...jobs.map(({ id }) => id)]).size - below;
    if (this.more && from > this.#goal && above < this.max) this.#add(from, below || 1, above);
    else this.#goal = Infinity;
  }

  /** @param {number} before @param {number} limit @param {number} above rows */
  #add(before, limit, above) {
    this.#pieces.push(this.#ask(before, Math.min(limit, LIST_MAX, this.max - above)));
  }

  /** @param {number} before @param {number} limit @returns {Piece} */
  #ask(before, limit) {
    const id = `list-${++this.#watches}`;
    this.socket.watch(id, { jobs: { scope: "mine", limit, ...(before < Infinity && { before }) } });
    return { id, before, from: undefined };
  }

  /** @param {Piece} piece */
  #cutBelow(piece) {
    this.#drop(this.#pieces.splice(this.#pieces.indexOf(piece) + 1));
    this.#goal = Infinity;
    this.more = true;
  }

  /** @param {Piece} piece */
  #refused(piece) {
    if (piece === this.#next) this.#next = undefined;
    const at = this.#pieces.indexOf(piece);
    if (at > 0) this.#cutBelow(this.#pieces[at - 1]);
    else this.#drop([piece]);
  }

  /** @param {(Piece | undefined)[]} pieces */
  #drop(pieces) {
    for (const piece of pieces) if (piece) this.socket.unwatch(piece.id);
  }

  /** The store may have single jobs besides. */
  #ids() {
    const bottom = Math.min(this.#goal, this.#pieces.findLast(({ from }) => from !== undefined)?.from ?? 0);
    return this.store
      .jobs()
      .map(({ id }) => id)
      .filter((id) => bottom <= id && id < this.top);
  }
}
