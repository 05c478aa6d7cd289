import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Page } from "../../src/livejobs/static/livejobs/page.js";

/** @type {FakeWebSocket[]} */ let opened = [];

/** A server that has `rows` (newest first), answers at once, and keeps so many rows of a list live. */
class FakeWebSocket {
  /** @type {any[]} */ sent = [];
  /** @type {(event: {data: string}) => void} */ onmessage = () => {};
  /** @type {(event: {code: number}) => void} */ onclose = () => {};
  answers = true;

  constructor() {
    opened.push(this);
  }

  /** @param {string} text */
  send(text) {
    const frame = JSON.parse(text);
    this.sent.push(frame);
    if (this.answers) queueMicrotask(() => this.answer(frame));
  }

  /** @param {any} frame */
  answer({ action, id, ref, jobs }) {
    if (action === "ping" || action === "unwatch") return this.says({ action: "ack", ref });
    if (action !== "watch") return undefined;
    const { before = Infinity, limit = 50 } = jobs;
    const found = rows.filter((row) => row.id < before).slice(0, limit);
    const more = rows.some((row) => row.id < (found.at(-1)?.id ?? 0));
    const from_id = more ? found.at(-1)?.id : 0;
    return this.says({ action: "snapshot", watch: id, ref, jobs: found, more, from_id, before: jobs.before ?? null });
  }

  close() {}

  /** @param {any} message */
  says(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  hello() {
    this.says({ action: "hello", protocol: 1, server: "1", user: null, rights: [], retry_after: 0.5, tasks: [] });
  }

  drops() {
    this.onclose({ code: 1006 });
  }

  /** The watches that were asked for, as [limit, before]. */
  get asked() {
    return this.sent.filter(({ action }) => action === "watch").map(({ jobs }) => [jobs.limit, jobs.before]);
  }
}

/** @type {Job[]} */ let rows = [];
const last = () => /** @type {FakeWebSocket} */ (opened.at(-1));

/** @param {number} id @param {number} [version] @returns {any} */
const job = (id, version = 1) => ({
  id,
  version,
  state: version > 1 ? "succeeded" : "queued",
  attempt: 0,
  title: "t",
  name: "",
  progress: { tick: 0, current: null, total: null, message: "" },
});

/** So many jobs, newest first. @param {number} count */
const some = (count) => Array.from({ length: count }, (_, at) => job(count - at));

beforeEach(() => {
  opened = [];
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
  Object.assign(globalThis, {
    document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
    requestAnimationFrame: (/** @type {() => void} */ flush) => queueMicrotask(flush),
    addEventListener: () => {},
  });
});
afterEach(() => mock.timers.reset());

/** Let every answer come that is under way. */
async function settled() {
  for (let round = 0; round < 40; round++) await Promise.resolve();
}

/** Let time pass, answers included. @param {number} seconds */
async function pass(seconds) {
  for (let second = 0; second < seconds; second++) {
    mock.timers.tick(1000);
    await settled();
  }
}

/** A page that shows the newest rows, and is connected. @param {number} count of rows */
async function live(count) {
  rows = some(count);
  const first = rows.slice(0, 50);
  const snapshot = /** @type {any} */ ({
    now: Date.now(),
    server: "1",
    user: null,
    rights: [],
    tasks: [],
    words: {},
    limits: {},
    urls: {},
    jobs: first,
    more: rows.length > 50,
    running: 0,
  });
  const page = new Page(snapshot, "ws://test/", { WebSocket: /** @type {any} */ (FakeWebSocket), random: () => 0 });
  page.watchList();
  page.begin();
  last().hello();
  await settled();
  return page;
}

/** Load older jobs until so many are shown. @param {Page} page @param {number} count */
async function load(page, count) {
  for (let tries = 0; page.store.jobs().length < count && tries < 20; tries++) {
    page.list.older();
    await settled();
  }
}

/** Lose the connection, and have another one at once. */
async function reconnect() {
  last().drops();
  mock.timers.tick(1);
  last().hello();
  await settled();
}

/** @param {Page} page */
const ids = (page) => page.store.jobs().map(({ id }) => id);
/** @param {number} from @param {number} to */
const range = (from, to) => Array.from({ length: from - to + 1 }, (_, at) => from - at);

test("what the server rendered is shown until the list is answered, and then what the list says", async () => {
  const page = await live(60);
  assert.equal(page.health, "live");
  assert.deepEqual(ids(page), range(60, 11));
  assert.ok(page.list.more);
});

test("after a reconnect a page asks for as much as it showed, in pieces without a gap", async () => {
  const page = await live(1200);
  await load(page, 500);
  const shown = page.store.jobs().length;
  rows = [...range(1230, 1201), ...range(1200, 1)].map((id) => job(id, 2));
  await reconnect();
  const [lowest] = ids(page).slice(-1);
  assert.ok(lowest <= 1200 - shown + 1, "the lowest row that was shown is shown again");
  assert.deepEqual(ids(page), range(1230, lowest));
  assert.ok(page.store.jobs().every(({ version }) => version === 2));
  assert.ok(last().asked.every(([limit]) => limit <= 200));
  assert.equal(page.health, "live");
});

test("a reconnect lets go of what would be more than a thousand rows, and says that there are older ones", async () => {
  const page = await live(1000);
  await load(page, 1000);
  assert.equal(ids(page).length, 1000);
  assert.ok(!page.list.more);
  rows = some(1300);
  /** @type {number[]} */ const sizes = [];
  page.addEventListener("list", () => sizes.push(ids(page).length));
  await reconnect();
  assert.deepEqual(ids(page), range(1300, 301));
  assert.ok(page.list.more);
  assert.ok(Math.max(...sizes) <= 1000, `never more: ${sizes}`);
  assert.equal(page.health, "live");
});

test("a single job that is watched beside the list is not of the list", async () => {
  const page = await live(300);
  page.store.apply({ action: "watch", id: "one", job_id: 3 });
  page.store.apply({ action: "snapshot", watch: "one", job: job(3), log: [] });
  await reconnect();
  assert.deepEqual(last().asked, [[50, undefined]]);
  assert.deepEqual(ids(page), [...range(300, 251), 3]);
});

test("until every piece is answered the rows stay, and the page is not called live", async () => {
  const page = await live(300);
  await load(page, 300);
  last().drops();
  assert.equal(page.health, "reconnecting");
  mock.timers.tick(1);
  last().answers = false;
  last().hello();
  assert.equal(page.health, "catching_up");
  assert.equal(ids(page).length, 300);
  for (let tries = 0; page.health === "catching_up" && tries < 5; tries++) {
    const frame = last()
      .sent.filter(({ action }) => action === "watch")
      .at(-1);
    last().answer(frame);
    await settled();
  }
  assert.equal(page.health, "live");
  assert.equal(ids(page).length, 300);
});

test("what the server narrows is gone at once, with what lies below it, and can be loaded again", async () => {
  const page = await live(400);
  await load(page, 250);
  const [watch] = last().sent.filter(({ action }) => action === "watch");
  last().says({ action: "narrowed", watch: watch.id, ref: watch.ref, from_id: 380 });
  assert.deepEqual(ids(page), range(400, 380));
  assert.ok(page.list.more);
  assert.equal(page.health, "live");
  page.list.older();
  await settled();
  assert.deepEqual(ids(page).slice(0, 30), range(400, 371));
});

test("newer jobs push out the oldest piece: a page never shows more than a thousand", async () => {
  const page = await live(1100);
  await load(page, 1000);
  assert.equal(ids(page).length, 1000);
  last().says({ action: "job", job: job(1101) });
  const shown = ids(page);
  assert.ok(shown.length <= 1000 && shown.length >= 800, `${shown.length}`);
  assert.deepEqual(shown, range(1101, 1101 - shown.length + 1));
  assert.ok(page.list.more);
  assert.equal(page.health, "live");
});

test("at a thousand rows older jobs take the place of the newer ones, and there is a way back", async () => {
  const page = await live(1500);
  await load(page, 1000);
  page.list.older();
  await settled();
  assert.deepEqual(ids(page), range(500, 301));
  assert.equal(page.list.top, 501);
  last().says({ action: "job", job: job(1501) });
  assert.deepEqual(ids(page), range(500, 301), "a newer job is not of these");
  await reconnect();
  assert.deepEqual(ids(page), range(500, 301));
  page.list.newest();
  await settled();
  assert.deepEqual(ids(page), range(1500, 1451));
  assert.equal(page.list.top, Infinity);
  assert.equal(page.health, "live");
});

test("while another part of the list is loaded, what is shown stays", async () => {
  const page = await live(1500);
  await load(page, 1000);
  last().answers = false;
  page.list.older();
  await settled();
  assert.equal(ids(page).length, 1000);
  page.list.older();
  await settled();
  assert.equal(last().asked.length, 8, "it is asked for once: seven pieces, and this one");
  await reconnect();
  assert.deepEqual(ids(page), range(1500, 501));
  assert.equal(page.list.top, Infinity);
  page.list.older();
  await settled();
  assert.deepEqual(ids(page), range(500, 301));
  assert.equal(page.list.top, 501);
});

test("a piece that is refused is let go of, and can be asked for again", async () => {
  const page = await live(300);
  last().answers = false;
  page.list.older();
  const watch = last().sent.at(-1);
  last().says({ action: "error", ref: watch.ref, code: "too_large", message: "" });
  await settled();
  assert.deepEqual(ids(page), range(300, 251));
  assert.equal(page.health, "live");
  last().answers = true;
  page.list.older();
  await settled();
  assert.deepEqual(ids(page), range(300, 201));
});

test("a snapshot for an earlier command of that name is not taken", async () => {
  const page = await live(10);
  const [watch] = last().sent;
  last().says({ action: "snapshot", watch: watch.id, ref: "of long ago", jobs: [], more: false, from_id: 0, before: null });
  last().says({ action: "narrowed", watch: watch.id, ref: "of long ago", from_id: 9 });
  assert.equal(ids(page).length, 10);
});

test("a connection that was not heard for 15 seconds is not called live, and a ping finds out", async () => {
  const page = await live(1);
  /** @type {string[]} */ const told = [];
  page.addEventListener("state", () => told.push(page.health));
  await pass(20);
  assert.equal(page.health, "live", "pings are answered");
  assert.ok(last().sent.some(({ action }) => action === "ping"));
  last().answers = false;
  const silent = last();
  await pass(9);
  assert.equal(page.health, "live");
  await pass(12);
  assert.notEqual(page.health, "live");
  assert.notEqual(last(), silent, "what does not answer is given up");
  assert.ok(!told.includes("live"));
});

test("a page that was frozen is not called live before it has heard something", async () => {
  const page = await live(1);
  /** @type {string[]} */ const told = [];
  page.addEventListener("state", () => told.push(page.health));
  mock.timers.setTime(Date.now() + 600_000);
  assert.equal(page.health, "silent");
  last().says({ action: "status", queues: {}, live: "up" });
  assert.equal(page.health, "live");
});

test("live updates that are delayed are not called live", async () => {
  const page = await live(1);
  last().says({ action: "status", queues: {}, live: "delayed" });
  assert.equal(page.health, "delayed");
  last().says({ action: "status", queues: {}, live: "up" });
  assert.equal(page.health, "live");
});

test("what runs is what the server counts", async () => {
  const page = await live(1);
  const [watch] = last().sent;
  last().says({ action: "count", watch: watch.id, ref: watch.ref, running: 4 });
  assert.equal(page.running, 4);
});

test("a watch that cannot be answered now is asked again, and the page says that it waits", async () => {
  rows = some(3);
  const page = await live(3);
  last().drops();
  mock.timers.tick(1);
  last().answers = false;
  last().hello();
  const [watch] = last().sent;
  last().says({ action: "error", ref: watch.ref, code: "unavailable", message: "" });
  await settled();
  assert.equal(page.health, "catching_up");
  assert.equal(ids(page).length, 3);
  last().answers = true;
  await pass(2);
  assert.equal(page.health, "live");
});
