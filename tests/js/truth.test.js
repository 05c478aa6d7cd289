// Socket, store and list driven together against a server of the protocol page, with small bounds: whatever order things
// happen in, at rest a page shows what the rows say, or does not show it. Its twin is test_truth_properties.py.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import fc from "fast-check";
import { Page } from "../../src/livejobs/static/livejobs/page.js";

const SNAPSHOT_MAX = 3; // rows of one snapshot, whatever is asked for
const LIVE_MAX = 5; // rows that one list keeps live
const PAGE_MAX = 8;
const STATES = ["queued", "running", "succeeded"];

/** The rows, and every connection to them. */
class Server {
  /** @type {Map<number, Job>} */ rows = new Map();
  lastId = 0;
  /** Ids are never used twice. @type {Set<number>} */ deleted = new Set();
  /** @type {Connection[]} */ connections = [];

  /** @param {boolean} lost */
  accept(lost) {
    this.put(++this.lastId, 1, lost);
  }

  /** @param {number} id @param {number} version @param {boolean} lost */
  put(id, version, lost) {
    const progress = { tick: version, current: version, total: null, message: "" };
    const state = STATES[version % 3];
    const row = /** @type {any} */ ({ id, version, state, attempt: version, progress, title: "t", name: "", log_seq: 0 });
    this.rows.set(id, row);
    if (!lost) this.connections.forEach((each) => each.hear(row));
  }

  /** @param {number} id @param {boolean} lost */
  delete(id, lost) {
    this.deleted.add(id);
    if (this.rows.delete(id) && !lost) this.connections.forEach((each) => each.hearGone(id));
  }

  /** Compare what every connection was told with the rows. */
  heal() {
    for (const each of this.connections) {
      for (const id of each.told.keys()) if (!this.rows.has(id)) each.hearGone(id);
      this.rows.forEach((row) => each.hear(row));
    }
  }
}

/** One socket: what it watches and was told. It is the WebSocket of a page, too. */
class Connection {
  /** @type {any[]} */ commands = [];
  /** @type {any[]} */ frames = [];
  /** @type {Map<string, any>} */ watches = new Map();
  /** @type {Map<number, number>} */ told = new Map(); // the version of each job
  /** Snapshots that were read and are not sent yet. @type {any[]} */ reading = [];
  /** @type {(event: {data: string}) => void} */ onmessage = () => {};
  /** @type {(event: {code: number}) => void} */ onclose = () => {};
  open = true;

  /** @param {Server} server */
  constructor(server) {
    this.server = server;
    server.connections.push(this);
    this.frames.push({ action: "hello", server: "1", user: null, rights: [], retry_after: 0.5, tasks: [] });
  }

  /** @param {string} text */
  send(text) {
    this.commands.push(JSON.parse(text));
  }

  close() {}

  cut() {
    this.open = false;
    this.server.connections = this.server.connections.filter((each) => each !== this);
    this.onclose({ code: 1006 });
  }

  /** Take the next command; a watch is read now and answered later. */
  take() {
    const command = this.commands.shift();
    if (!command) return;
    const { action, id, ref, jobs, job_id } = command;
    if (action === "watch") {
      const watch = {
        id,
        ref,
        job_id,
        before: jobs?.before ?? Infinity,
        from: 0,
        ids: new Set(),
        early: new Map(),
        pending: true,
      };
      this.forget(id);
      this.watches.set(id, watch);
      const newest = [...this.server.rows.values()].sort((a, b) => b.id - a.id);
      const found = job_id ? newest.filter((row) => row.id === job_id) : newest.filter((row) => row.id < watch.before);
      this.reading.push({ watch, found });
    } else {
      if (action === "unwatch") this.forget(id);
      this.frames.push({ action: "ack", ref });
    }
  }

  /** @param {string} id */
  forget(id) {
    const watch = this.watches.get(id);
    this.watches.delete(id);
    this.frames = this.frames.filter((frame) => frame.action !== "narrowed" || frame.watch !== id);
    watch?.ids.forEach((/** @type {number} */ each) => this.release(each));
  }

  /** @param {number} id */
  release(id) {
    if ([...this.watches.values()].some((watch) => watch.ids.has(id))) return;
    this.told.delete(id);
    this.frames = this.frames.filter((frame) => frame.action !== "job" || frame.job.id !== id);
  }

  /** Answer the oldest watch that was read. */
  answer() {
    const { watch, found } = this.reading.shift() ?? {};
    if (!watch || this.watches.get(watch.id) !== watch) return;
    const { id, ref, job_id } = watch;
    if (job_id && !found.length) {
      this.watches.delete(id);
      this.frames.push({ action: "error", ref, code: "not_found", message: "" });
      return;
    }
    const jobs = found.slice(0, SNAPSHOT_MAX);
    const more = found.length > jobs.length;
    watch.pending = false;
    watch.from = more ? jobs.at(-1).id : 0;
    watch.ids = new Set(jobs.map((/** @type {Job} */ row) => row.id));
    for (const row of jobs) this.told.set(row.id, Math.max(row.version, this.told.get(row.id) ?? 0));
    this.frames.push(
      job_id
        ? { action: "snapshot", watch: id, ref, job: jobs[0], log: [] }
        : {
            action: "snapshot",
            watch: id,
            ref,
            jobs,
            more,
            from_id: watch.from,
            before: watch.before < Infinity ? watch.before : null,
          },
    );
    for (const each of watch.early.values()) each.gone ? this.hearGone(each.id) : this.hear(each);
  }

  /** @param {Job} row */
  hear(row) {
    let covered = false;
    for (const watch of this.watches.values()) {
      const inside = watch.job_id ? row.id === watch.job_id : watch.from <= row.id && row.id < watch.before;
      if (inside && watch.pending) watch.early.set(row.id, row);
      else if (inside) {
        covered = true;
        watch.ids.add(row.id);
        if (!watch.job_id && watch.ids.size > LIVE_MAX) this.narrow(watch);
        covered = [...this.watches.values()].some(({ ids }) => ids.has(row.id));
      }
    }
    if (!covered || row.version <= (this.told.get(row.id) ?? 0)) return;
    this.told.set(row.id, row.version);
    this.frames.push({ action: "job", job: row });
  }

  /** @param {any} watch */
  narrow(watch) {
    const lowest = [...watch.ids].sort((a, b) => a - b);
    watch.from = lowest[1];
    watch.ids.delete(lowest[0]);
    this.release(lowest[0]);
    this.frames.push({ action: "narrowed", watch: watch.id, ref: watch.ref, from_id: watch.from });
  }

  /** @param {number} id */
  hearGone(id) {
    for (const watch of this.watches.values()) {
      if (watch.pending) watch.early.set(id, { gone: true, id });
      watch.ids.delete(id);
    }
    if (!this.told.delete(id)) return;
    this.frames = this.frames.filter((frame) => frame.action !== "job" || frame.job.id !== id);
    this.frames.push({ action: "gone", job_id: id });
  }

  /** Let the page hear the next frame. */
  deliver() {
    const frame = this.frames.shift();
    if (frame) this.onmessage({ data: JSON.stringify(frame) });
  }

  get busy() {
    return this.commands.length + this.reading.length + this.frames.length > 0;
  }
}

/** One thing that happens. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant("accept"), lost: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("change"), which: fc.nat(30), lost: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("delete"), which: fc.nat(30), lost: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("late"), lost: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constantFrom("take", "answer", "deliver", "deliver", "heal") }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constantFrom("older", "older", "newest") }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant("settle") }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("cut") }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constantFrom("look", "look", "look away"), which: fc.nat(30) }) },
);

beforeEach(() => {
  Object.assign(globalThis, {
    document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
    requestAnimationFrame: (/** @type {() => void} */ flush) => queueMicrotask(flush),
    addEventListener: () => {},
  });
});
afterEach(() => mock.timers.reset());

/** @param {number} count of rows at the beginning @param {any[]} steps */
async function run(count, steps) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
  const server = new Server();
  for (let number = 0; number < count; number++) server.accept(true);
  let connection = new Connection(server);
  function WebSocket() {
    connection = new Connection(server);
    return connection;
  }
  const snapshot = /** @type {any} */ ({
    now: 0,
    server: "1",
    user: null,
    rights: [],
    tasks: [],
    words: {},
    jobs: [],
    more: false,
  });
  const page = new Page(snapshot, "ws://test/", { WebSocket: /** @type {any} */ (WebSocket), random: () => 0 });
  page.list.max = PAGE_MAX;
  page.watchList();
  page.begin();
  const some = (/** @type {number} */ which) => [...server.rows.keys()][which % Math.max(1, server.rows.size)];
  const settle = async () => {
    for (let round = 0; round < 200; round++) {
      if (!connection.open) mock.timers.tick(1);
      connection.take();
      connection.answer();
      connection.deliver();
      await Promise.resolve();
      if (!connection.busy && connection.open) break;
    }
  };
  await settle();
  for (const { what, which, lost } of steps) {
    if (!connection.open) mock.timers.tick(1);
    if (what === "accept") server.accept(lost);
    else if (what === "late")
      server.lastId++; // an id that is committed when others have been
    else if (what === "change" && server.lastId) {
      const id = 1 + (which % server.lastId);
      if (!server.deleted.has(id)) server.put(id, (server.rows.get(id)?.version ?? 0) + 1, lost);
    } else if (what === "delete" && some(which)) server.delete(some(which), lost);
    else if (what === "heal") server.heal();
    else if (what === "older") page.list.older();
    else if (what === "newest") page.list.newest();
    else if (what === "look" && some(which)) page.socket.watch(`job-${some(which) % 3}`, { job_id: some(which) });
    else if (what === "look away") page.socket.unwatch(`job-${which % 3}`);
    else if (what === "settle") await settle();
    else if (what === "cut") connection.cut();
    else if (what === "take") connection.take();
    else if (what === "answer") connection.answer();
    else if (what === "deliver") connection.deliver();
    await Promise.resolve();
    const rows = page.store.jobs().length;
    assert.ok(rows <= PAGE_MAX + 3 + 1, `${rows} rows`); // three single jobs besides, and one that came before `narrowed`
  }
  for (let round = 0; round < 3; round++) {
    await settle();
    server.heal();
  }
  await settle();
  return { server, page };
}

/** What is shown equals its row, without a gap, and all that it says of itself is so.
 * @param {{server: Server, page: Page}} world */
function check({ server, page }) {
  assert.equal(page.health, "live");
  const single = [...page.socket.watches.values()].map(({ job_id }) => job_id);
  const shown = page.store.jobs();
  for (const job of shown) {
    const row = /** @type {any} */ (server.rows.get(job.id));
    assert.ok(row, `job ${job.id} is shown and there is no such row`);
    const progress = row.state === "queued" ? { tick: 0, current: null, total: null, message: "" } : row.progress;
    assert.deepEqual(job, { ...row, progress });
  }
  const listed = shown.map(({ id }) => id).filter((id) => !single.includes(id));
  const { top, more } = page.list;
  const below = [...server.rows.keys()].filter((id) => id < top).sort((a, b) => b - a);
  const range = below.slice(0, below.indexOf(listed.at(-1) ?? 0) + 1);
  assert.deepEqual(
    shown.map(({ id }) => id).filter((id) => range.includes(id)),
    range,
    "no gap",
  );
  assert.ok(listed.length <= PAGE_MAX);
  if (!more)
    assert.ok(
      below.every((id) => shown.some((job) => job.id === id)),
      "all there are",
    );
}

test("at rest a page shows what the rows say, or does not show it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(14), fc.array(step, { maxLength: 60 }), async (count, steps) => check(await run(count, steps))),
    { numRuns: Number(process.env.RUNS ?? 1000) },
  );
});
