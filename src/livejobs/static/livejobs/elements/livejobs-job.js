// @ts-check
import { describe, nameOf, ownWords } from "../describe.js";
import { detail } from "../page.js";
import { FINISHED } from "../protocol.js";
import { html, nothing, render } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { barOf, icon } from "./parts.js";
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
  /** @type {string | null} */ #traceback = null;

  get job() {
    return this.page.store.job(this.#id);
  }

  start() {
    const { page } = this;
    this.#id = Number(this.getAttribute("job-id"));
    this.#steps = page.snapshot.timeline ?? [];
    this.#stepsVersion = this.#steps.at(-1)?.version ?? 0;
    this.replaceChildren();
    this.hear(page.store, "change", (event) => detail(event).ids.has(this.#id) && this.#changed());
    this.hear(page, "tick", () => this.job && !FINISHED.includes(this.job.state) && this.render());
    this.hear(page, "hello status state", () => this.render());
    this.hear(page, "refused", (event) => {
      this.#refused ||= detail(event) === "job";
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
      // the next change asks again
    } finally {
      this.#loading = false;
      this.render();
    }
    if ((this.job?.version ?? 0) > asked) this.#changed(); // it changed meanwhile
  }

  async #loadTraceback() {
    this.#traceback = say("loading");
    this.render();
    try {
      const answer = await fetch(this.page.url(this.#id, "traceback/"));
      this.#traceback = answer.ok ? (await answer.text()) || say("no_traceback") : say("failed_to_load");
    } catch {
      this.#traceback = say("failed_to_load");
    }
    this.render();
  }

  render() {
    const { job, page } = this;
    if (!job || this.#refused) {
      const why = page.store.gone(this.#id) ? say("gone") : say("not_found");
      return render(html`<div class="lj-missing"><h1>${why}</h1><p>${this.#back()}</p></div>`, this);
    }
    const said = describe(job, page.now, page.rights, page.connected ? page.status : null);
    render(html`<header class="lj-jobhead lj-is-${said.kind}">
${this.#back()}
<div class="lj-title"><h1 dir="auto">${said.name}</h1> <span class="lj-number">#${job.id}</span> <span class="lj-sub">${said.sub}</span></div>
<div class="lj-state">${icon(said.kind)}<span class="lj-word">${said.word}</span> <span class="lj-line">${barOf(said)}<span class="lj-text" dir="auto" title=${said.line}>${said.line}</span></span></div>
<livejobs-actions job-id=${job.id}></livejobs-actions>
</header>
<div class="lj-jobbody">
  <div class="lj-primarycol">
    ${job.state === "succeeded" ? this.#result(job) : job.state === "failed" ? this.#error(job) : nothing}
    <livejobs-log job-id=${job.id}></livejobs-log>
  </div>
  <aside class="lj-sidecol">
    ${this.#timeline()} ${this.#parameters(job)} ${this.#details(job)}
  </aside>
</div>`, this);
  }

  #back() {
    return html`<a class="lj-back" href=${this.page.snapshot.urls.job.replace(/jobs\/0\/$/, "")}>← ${say("back")}</a>`;
  }

  /** @param {Job} job */
  #result(job) {
    return html`<section class="lj-panel" aria-labelledby="lj-result"><div class="lj-panelhead"><h2 id="lj-result">${say("result")}</h2>${
      job.result === null ? nothing
        : html`<a class="lj-button" href=${this.page.url(job.id, "result/")} download>${say("download")}</a>`}</div>
      ${resultOf(job.result, this.#all, () => ((this.#all = true), this.render()))}</section>`;
  }

  /** @param {Job} job */
  #error({ error }) {
    if (!error) return nothing;
    const own = ownWords(error);
    const text = own || error.message;
    return html`<section class="lj-panel lj-failure" aria-labelledby="lj-error-title"><div class="lj-panelhead">
      <h2 id="lj-error-title">${say("error")}${error.type ? html` <code>${error.type}</code>` : nothing}</h2>${
        this.page.snapshot.traceback && !own && this.#traceback === null
          ? html`<button type="button" class="lj-button" @click=${() => this.#loadTraceback()}>${say("show_traceback")}</button>` : nothing}</div>
      ${text ? html`<p class="lj-message" dir="auto">${text}</p>` : nothing}
      ${this.#traceback === null ? nothing : html`<pre class="lj-pre" tabindex="0">${this.#traceback}</pre>`}</section>`;
  }

  #timeline() {
    return html`<section class="lj-panel" aria-labelledby="lj-timeline"><div class="lj-panelhead"><h2 id="lj-timeline">${say("timeline")}</h2></div>
      ${timelineOf(this.#steps, this.page.now)}</section>`;
  }

  /** @param {Job} job */
  #parameters({ params }) {
    const entries = Object.entries(params ?? {});
    return html`<section class="lj-panel" aria-labelledby="lj-params"><div class="lj-panelhead"><h2 id="lj-params">${say("parameters")}</h2></div>
      ${entries.length ? html`<dl class="lj-facts">${entries.map(([name, value]) => html`<dt>${name}</dt><dd dir="auto" tabindex=${
        String(value).length > 400 ? 0 : nothing}>${
        typeof value === "string" ? value : JSON.stringify(value)}</dd>`)}</dl>` : html`<p class="lj-none">${say("no_parameters")}</p>`}</section>`;
  }

  /** @param {Job} job */
  #details(job) {
    /** @type {[string, unknown][]} */
    const facts = [
      ["task", job.task],
      ["queue", job.queue],
      ["attempts", job.attempt || null],
      ["losses", job.losses || null],
      ["worker", job.worker],
      ["owner", job.owner],
    ];
    return html`<section class="lj-panel" aria-labelledby="lj-details"><div class="lj-panelhead"><h2 id="lj-details">${say("details")}</h2></div>
      <dl class="lj-facts">${facts.map(([key, value]) => (value ? html`<dt>${say(key)}</dt><dd>${value}</dd>` : nothing))}
      <dt>${say("created")}</dt><dd><time datetime=${job.created_at}>${new Date(job.created_at).toLocaleString("en-GB")}</time></dd></dl></section>`;
  }

  get label() {
    return this.job ? nameOf(this.job) : "";
  }
}
