// @ts-check
import { actionsOf, nameOf } from "../describe.js";
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { button } from "./parts.js";

const NOTE_MS = 5000;
const FRESH_MS = 1000;

/** The actions on one job (`job-id`) that are legal now. Cancel asks in place. */
export class LivejobsActions extends LivejobsElement {
  #asking = false;
  #busy = false;
  #note = "";
  /** @type {string | undefined} */ #shown;
  /** Until then a button that came up under the pointer is dead. */
  #freshUntil = 0;
  /** @type {any} */ #timer;

  get job() {
    return this.page.store.job(Number(this.getAttribute("job-id")));
  }

  start() {
    this.replaceChildren();
    this.hear(this.page.store, "change", ({ detail }) => this.job && detail.ids.has(this.job.id) && this.render());
    this.hear(this.page, "hello", () => this.render());
    this.hear(this, "keydown", (event) => event.key === "Escape" && this.#asking && this.#keep());
    this.render();
  }

  /** @param {string} action */
  act(action) {
    if (!this.job || !this.#idle || !actionsOf(this.job, this.page.rights).includes(action)) return;
    if (action === "cancel") this.#ask();
    else this.#retry(this.job);
  }

  /** Not `disabled`: that would take the focus away. */
  get #idle() {
    return !this.#busy && Date.now() >= this.#freshUntil;
  }

  render() {
    const { job } = this;
    if (!job) return;
    const [action] = actionsOf(job, this.page.rights);
    if (action !== "cancel") this.#asking = false;
    if (this.#shown === "cancel" && action === "retry" && this.matches(":hover, :focus-within")) {
      this.#freshUntil = Date.now() + FRESH_MS;
      setTimeout(() => this.render(), FRESH_MS);
    }
    this.#shown = action;
    const had = this.contains(document.activeElement);
    this.draw(this.#asking ? this.#question(job) : this.#button(job, action));
    // a focused button that goes leaves the focus to the row's link
    if (had && !this.contains(document.activeElement)) this.closest("tr, header")?.querySelector("a")?.focus();
  }

  /** @param {Job} job @param {string | undefined} action */
  #button(job, action) {
    const label = action && say(`${action}_job`, { name: `${nameOf(job)} (${job.id})` });
    const act = () => this.act(action ?? "");
    return [
      action &&
        html`<button type="button" class="lj-button" aria-label=${label} aria-disabled=${this.#idle ? nothing : "true"}
          @click=${act}>${say(action)}</button>`,
      this.#note && html`<span class="lj-over lj-note">${this.#note}</span>`,
    ];
  }

  /** @param {Job} job */
  #question(job) {
    const question = say("stop_job", { id: `${job.id}` });
    const buttons = [button(say("stop_it"), () => this.#cancel(job), "lj-danger"), button(say("keep"), () => this.#keep())];
    return html`<span class="lj-over" role="group" aria-label=${question}><span>${question}</span>${buttons}</span>`;
  }

  #ask() {
    this.#asking = true;
    this.#note = "";
    this.render();
    this.querySelector("button")?.focus();
  }

  #keep() {
    this.#asking = false;
    this.render();
    this.querySelector("button")?.focus();
  }

  /** @param {Job} job */
  #cancel(job) {
    this.#asking = false;
    return this.#command(() => this.page.socket.cancel(job.id));
  }

  /** @param {Job} job */
  #retry(job) {
    return this.#command(async () => {
      await this.page.socket.retry(job.id);
      this.#tellNote(say("attempt_queued", { n: job.attempt + 1 }));
    });
  }

  /** @param {() => Promise<unknown>} command */
  async #command(command) {
    this.#busy = true;
    this.render();
    try {
      await command();
    } catch (error) {
      this.#tellNote(refusal(/** @type {any} */ (error)));
    } finally {
      this.#busy = false;
      this.render();
    }
  }

  /** @param {string} text */
  #tellNote(text) {
    this.#note = text;
    this.page.say(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#note = "";
      this.render();
    }, NOTE_MS);
  }
}

/** @param {import("../socket.js").CommandError} error */
function refusal({ code, message }) {
  if (code === "finished") return say("too_late");
  if (code === "disconnected") return say("not_connected");
  return code === "dropped" ? say("unanswered") : message;
}
