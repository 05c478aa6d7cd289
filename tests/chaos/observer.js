// @ts-check
// Pages as people have them, without a browser: the page's own modules, each page with a connection of its own.
//
// `node observer.js FOLDER` loads the modules from a folder, so that they may be a defective copy, and does what it is
// told on its standard input, a JSON object a line: `{"do": "older", "id": 7, "until": 500}`. What has an id is answered
// by a line with that id. `pages.py` is the other end.
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import WebSocket from "ws";
import { compare } from "./compare.js";

const FRAME_MS = 16;
const LOOK_MS = 20;
const PATIENCE_MS = 5_000; // until somebody who waits for older jobs clicks again
const OPEN_MS = 30_000; // until somebody who opens the page gives up
const SENTENCES = 20; // of one look; there may be a hundred thousand

/** @typedef {typeof import("../../src/livejobs/static/livejobs/page.js")} PageModule */
/** @typedef {import("../../src/livejobs/static/livejobs/page.js").Page} Page */

// ---------------------------------------------------------------- what a page needs of a browser

/** The document of every page of this process: it is visible or hidden, and has frames while it is visible. */
class Document extends EventTarget {
  /** @type {"visible" | "hidden"} */ visibilityState = "visible";
  /** @type {(() => void)[]} */ #frames = [];

  get hidden() {
    return this.visibilityState === "hidden";
  }

  /** @param {"visible" | "hidden"} state */
  become(state) {
    this.visibilityState = state;
    this.dispatchEvent(new Event("visibilitychange"));
    this.#draw();
  }

  /** @param {() => void} callback */
  request(callback) {
    if (this.#frames.push(callback) === 1) setTimeout(() => this.#draw(), FRAME_MS);
  }

  #draw() {
    if (this.hidden) return;
    const frames = this.#frames;
    this.#frames = [];
    frames.forEach((callback) => callback());
  }
}

const theDocument = new Document();
const theWindow = new EventTarget();
setMaxListeners(0, theDocument, theWindow);
Object.assign(globalThis, {
  document: theDocument,
  location: new URL("http://127.0.0.1/jobs/"),
  addEventListener: theWindow.addEventListener.bind(theWindow),
  requestAnimationFrame: theDocument.request.bind(theDocument),
});

const folder = pathToFileURL(`${process.argv[2]}/`);
const { Page } = /** @type {PageModule} */ (await import(new URL("page.js", folder).href));
const { describe } = /** @type {typeof import("../../src/livejobs/static/livejobs/describe.js")} */ (
  await import(new URL("describe.js", folder).href)
);

// ---------------------------------------------------------------- one page

/** One page of one browser. */
class Screen {
  /** @type {Set<WebSocket>} */ wires = new Set();
  /** The jobs that are looked at one by one, with their logs. @type {Set<number>} */ watched = new Set();

  /** @param {string} cookie @param {number[]} ports of the web processes: each connection goes to any of them, as a balancer
   *  would have it @param {Snapshot} snapshot */
  constructor(cookie, ports, snapshot) {
    const { wires } = this;
    class Wire extends WebSocket {
      /** @param {string} url @param {string[]} protocols */
      constructor(url, protocols) {
        const { href, host } = Object.assign(new URL(url), { port: any(ports) });
        super(href, protocols, { headers: { Cookie: cookie }, origin: `http://${host}`, perMessageDeflate: false });
        wires.add(this);
        this.on("error", () => {}); // a close follows; without a listener it would be thrown
        this.on("close", () => wires.delete(this));
      }
    }
    /** @type {Page} */
    this.page = new Page(snapshot, "ws://127.0.0.1:1/jobs/socket/", { WebSocket: /** @type {any} */ (Wire) });
    this.page.watchList();
    this.page.begin();
  }

  /** Get the page, as often as it takes. @param {string} cookie @param {number[]} ports */
  static async open(cookie, ports) {
    for (const giveUpAt = Date.now() + OPEN_MS; ; await sleep(200)) {
      try {
        const answer = await fetch(`http://127.0.0.1:${any(ports)}/jobs/`, { headers: { cookie } });
        const [, json] = /id="livejobs-snapshot"[^>]*>([^<]*)</.exec(await answer.text()) ?? [];
        return new Screen(cookie, ports, JSON.parse(/** @type {string} */ (json)));
      } catch (error) {
        if (Date.now() > giveUpAt) throw error;
      }
    }
  }

  /** Look at one job with its log, as its own page does. @param {number} id */
  watch(id) {
    const { page } = this;
    this.watched.add(id);
    page.socket.watch(`job-${id}`, { job_id: id, log_after: () => page.store.log(id).at(-1)?.seq ?? 0 });
  }

  /** Look at the list only. */
  unwatch() {
    for (const id of this.watched) this.page.socket.unwatch(`job-${id}`);
    this.watched.clear();
  }

  /** Click “Load older jobs” until there are so many rows, or no more, or older ones have taken the place of these.
   * @param {number} until */
  async older(until) {
    const { page } = this;
    const seen = () => `${page.store.jobs().length} below ${page.list.top}`;
    const giveUpAt = Date.now() + OPEN_MS;
    while (page.store.jobs().length < until && page.list.more && page.list.top === Infinity && Date.now() < giveUpAt) {
      const before = seen();
      if (page.connected) page.list.older();
      for (const again = Date.now() + PATIENCE_MS; seen() === before && page.list.more && Date.now() < again; ) await sleep(LOOK_MS);
    }
  }

  /** Come back from older jobs to the newest. */
  newest() {
    if (this.page.list.top < Infinity) this.page.list.newest();
  }

  /** Lose the connection, or the try to make one. */
  drop() {
    for (const wire of this.wires) wire.terminate();
    return this.wires.size;
  }

  /** Have another connection at once; says after how many milliseconds the page was live again, all its rows with it. */
  async reconnect() {
    const { page } = this;
    const rows = page.store.size;
    const begun = performance.now();
    page.socket.close();
    page.socket.connect();
    while (page.health !== "live") await sleep(1);
    if (page.store.size !== rows) throw new Error(`${rows} rows became ${page.store.size}`);
    return performance.now() - begun;
  }

  /** Everything that is shown now. */
  show() {
    const { page } = this;
    const jobs = page.store.jobs();
    return {
      health: page.health,
      running: page.running,
      more: page.list.more,
      top: page.list.top,
      jobs,
      said: jobs.map((job) => describe(job, page.now, page.rights, page.connected ? page.status : null)),
      logs: new Map([...this.watched].map((id) => [id, page.store.log(id)])),
    };
  }

  /** The port of the web process that serves it now. */
  get ports() {
    return [...this.wires].filter((wire) => wire.readyState === WebSocket.OPEN).map((wire) => Number(new URL(wire.url).port));
  }
}

/** @template T @param {T[]} list */
const any = (list) => list[Math.floor(Math.random() * list.length)];

// ---------------------------------------------------------------- what is asked

/** @type {Screen[]} */ const screens = [];
/** What the modules threw. A page that throws is wrong, whatever it shows. @type {string[]} */ const thrown = [];

/** @type {Record<string, (what: any) => unknown>} */
const commands = {
  /** @param {{count: number, cookie: string, ports: number[]}} what */
  async open({ count, cookie, ports }) {
    const opened = Array.from({ length: count }, () => Screen.open(`sessionid=${cookie}`, ports));
    screens.push(...(await Promise.all(opened)));
    while (!screens.every(({ page }) => page.health === "live")) await sleep(LOOK_MS);
  },
  watch: ({ page, job }) => screens[page].watch(job),
  unwatch: () => screens.forEach((screen) => screen.unwatch()),
  older: ({ until, every }) => Promise.all(screens.filter((_, at) => at % every === 0).map((screen) => screen.older(until))),
  newest: () => screens.forEach((screen) => screen.newest()),
  drop: () => screens.map((screen) => screen.drop()).reduce((one, other) => one + other, 0),
  reconnect: () => Promise.all(screens.map((screen) => screen.reconnect())),
  visibility: ({ state }) => theDocument.become(state),
  /** Everything one page shows, for whoever looks for a reason. */
  show: ({ page }) => ({ ...screens[page].show(), logs: Object.fromEntries(screens[page].show().logs) }),
  /** What is wrong on the pages, held against the file that holds the truth. @param {{truth: string}} what */
  look({ truth }) {
    const told = JSON.parse(readFileSync(truth, "utf8"));
    const looks = screens.map((screen) => screen.show());
    const wrong = looks.map((shown) => compare(shown, told));
    const found = [
      ...thrown.map((text) => `thrown: ${text}`),
      ...wrong.flatMap(({ found }, at) => found.map((why) => `page ${at}: ${why}`)),
    ];
    return {
      found: found.slice(0, SENTENCES),
      count: found.length,
      untold: [...new Set(wrong.flatMap(({ untold }) => untold))],
      rows: looks.map(({ jobs }) => jobs.length),
    };
  },
  ports: () => screens.flatMap(({ ports }) => ports),
};

for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => thrown.push(String(error?.stack ?? error)));
}
for await (const line of createInterface({ input: process.stdin })) {
  const { do: command, id, ...what } = JSON.parse(line);
  // beside the others: while somebody waits for older jobs, the connection may be lost
  Promise.resolve(what)
    .then(commands[command])
    .then((answer = null) => ({ answer }))
    .catch((error) => ({ error: String(error.stack ?? error) }))
    .then((said) => id !== undefined && process.stdout.write(`${JSON.stringify({ id, ...said })}\n`));
}
process.exit();
