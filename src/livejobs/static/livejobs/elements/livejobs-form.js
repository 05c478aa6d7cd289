// @ts-check
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { Fields, showError } from "./fields.js";

const AGAIN_MS = 700; // of a double click

/** The runner. The attribute `task` preselects one.
 *
 * Events: "livejobs-submit" (what will be started; prevent it to start nothing), "livejobs-started" (the job),
 * "livejobs-refused" (the CommandError). */
export class LivejobsForm extends LivejobsElement {
  /** By task. @type {Map<string, Fields>} */ #fields = new Map();
  #chosen = "";
  #busy = false;
  #note = "";
  #open = false;
  #clickedAt = 0; // 0 once something has changed

  get task() {
    return this.page.tasks.find((task) => task.name === this.#chosen) ?? this.page.tasks[0];
  }

  start() {
    const { page } = this;
    this.#chosen = this.getAttribute("task") ?? new URLSearchParams(location.search).get("task") ?? "";
    this.replaceChildren();
    this.hear(page, "hello state", () => this.render());
    this.hear(page.store, "change", () => this.#fold());
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.submit();
    };
    this.hear(this, "submit", submit);
    this.hear(this, "input", (event) => {
      this.#clickedAt = 0;
      showError(event.target, "");
    });
    this.hear(this, "keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
    });
    this.render();
  }

  render() {
    const { tasks, connected } = this.page;
    const { task } = this;
    if (!task) return this.draw(html`<p class="lj-empty">${say("nothing")}</p>`);
    const note = this.#busy && !connected ? say("checking") : this.#note;
    this.draw(html`<form class="lj-form" novalidate>
      <div class="lj-field">
        <label for="lj-task"><span class="lj-label">${say("task")}</span></label>
        <select id="lj-task" .value=${task.name} @change=${(/** @type {any} */ event) => this.choose(event.target.value)}>
          ${tasks.map(({ name, title }) => html`<option value=${name} ?selected=${name === task.name}>${title}</option>`)}</select>
        ${task.doc ? html`<p class="lj-hint">${task.doc.split("\n\n", 1)[0]}</p>` : nothing}
      </div>
      <button type="button" class="lj-options" aria-expanded=${this.#open} @click=${() => this.#toggle()}>${say("options")}</button>
      <div class="lj-field lj-name">
        <label for="lj-name"><span class="lj-label">${say("name")}</span></label>
        <input id="lj-name" type="text" dir="auto" autocomplete="off" placeholder=${say("optional")} aria-describedby="lj-name-error">
        <p class="lj-error" id="lj-name-error" hidden></p>
      </div>
      ${this.fields.element}
      <button class="lj-primary" aria-disabled=${this.#busy ? "true" : nothing}>${say("run", { title: task.title })}</button>
      <p class="lj-formnote" ?hidden=${!note}>${note}</p>
    </form>`);
    this.#fold();
  }

  get fields() {
    const { task } = this;
    let fields = this.#fields.get(task.name);
    if (!fields || JSON.stringify(fields.task) !== JSON.stringify(task)) {
      this.#fields.set(task.name, (fields = new Fields(task, `lj-${task.name}`)));
    }
    return fields;
  }

  /** @param {string} name */
  choose(name) {
    this.#chosen = name;
    this.#note = "";
    this.render();
  }

  async submit() {
    const { task, fields } = this;
    if (this.#busy || !task || Date.now() - this.#clickedAt < AGAIN_MS) return;
    const { params, problems } = fields.read();
    const size = new TextEncoder().encode(JSON.stringify(params)).length;
    const limit = this.page.snapshot.limits.params;
    const kilobytes = { size: Math.ceil(size / 1024), limit: Math.floor(limit / 1024) };
    if (size > limit) problems[fields.longest] = say("too_large", kilobytes);
    if (Object.keys(problems).length) return this.#refuse("", problems);
    const what = { task: task.name, name: this.#name.value, params };
    if (!this.tell("livejobs-submit", what)) return;
    await this.#start(what);
  }

  /** @param {StartWhat} what */
  async #start(what) {
    this.#busy = true;
    this.#clickedAt = Date.now();
    this.#refuse("", {});
    try {
      const job = await this.page.start(what);
      this.#name.value = "";
      this.tell("livejobs-started", job);
    } catch (error) {
      const { code, message, fields } = /** @type {import("../socket.js").CommandError} */ (error);
      const own = { disconnected: "offline", dropped: "session_changed" }[code];
      this.#busy = false;
      this.#clickedAt = 0;
      this.#refuse(own ? say(own) : message, fields ?? {});
      this.tell("livejobs-refused", error);
    } finally {
      this.#busy = false;
      this.render();
    }
  }

  /** Say why at the fields, else below the button. @param {string} message @param {Record<string, string>} errors */
  #refuse(message, errors) {
    const { fields } = this;
    let first = fields.show(errors);
    const name = fields.control("name") ? "" : (errors.name ?? "");
    showError(this.#name, name);
    if (name) first = this.#name;
    this.#note = first ? "" : message;
    this.#open ||= !!first;
    this.render();
    first?.focus();
    if (this.#note) this.page.say(this.#note);
  }

  get #name() {
    return /** @type {HTMLInputElement} */ (this.querySelector("#lj-name"));
  }

  #toggle() {
    this.#open = !this.#open;
    this.render();
  }

  /** On a phone, once jobs exist; not where fields are required. */
  #fold() {
    const { task, page } = this;
    const form = this.querySelector("form");
    const foldable = !task?.schema.required?.length;
    form?.classList.toggle("lj-foldable", foldable);
    form?.classList.toggle("lj-folded", foldable && !this.#open && page.store.size > 0);
  }
}
