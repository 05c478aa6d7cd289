// @ts-check
import { piecesOf, plain } from "../ansi.js";
import { clock } from "../format.js";
import { FINISHED, LOG_MAX } from "../protocol.js";
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { button, panel } from "./parts.js";

const CHUNK = 50; // lines of a block: out of sight it costs nothing
const ROWS = 350; // of text in a block, about: once in sight, it is laid out as a whole
const TOGETHER = 250; // milliseconds: of a log that is being read, so much is laid out at once
const NEAR = 24; // pixels from the end that count as the end

const AGAIN_MS = 1000; // after lines could not be had; twice as long after each try
const AGAIN_MAX_MS = 30_000;

/** The log of a job (`job-id`): follows until one scrolls up. */
export class LivejobsLog extends LivejobsElement {
  #id = 0;
  #following = true;
  #count = 0; // lines of the store that are shown
  #above = ""; // what there is to say of lines that are missing at the top
  #scroll = document.createElement("div");
  #open = make("div", "lj-open");
  /** @type {Block[]} */ #blocks = [];
  /** @type {any} */ #timer;
  /** @type {any} */ #reading;
  #copied = "";

  start() {
    const { page } = this;
    this.#id = Number(this.getAttribute("job-id"));
    this.replaceChildren();
    Object.assign(this.#scroll, { className: "lj-log", tabIndex: 0 });
    this.#clear();
    this.#scroll.setAttribute("role", "group");
    this.#scroll.setAttribute("aria-labelledby", "lj-log");
    this.hear(this.#scroll, "scroll", () => this.#scrolled());
    this.hear(page.store, "change", ({ detail }) => detail.ids.has(this.#id) && this.#hear());
    this.hear(page, "state", () => this.#frame());
    this.#loadBefore(page.store.log(this.#id)[0]?.seq ?? 0);
    this.#update();
  }

  /** The last lines came with the page, later ones come by the connection; those before are fetched, from there up.
   * @param {number} seq */
  async #loadBefore(seq) {
    const { here, page } = this;
    this.#above = seq > 1 ? "loading" : "";
    for (let wait = AGAIN_MS; this.#above === "loading"; wait = Math.min(2 * wait, AGAIN_MAX_MS)) {
      try {
        const answer = await fetch(page.url(this.#id, `lines/?before=${seq}`), { signal: here });
        const ours = answer.headers.get("content-type")?.includes("ndjson");
        if (!ours && answer.status < 500) this.#above = "failed_to_load";
        else if (ours && (await this.#take(answer))) this.#above = "";
      } catch {
        // the server is away
      }
      if (here.aborted) return;
      if (this.#above === "loading") await new Promise((then) => setTimeout(then, wait));
      seq = page.store.log(this.#id)[0]?.seq ?? seq;
    }
    this.#update();
    this.#join(0);
  }

  /** A part a task; several are shown, and so laid out, together. False: it was cut. @param {Response} answer */
  async #take({ body }) {
    const [reader, decoder] = [body?.getReader(), new TextDecoder()];
    /** @type {LogLine[]} */ let lines = [];
    /** @type {Block[]} */ let blocks = [];
    let [rest, at] = ["", performance.now()];
    const show = () => {
      this.page.store.apply({ action: "log", job_id: this.#id, lines });
      this.#update({ lines, blocks });
      [lines, blocks, at] = [[], [], performance.now()];
    };
    try {
      for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
        const parts = (rest + decoder.decode(read.value, { stream: true })).split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts) {
          const some = JSON.parse(part);
          if (!some.length) return true;
          [lines, blocks] = [
            [...some, ...lines],
            [...blocksOf(some), ...blocks],
          ];
          if (performance.now() - at > TOGETHER) show();
          await nextTask();
        }
      }
      return false;
    } finally {
      show();
      reader?.cancel().catch(() => {});
    }
  }

  /** What a row says is there comes in many parts, each of which would be laid out. */
  #hear() {
    const { store } = this.page;
    const behind = (store.log(this.#id).at(-1)?.seq ?? 0) < (store.job(this.#id)?.log_seq ?? 0);
    if (behind && this.#count) this.#reading ??= setTimeout(() => this.#update(), TOGETHER);
    else this.#update();
  }

  /** @param {{lines: LogLine[], blocks: Block[]}} [built] of earlier lines */
  #update(built) {
    clearTimeout(this.#reading);
    this.#reading = undefined;
    const lines = this.page.store.log(this.#id);
    let [from, to] = [0, lines.length]; // between these is what is shown
    while (lines[from]?.seq < this.#blocks[0]?.first) from++;
    while (to > from && lines[to - 1].seq > (this.#blocks.at(-1)?.last ?? 0)) to--;
    if (to - from > this.#count) [from, to] = this.#clear(); // one in the middle came late
    const more = from > 0 || to < lines.length;
    if (from) this.#prepend(lines.slice(0, from), built);
    this.#append(lines.slice(to));
    this.#count = lines.length;
    if (more) this.#letGo(lines);
    this.#showOpen();
    this.#frame();
    if (more) this.#toAnchor();
  }

  #showOpen() {
    const text = this.page.store.open(this.#id);
    const line = make("div", "lj-logline");
    line.append(make("a", "", "…"), make("time", "", clock(new Date(this.page.now).toISOString())), textOf(text));
    this.#open.replaceChildren(...(text ? [line] : []));
  }

  #clear() {
    this.#scroll.replaceChildren(this.#open);
    this.#blocks = [];
    this.#count = 0;
    return [0, 0];
  }

  /** @param {LogLine[]} lines */
  #append(lines) {
    for (const line of lines) {
      if (!takes(this.#blocks.at(-1), line)) {
        const block = blockOf(line);
        block.element.classList.add("lj-end");
        this.#blocks.push(block);
        this.#scroll.insertBefore(block.element, this.#open);
        this.#join(this.#blocks.length - 1);
        settle(this.#blocks.at(-3));
      }
      add(/** @type {Block} */ (this.#blocks.at(-1)), line);
    }
  }

  /** @param {LogLine[]} lines @param {{lines: LogLine[], blocks: Block[]}} [built] */
  #prepend(lines, built) {
    const fits = built?.lines.length === lines.length && built.lines[0].seq === lines[0].seq;
    const blocks = built && fits ? built.blocks : blocksOf(lines);
    this.#scroll.prepend(...blocks.map(({ element }) => element));
    this.#blocks.unshift(...blocks);
    for (let at = blocks.length; at >= 0; at--) this.#join(at);
  }

  /** Say what is missing before a block, and which attempt begins. @param {number} at */
  #join(at) {
    const [before, block] = [this.#blocks[at - 1], this.#blocks[at]];
    if (!block) return;
    for (const mark of block.marks) mark.remove();
    const several = before || (this.page.store.job(this.#id)?.attempt ?? 1) > 1;
    const other = several && before?.attempt !== block.attempt;
    block.marks =
      !before && this.#above
        ? [make("p", "lj-gap", say(this.#above))]
        : between(before?.last ?? 0, block.first, other ? block.attempt : 0);
    block.element.before(...block.marks);
  }

  /** Show no blocks of lines that the store has let go of. @param {LogLine[]} lines */
  #letGo(lines) {
    if (lines.length < LOG_MAX) return;
    const [{ seq: low }, { seq: high }] = lines.slice(LOG_MAX / 2 - 1);
    const from = this.#blocks.findIndex(({ first }) => first > low);
    const to = this.#blocks.findIndex(({ last }) => last >= high);
    if (to <= from) return;
    for (const { element, marks } of this.#blocks.splice(from, to - from)) {
      for (const each of [element, ...marks]) each.remove();
    }
    this.#join(from);
  }

  #frame() {
    const job = this.page.store.job(this.#id);
    const over = !!job && FINISHED.includes(job.state);
    const none = job?.log_seq && this.page.health !== "live" ? "loading" : over ? "no_log_end" : "no_log";
    const latest = this.#following ? nothing : button(`↓ ${say("latest")}`, () => this.#latest(), "lj-latest");
    const log = this.#count || this.#open.firstChild ? [this.#scroll, latest] : html`<p class="lj-none">${say(none)}</p>`;
    const file = html`<a class="lj-button" href=${this.page.url(this.#id, "log/")} download>${say("download_log")}</a>`;
    const tools = [button(this.#copied || say("copy"), () => this.#copy()), file];
    this.draw(panel("log", log, this.#count ? html`<span class="lj-tools">${tools}</span>` : nothing));
    if (this.#following) this.#toEnd();
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroll;
    const following = scrollHeight - clientHeight - scrollTop < NEAR;
    if (following === this.#following) return;
    this.#following = following;
    this.#frame();
  }

  #latest() {
    this.#following = true;
    this.#frame();
    this.#scroll.focus();
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  #toAnchor() {
    const line = /^#L\d+$/.test(location.hash) && this.querySelector(location.hash);
    if (!line || line.classList.contains("lj-target")) return;
    this.querySelector(".lj-target")?.classList.remove("lj-target");
    line.classList.add("lj-target");
    this.#following = false;
    this.#frame();
    line.scrollIntoView({ block: "center" });
    requestAnimationFrame(() => line.scrollIntoView({ block: "center" })); // blocks have their size now
  }

  async #copy() {
    const lines = this.page.store.log(this.#id);
    try {
      await navigator.clipboard.writeText(
        lines
          .flatMap(({ seq, text }, at) => [...leftOut(lines[at - 1]?.seq ?? (this.#above ? seq : 0), seq), plain(text)])
          .join("\n"),
      );
      this.#copied = say("copied");
    } catch {
      this.#copied = say("not_copied");
    }
    this.page.say(this.#copied);
    this.#frame();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#copied = "";
      this.#frame();
    }, 2000);
  }
}

/** @typedef {{element: HTMLElement, marks: HTMLElement[], attempt: number, first: number, last: number, rows: number}} Block */

/** @param {LogLine} line that begins it @returns {Block} */
const blockOf = ({ seq, attempt }) => ({
  element: make("div", "lj-block"),
  marks: [],
  attempt,
  first: seq,
  last: seq - 1,
  rows: 0,
});

/** @param {Block | undefined} block @param {LogLine} line */
const takes = (block, { seq, attempt }) =>
  block && seq === block.last + 1 && attempt === block.attempt && block.last - block.first < CHUNK - 1 && block.rows <= ROWS;

/** @param {LogLine[]} lines @returns {Block[]} */
function blocksOf(lines) {
  /** @type {Block[]} */ const blocks = [];
  for (const line of lines) {
    if (!takes(blocks.at(-1), line)) blocks.push(blockOf(line));
    add(/** @type {Block} */ (blocks.at(-1)), line);
  }
  blocks.forEach(settle);
  return blocks;
}

/** Sooner than a timer. */
function nextTask() {
  const { port1, port2 } = new MessageChannel();
  port2.postMessage(0);
  return new Promise((then) => (port1.onmessage = then));
}

/** @param {Block} block @param {LogLine} line */
function add(block, line) {
  block.element.append(lineOf(line));
  block.rows += 1 + Math.floor(line.text.length / 90);
  block.last = line.seq;
}

/** Out of sight a block is as high as it will be, so that nothing jumps when it comes into sight. @param {Block} [block] */
function settle(block) {
  block?.element.classList.remove("lj-end");
  block?.element.style.setProperty("contain-intrinsic-height", `auto ${20 * block.rows}px`);
}

/** What there is to say of numbers without lines. @param {number} last @param {number} next */
function leftOut(last, next) {
  const n = next - last - 1;
  return n > 0 ? [n === 1 ? say("line_left_out") : say("lines_left_out", { n })] : [];
}

/** What stands between two blocks. @param {number} last @param {number} next @param {number} attempt that begins; 0: none does */
function between(last, next, attempt) {
  const gap = leftOut(last, next).map((text) => make("p", "lj-gap", text));
  return attempt ? [...gap, make("p", "lj-attempt", say("attempt_line", { n: attempt }))] : gap;
}

let second = "-"; // that was written last
let timed = "";

/** @param {LogLine} line */
function lineOf({ seq, at, level, text }) {
  const element = make("div", `lj-logline lj-level-${level}`);
  element.id = `L${seq}`;
  const anchor = make("a", "", `${seq}`);
  anchor.setAttribute("href", `#L${seq}`);
  if (!at.startsWith(second)) [second, timed] = [at.slice(0, 19), clock(at)];
  const time = make("time", "", timed);
  time.setAttribute("datetime", at);
  element.append(anchor, time);
  if (level !== "info") element.append(make("b", "", level));
  element.append(textOf(text));
  return element;
}

/** @param {string} text */
function textOf(text) {
  const span = make("span", "");
  span.dir = "auto";
  for (const { text: part, names, href } of piecesOf(text)) {
    if (!names && !href) span.append(part);
    else if (!href) span.append(make("span", names, part));
    else span.append(Object.assign(make("a", names, part), { href, target: "_blank", rel: "noopener noreferrer" }));
  }
  return span;
}

/** @param {string} tag @param {string} name @param {string} [text] */
function make(tag, name, text = "") {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}
