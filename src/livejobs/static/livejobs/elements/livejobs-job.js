// @ts-check
import { plain } from "../ansi.js";
import { describe, ownWords } from "../describe.js";
import { bytes, whole } from "../format.js";
import { FINISHED } from "../protocol.js";
import { html, nothing } from "../vendor/lit-html.js";
import { language, say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { button, panel, pre, rich, stateOf } from "./parts.js";
import { resultOf } from "./result.js";
import { timelineOf } from "./timeline.js";

/** One job (`job-id`): header, result or error, log, timeline, parameters. */
export class LivejobsJob extends LivejobsElement {
  #id = 0;
  /** @type {Step[]} */ #steps = [];
  #stepsVersion = 0;
  #loading = false;
  #all = false;
  #refused = false;
  /** @type {{ traceback?: string, stacks?: string }} */ #loaded = {};

  get job() {
    return this.page.store.job(this.#id);
  }

  start() {
    const { page } = this;
    this.#id = Number(this.getAttribute("job-id"));
    this.#steps = page.snapshot.timeline ?? [];
    this.#stepsVersion = this.#steps.at(-1)?.version ?? 0;
    this.replaceChildren();
    this.hear(page.store, "change", ({ detail }) => detail.ids.has(this.#id) && this.#changed());
    this.hear(page, "tick", () => this.job && !FINISHED.includes(this.job.state) && this.render());
    this.hear(page, "hello status state", () => this.render());
    this.hear(page, "refused", ({ detail }) => {
      this.#refused ||= detail === "job";
      this.render();
    });
    page.socket.watch("job", { job_id: this.#id, log_after: () => page.store.log(this.#id).at(-1)?.seq ?? 0 });
    this.render();
  }

  #changed() {
    this.render();
    const version = this.job?.version ?? 0;
    if (version > this.#stepsVersion && !this.#loading) this.#loadSteps(version);
  }

  /** The timeline is not on the wire. @param {number} asked */
  async #loadSteps(asked) {
    this.#loading = true;
    try {
      const answer = await fetch(this.page.url(this.#id, "timeline/"));
      if (answer.ok) this.#steps = (await answer.json()).timeline;
      this.#stepsVersion = this.#steps.at(-1)?.version ?? 0;
    } catch {
      // the next change does
    } finally {
      this.#loading = false;
      this.render();
    }
    if ((this.job?.version ?? 0) > asked) this.#changed(); // it changed meanwhile
  }

  /** Text that is not on the wire. @param {"traceback" | "stacks"} what @param {string} none what to say without it
   * @param {string} [failed] and where it could not be had */
  async #load(what, none, failed = none) {
    this.#loaded[what] = say("loading");
    this.render();
    let text = failed;
    try {
      const answer = await fetch(this.page.url(this.#id, `${what}/`));
      text = answer.ok ? (await answer.text()) || none : failed;
    } catch {
      // said all the same
    }
    this.#loaded[what] = text;
    this.render();
    // on a phone it stands far from its button
    if (what === "stacks") this.querySelector("#lj-where_now")?.scrollIntoView({ block: "nearest" });
  }

  render() {
    const { job, page } = this;
    if (!job || this.#refused) {
      const why = page.store.gone(this.#id) ? say("gone") : say("not_found");
      return this.draw(html`<div class="lj-missing"><h1>${why}</h1><p>${this.#back()}</p></div>`);
    }
    const said = describe(job, page.now, page.rights, page.connected ? page.status : null);
    const awaits = job.log_seq && page.health !== "live" && !page.store.log(job.id).length;
    const { stacks } = this.#loaded;
    const running = job.state === "running";
    const where =
      running && page.snapshot.traceback ? button(say("where"), () => this.#load("stacks", say("no_stacks"))) : nothing;
    this.draw(html`<header class="lj-jobhead lj-is-${said.kind}">
${this.#back()}
<div class="lj-title"><h1 dir="auto">${said.name}</h1> <span class="lj-number">#${job.id}</span> <span class="lj-sub">${said.sub}</span></div>
<div class="lj-state">${stateOf(said)}</div>
<livejobs-actions job-id=${job.id}></livejobs-actions>
</header>
<div class="lj-jobbody ${awaits ? "lj-awaits" : ""}">
  <div class="lj-primarycol">
    ${job.state === "succeeded" ? this.#result(job) : job.state === "failed" ? this.#error(job) : nothing}
    ${running && stacks !== undefined ? panel("where_now", pre(stacks), where) : nothing}
    <livejobs-log job-id=${job.id}></livejobs-log>
  </div>
  <aside class="lj-sidecol">
    ${panel("timeline", timelineOf(this.#steps, page.now), where)} ${this.#parameters(job)} ${this.#details(job)}
  </aside>
</div>`);
  }

  #back() {
    return html`<a class="lj-back" href=${this.page.snapshot.urls.job.replace(/jobs\/0\/$/, "")}>← ${say("back")}</a>`;
  }

  /** @param {Job} job */
  #result(job) {
    const showAll = () => {
      this.#all = true;
      this.render();
    };
    const download = html`<a class="lj-button" href=${this.page.url(job.id, "result/")} download>${say("download")}</a>`;
    return panel("result", resultOf(job.result, this.#all, showAll), job.result === null ? nothing : download);
  }

  /** @param {Job} job */
  #error({ error }) {
    if (!error) return nothing;
    const own = ownWords(error);
    const text = own || error.message;
    const trace = this.#loaded.traceback;
    const offered = this.page.snapshot.traceback && !own && trace === undefined;
    return panel(
      "error",
      [
        text ? html`<p class="lj-message" dir="auto">${rich(text)}</p>` : nothing,
        trace === undefined ? nothing : pre(rich(trace)),
      ],
      offered
        ? button(say("show_traceback"), () => this.#load("traceback", say("no_traceback"), say("failed_to_load")))
        : nothing,
      html`${say("error")} ${error.type ? html`<code>${plain(error.type)}</code>` : nothing}`,
    );
  }

  /** @param {Job} job */
  #parameters({ params }) {
    const entries = Object.entries(params ?? {});
    if (!entries.length) return panel("parameters", html`<p class="lj-none">${say("no_parameters")}</p>`);
    const facts = entries.map(([name, value]) => {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return html`<dt>${name}</dt><dd dir="auto" tabindex=${text.length > 400 ? 0 : nothing}>${text}</dd>`;
    });
    return panel("parameters", html`<dl class="lj-facts">${facts}</dl>`);
  }

  /** @param {Job} job */
  #details(job) {
    const { cpu_seconds, memory_peak, memory } = job.progress;
    /** @type {[string, unknown][]} */
    const facts = [
      ["task", job.task],
      ["queue", job.queue],
      ["attempts", job.attempt],
      ["losses", job.losses],
      ["worker", job.worker],
      ["owner", job.owner],
      ["created", html`<time datetime=${job.created_at}>${new Date(job.created_at).toLocaleString(language)}</time>`],
      // last: they come while one reads
      ["cpu", cpu_seconds && whole(cpu_seconds * 1000)],
      ["memory_peak", memory_peak && bytes(memory_peak)],
      ["memory", memory && bytes(memory)],
    ];
    const shown = facts.map(([key, value]) => (value ? html`<dt>${say(key)}</dt><dd>${value}</dd>` : nothing));
    return panel("details", html`<dl class="lj-facts">${shown}</dl>`);
  }
}
