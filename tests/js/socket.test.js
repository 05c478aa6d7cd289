import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { CloseCode } from "../../src/livejobs/static/livejobs/protocol.js";
import { JobSocket } from "../../src/livejobs/static/livejobs/socket.js";

/** @type {FakeWebSocket[]} */
let opened = [];

class FakeWebSocket {
  /** @type {any[]} */ sent = [];
  closed = false;
  /** @type {(event: {data: string}) => void} */ onmessage = () => {};
  /** @type {(event: {code: number}) => void} */ onclose = () => {};

  /** @param {string} url @param {string[]} protocols */
  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    opened.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  /** @param {any} message */
  says(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  hello(retry_after = 1, more = {}) {
    this.says({ action: "hello", protocol: 1, server: "1", user: null, rights: [], retry_after, tasks: [], ...more });
  }

  /** @param {number} code */
  drops(code = 1006) {
    this.onclose({ code });
  }
}

beforeEach(() => {
  opened = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});
afterEach(() => mock.timers.reset());

const last = () => /** @type {FakeWebSocket} */ (opened.at(-1));

/** @param {number} [random] */
function make(random = 1) {
  const socket = new JobSocket("ws://test/socket/", { WebSocket: /** @type {any} */ (FakeWebSocket), random: () => random });
  socket.connect();
  return socket;
}

function live() {
  const socket = make();
  last().hello();
  return socket;
}

/** @param {Promise<any>} promise */
const refused = (promise) =>
  promise.then(
    () => assert.fail("not refused"),
    (error) => error,
  );

test("it asks for the subprotocol and is live after hello", () => {
  const socket = make();
  assert.equal(socket.state, "connecting");
  assert.deepEqual(/** @type {any} */ (last()).protocols, ["livejobs.v1"]);
  last().hello();
  assert.equal(socket.state, "live");
});

test("a command is answered by its ref", async () => {
  const socket = live();
  const first = socket.cancel(1);
  const second = socket.cancel(2);
  const [a, b] = last().sent;
  last().says({ action: "error", ref: b.ref, code: "finished", message: "Too late." });
  last().says({ action: "ack", ref: a.ref, job: { id: 1 } });
  assert.deepEqual(await first, { id: 1 });
  assert.equal((await refused(second)).code, "finished");
});

test("a message is told before the command's promise is kept", async () => {
  const socket = live();
  /** @type {string[]} */ const order = [];
  const started = socket.start({ task: "sec3" }).then(() => order.push("kept"));
  socket.addEventListener("message", () => order.push("told"));
  last().says({ action: "ack", ref: last().sent[0].ref, job: { id: 1 } });
  await started;
  assert.deepEqual(order, ["told", "kept"]);
});

test("while disconnected a command is refused at once and never sent later", async () => {
  const socket = live();
  last().drops();
  assert.equal((await refused(socket.start({ task: "sec3" }))).code, "disconnected");
  mock.timers.tick(1000);
  last().hello();
  assert.deepEqual(last().sent, []);
});

test("a command waits for a connection that is under way", async () => {
  const socket = make();
  const cancelled = socket.cancel(7);
  assert.deepEqual(last().sent, []);
  last().hello();
  await Promise.resolve();
  const [{ ref, ...frame }] = last().sent;
  assert.deepEqual(frame, { action: "cancel", job_id: 7 });
  last().says({ action: "ack", ref, job: { id: 7 } });
  assert.deepEqual(await cancelled, { id: 7 });
});

test("a command that waited for a connection that failed is never sent", async () => {
  const socket = make();
  const started = refused(socket.start({ task: "sec3" }));
  last().drops();
  assert.equal((await started).code, "disconnected");
  mock.timers.tick(1000);
  last().hello();
  await Promise.resolve();
  assert.deepEqual(last().sent, []);
});

test("a start that was sent and not answered is sent again with the same key", async () => {
  const socket = live();
  const started = socket.start({ task: "sec3", name: "once" });
  const [frame] = last().sent;
  assert.match(frame.key, /^\d+(-\d+){3}$/);
  last().drops();
  mock.timers.tick(1000);
  last().hello();
  assert.deepEqual(last().sent, [frame]);
  last().says({ action: "ack", ref: frame.ref, job: { id: 7 } });
  assert.deepEqual(await started, { id: 7 });
});

test("a cancel that was sent and not answered is not sent again", async () => {
  const socket = live();
  const cancelled = refused(socket.cancel(1));
  last().drops();
  assert.equal((await cancelled).code, "dropped");
  mock.timers.tick(1000);
  last().hello();
  assert.deepEqual(last().sent, []);
});

test("a start is given up when the session changed: another owner would make it a second job", async () => {
  const socket = live();
  const started = refused(socket.start({ task: "sec3" }));
  last().drops(CloseCode.SESSION_CHANGED);
  assert.equal((await started).code, "dropped");
});

test("half a surrogate pair in a name is replaced: the server could not read the frame", () => {
  const socket = live();
  socket.start({ task: "sec3", name: "a\ud800b \ud83d\ude80" }).catch(() => {});
  assert.equal(last().sent[0].name, "a\ufffdb \ud83d\ude80");
});

test("a frame that cannot be read is not sent for ever", async () => {
  const socket = live();
  const started = refused(socket.start({ task: "sec3", params: { text: "\ud800" } }));
  last().says({ action: "error", code: "bad_frame", message: "The frame is not JSON." });
  assert.equal((await started).code, "bad_frame");
});

test("a frame that is too large is not sent for ever", async () => {
  const socket = live();
  const started = refused(socket.start({ task: "sec3" }));
  last().drops(CloseCode.TOO_LARGE);
  assert.equal((await started).code, "too_large");
});

test("what is watched is watched again after a reconnect, the log from where it ended", () => {
  const socket = live();
  let seq = 0;
  socket.watch("list", { jobs: { scope: "mine" } });
  socket.watch("job", { job_id: 3, log_after: () => seq });
  seq = 12;
  last().drops();
  mock.timers.tick(1000);
  last().hello();
  assert.deepEqual(
    last().sent.map(({ ref: _, ...frame }) => frame),
    [
      { action: "watch", id: "list", jobs: { scope: "mine" } },
      { action: "watch", id: "job", job_id: 3, log_after: 12 },
    ],
  );
  socket.unwatch("list");
  assert.equal(last().sent.at(-1).action, "unwatch");
});

test("a watch that is refused is told", () => {
  const socket = live();
  /** @type {any[]} */ const told = [];
  socket.watch("job", { job_id: 3 });
  last().says({ action: "error", ref: last().sent[0].ref, code: "not_found", message: "No such job." });
  socket.addEventListener("message", (event) => told.push(/** @type {CustomEvent} */ (event).detail));
  return Promise.resolve()
    .then(() => Promise.resolve())
    .then(() => {
      assert.deepEqual(told, [{ action: "error", watch: "job", code: "not_found" }]);
    });
});

test("the delay doubles from hello's base up to 30 s, with full jitter", () => {
  const socket = live();
  const delays = [];
  for (let round = 0; round < 8; round++) {
    last().drops();
    delays.push(socket.retryAt - Date.now());
    mock.timers.tick(30_000);
  }
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  const half = make(0.5);
  last().hello(2);
  last().drops();
  assert.equal(half.retryAt - Date.now(), 1000);
});

test("hello may name a shorter longest delay", () => {
  const socket = make();
  last().hello(1, { retry_max: 3 });
  for (let round = 0; round < 4; round++) {
    last().drops();
    mock.timers.tick(30_000);
  }
  last().drops();
  assert.equal(socket.retryAt - Date.now(), 3000);
});

test("after five seconds of silence it asks whether the connection lives; without an answer it is dead", () => {
  const socket = live();
  mock.timers.tick(4000);
  last().says({ action: "status" });
  mock.timers.tick(4000);
  assert.deepEqual(last().sent, [], "it was heard not long ago");
  mock.timers.tick(2000);
  assert.equal(last().sent.at(-1).action, "ping");
  mock.timers.tick(10_000);
  assert.equal(socket.state, "waiting");
});

test("what is asked to be watched is told, with its ref once it is sent", () => {
  const socket = make();
  /** @type {any[]} */ const asked = [];
  socket.addEventListener("asked", (event) => asked.push(/** @type {CustomEvent} */ (event).detail));
  socket.watch("one", { job_id: 3, log_after: () => 5 });
  socket.watch("gone", { job_id: 4 });
  socket.unwatch("gone");
  socket.unwatch("never watched");
  last().hello();
  const [{ ref }] = last().sent;
  socket.unwatch("one");
  assert.deepEqual(
    asked.map(({ action, id, ref }) => [action, id, ref]),
    [
      ["watch", "one", undefined],
      ["watch", "gone", undefined],
      ["unwatch", "gone", undefined],
      ["watch", "one", ref],
      ["unwatch", "one", undefined],
    ],
  );
  assert.equal(asked[3].log_after, 5);
});

test("a watch that cannot be answered now is asked again, unless nobody wants it any more", async () => {
  const socket = live();
  socket.watch("a", { job_id: 1 });
  socket.watch("b", { job_id: 2 });
  const [a, b] = last().sent;
  for (const { ref } of [a, b]) last().says({ action: "error", ref, code: "unavailable", message: "" });
  await Promise.resolve().then(() => {});
  socket.unwatch("b");
  mock.timers.tick(2000);
  assert.deepEqual(
    last()
      .sent.slice(2)
      .map(({ action, id }) => [action, id]),
    [
      ["unwatch", "b"],
      ["watch", "a"],
    ],
  );
});

test("a changed session reconnects at once, but not in a circle", () => {
  const socket = live();
  last().drops(CloseCode.SESSION_CHANGED);
  assert.equal(socket.retryAt, Date.now());
  mock.timers.tick(0);
  last().hello();
  last().drops(CloseCode.SESSION_CHANGED);
  assert.equal(socket.retryAt - Date.now(), 1000);
});

test("no hello and no answer within ten seconds: the connection is dead", () => {
  const socket = make();
  mock.timers.tick(10_000);
  assert.equal(socket.state, "waiting");
  mock.timers.tick(500);
  last().hello();
  socket.start({ task: "sec3" }).catch(() => {});
  const dead = last();
  mock.timers.tick(10_000);
  assert.ok(dead.closed);
  assert.equal(socket.state, "waiting");
});

test("waking up tries at once, and probes a connection that looks alive", async () => {
  const socket = live();
  socket.wake();
  const probe = last().sent[0];
  assert.equal(probe.action, "ping");
  last().says({ action: "ack", ref: probe.ref });
  mock.timers.tick(5000);
  assert.equal(socket.state, "live");
  socket.wake();
  mock.timers.tick(3000);
  assert.equal(socket.state, "waiting");
  const before = opened.length;
  socket.wake();
  assert.equal(opened.length, before + 1);
});

test("what an earlier connection still says is not heard", () => {
  const socket = live();
  const earlier = last();
  earlier.drops();
  mock.timers.tick(1000);
  /** @type {any[]} */ const told = [];
  socket.addEventListener("message", (event) => told.push(event));
  earlier.says({ action: "gone", job_id: 1 });
  earlier.drops();
  assert.equal(socket.state, "connecting");
  assert.deepEqual(told, []);
});

test("a batch is several messages", () => {
  const socket = live();
  /** @type {string[]} */ const told = [];
  socket.addEventListener("message", (event) => told.push(/** @type {CustomEvent} */ (event).detail.action));
  last().says({
    action: "batch",
    messages: [
      { action: "gone", job_id: 1 },
      { action: "batch", messages: [{ action: "status" }] },
    ],
  });
  assert.deepEqual(told, ["gone", "status"]);
});

test("close is for good, and refuses what was not answered", async () => {
  const socket = live();
  const started = refused(socket.start({ task: "sec3" }));
  socket.close();
  assert.equal((await started).code, "dropped");
  mock.timers.tick(60_000);
  assert.equal(opened.length, 1);
});
