// @ts-check
import { clock } from "../format.js";
import { FINISHED } from "../protocol.js";
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { button, panel } from "./parts.js";

const CHUNK = 100; // lines of a block: out of sight it costs nothing
const NEAR = 24; // pixels from the end that count as the end

/** The log of a job (`job-id`): follows until one scrolls up. */
export class LivejobsLog extends LivejobsElement {
  #id = 0;
  #last = 0;
  #attempt = 0;
  #following = true;
  #count = 0;
  #scroll = document.createElement("div");
  /** @type {HTMLElement | undefined} */ #block;
  /** @type {any} */ #timer;
  #copied = "";

  start() {
    const { page } = this;
    this.#id = Number(this.getAttribute("job-id"));
    this.replaceChildren();
    Object.assign(this.#scroll, { className: "lj-log", tabIndex: 0 });
    this.#scroll.setAttribute("role", "group");
    this.#scroll.setAttribute("aria-labelledby", "lj-log");
    this.#scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.hear(page.store, "change", ({ detail }) => detail.ids.has(this.#id) && this.#update());
    this.hear(page, "state", () => this.#frame());
    this.#update();
  }

  #update() {
    const lines = this.page.store.log(this.#id);
    if (lines.length && lines.length !== this.#count) {
      // an earlier line came late: begin anew
      if (lines[this.#count - 1] && lines[this.#count - 1].seq !== this.#last) this.#clear();
      this.#append(lines.slice(this.#count));
      this.#count = lines.length;
      this.#frame();
      this.#toAnchor();
    } else this.#frame();
  }

  #clear() {
    this.#scroll.replaceChildren();
    this.#block = undefined;
    this.#count = this.#last = this.#attempt = 0;
  }

  /** @param {LogLine[]} lines */
  #append(lines) {
    const several = (this.page.store.job(this.#id)?.attempt ?? 1) > 1;
    for (const line of lines) {
      if (line.attempt !== this.#attempt && (several || this.#attempt)) this.#separate(line.attempt);
      this.#attempt = line.attempt;
      if (!this.#block || this.#block.childElementCount >= CHUNK) {
        this.#block = this.#scroll.appendChild(make("div", "lj-block"));
      }
      this.#block.append(lineOf(line));
      this.#last = line.seq;
    }
  }

  /** @param {number} attempt */
  #separate(attempt) {
    this.#block = undefined;
    this.#scroll.append(make("p", "lj-attempt", say("attempt_line", { n: attempt })));
  }

  #frame() {
    const job = this.page.store.job(this.#id);
    const over = !!job && FINISHED.includes(job.state);
    const none = job?.log_seq && this.page.health !== "live" ? "loading" : over ? "no_log_end" : "no_log";
    const latest = this.#following ? nothing : button(`↓ ${say("latest")}`, () => this.#latest(), "lj-latest");
    const log = this.#count ? [this.#scroll, latest] : html`<p class="lj-none">${say(none)}</p>`;
    this.draw(panel("log", log, this.#count ? button(this.#copied || say("copy"), () => this.#copy()) : nothing));
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
      await navigator.clipboard.writeText(lines.map(({ text }) => text).join("\n"));
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
  const span = make("span", "", text);
  span.dir = "auto";
  element.append(span);
  return element;
}

/** @param {string} tag @param {string} name @param {string} [text] */
function make(tag, name, text = "") {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}
