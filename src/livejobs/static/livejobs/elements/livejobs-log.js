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

/** The log of a job (`job-id`): follows until one scrolls up. */
export class LivejobsLog extends LivejobsElement {
  #id = 0;
  #last = 0;
  #attempt = 0;
  #following = true;
  #count = 0; // lines of the store that are shown
  #scroll = document.createElement("div");
  #open = make("div", "lj-open");
  /** @type {Block[]} */ #blocks = [];
  /** @type {Block | undefined} */ #block; // that takes the next line
  /** @type {any} */ #timer;
  /** @type {any} */ #reading;
  #copied = "";

  start() {
    const { page } = this;
    this.#id = Number(this.getAttribute("job-id"));
    this.replaceChildren();
    Object.assign(this.#scroll, { className: "lj-log", tabIndex: 0 });
    this.#scroll.setAttribute("role", "group");
    this.#scroll.setAttribute("aria-labelledby", "lj-log");
    this.#scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.hear(page.store, "change", ({ detail }) => detail.ids.has(this.#id) && this.#hear());
    this.hear(page, "state", () => this.#frame());
    this.#update();
  }

  /** What a row says is there comes in many parts, each of which would be laid out. */
  #hear() {
    const { store } = this.page;
    const behind = (store.log(this.#id).at(-1)?.seq ?? 0) < (store.job(this.#id)?.log_seq ?? 0);
    if (behind && this.#count) this.#reading ??= setTimeout(() => this.#update(), TOGETHER);
    else this.#update();
  }

  #update() {
    clearTimeout(this.#reading);
    this.#reading = undefined;
    const lines = this.page.store.log(this.#id);
    let known = this.#knownOf(lines);
    if (known > this.#count) {
      this.#clear(); // an earlier line came late
      known = 0;
    }
    const more = lines.length > known;
    this.#append(lines.slice(known));
    this.#count = lines.length;
    if (more) this.#letGo(lines);
    this.#showOpen();
    this.#frame();
    if (more) this.#toAnchor();
  }

  /** How many are not newer than the last one shown. @param {LogLine[]} lines */
  #knownOf(lines) {
    let known = lines.length;
    while (known && lines[known - 1].seq > this.#last) known--;
    return known;
  }

  #showOpen() {
    const text = this.page.store.open(this.#id);
    const line = make("div", "lj-logline");
    line.append(make("a", "", "…"), make("time", "", clock(new Date(this.page.now).toISOString())), textOf(text));
    this.#open.replaceChildren(...(text ? [line] : []));
    if (this.#open.parentNode !== this.#scroll) this.#scroll.append(this.#open);
  }

  #clear() {
    this.#scroll.replaceChildren();
    this.#blocks = [];
    this.#block = undefined;
    this.#count = this.#last = this.#attempt = 0;
  }

  /** @param {LogLine[]} lines */
  #append(lines) {
    const several = (this.page.store.job(this.#id)?.attempt ?? 1) > 1;
    for (const line of lines) {
      const { seq, attempt, text } = line;
      const other = attempt !== this.#attempt && (several || this.#attempt);
      if (other || seq > this.#last + 1) {
        this.#block = undefined;
        this.#add(...between(this.#last, seq, other ? attempt : 0));
      }
      this.#attempt = attempt;
      if (!this.#block || this.#block.element.childElementCount >= CHUNK || this.#block.rows > ROWS) {
        this.#block = { element: make("div", "lj-block lj-end"), attempt, first: seq, last: seq, rows: 0 };
        this.#blocks.push(this.#block);
        this.#add(this.#block.element);
        const out = this.#blocks.at(-3); // as high as it will be, so that nothing jumps when it comes into sight
        out?.element.classList.remove("lj-end");
        out?.element.style.setProperty("contain-intrinsic-height", `auto ${20 * out.rows}px`);
      }
      this.#block.element.append(lineOf(line));
      this.#block.rows += 1 + Math.floor(text.length / 90);
      this.#block.last = this.#last = seq;
    }
  }

  /** @param {HTMLElement[]} elements */
  #add(...elements) {
    for (const element of elements) this.#scroll.insertBefore(element, this.#open.parentNode && this.#open);
  }

  /** Show no blocks of lines that the store has let go of. @param {LogLine[]} lines */
  #letGo(lines) {
    if (lines.length < LOG_MAX) return;
    const [{ seq: low }, { seq: high }] = lines.slice(LOG_MAX / 2 - 1);
    const from = this.#blocks.findIndex(({ first }) => first > low);
    const to = this.#blocks.findIndex(({ last }) => last >= high);
    if (to <= from) return;
    const [before, after] = [this.#blocks[from - 1], this.#blocks[to]];
    while (before.element.nextSibling !== after.element) before.element.nextSibling?.remove();
    after.element.before(...between(before.last, after.first, after.attempt === before.attempt ? 0 : after.attempt));
    this.#blocks.splice(from, to - from);
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
        lines.flatMap(({ seq, text }, at) => [...leftOut(lines[at - 1]?.seq ?? 0, seq), plain(text)]).join("\n"),
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

/** @typedef {{element: HTMLElement, attempt: number, first: number, last: number, rows: number}} Block */

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

/** @param {LogLine} line */
function lineOf({ seq, at, level, text }) {
  const element = make("div", `lj-logline lj-level-${level}`);
  element.id = `L${seq}`;
  const anchor = make("a", "", `${seq}`);
  anchor.setAttribute("href", `#L${seq}`);
  const time = make("time", "", clock(at));
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
