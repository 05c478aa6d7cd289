// @ts-check
import { describe } from "../describe.js";
import { FINISHED } from "../protocol.js";
import { html, nothing, render } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { button, stateOf } from "./parts.js";

/** The list of one's own jobs. Rows patch in place; nothing shifts under the pointer.
 *
 * Event "livejobs-open" (the job); prevent it to open the job elsewhere. */
export class LivejobsTable extends LivejobsElement {
  /** @type {Map<number, HTMLTableRowElement>} */ #rows = new Map();
  /** @type {number[]} */ #order = [];
  /** Jobs that wait until the reader looks at the top. @type {Set<number>} */ #held = new Set();
  #body = document.createElement("tbody");
  #top = Infinity; // of the list as drawn
  #mine = 0; // started here last

  start() {
    const focused = document.activeElement?.closest(".lj-row")?.id ?? leftFrom();
    const { page } = this;
    this.#top = page.list.top;
    this.#body.setAttribute("role", "rowgroup");
    this.#sync([], true);
    this.replaceChildren();
    this.#frame();
    if (focused) document.getElementById(focused)?.querySelector("a")?.focus({ preventScroll: true });
    this.hear(page.store, "change", ({ detail }) => this.#changed(detail.ids));
    this.hear(page, "own", ({ detail }) => this.#own(detail));
    this.hear(page, "tick", () => {
      if (this.#held.size && !this.#busy()) this.#held.forEach((id) => this.#show(id));
      this.#refresh();
    });
    this.hear(page, "hello status state", () => this.#refresh(true));
    this.hear(page, "list", () => this.#frame());
    this.hear(this, "click", (event) => this.#clicked(event));
    page.watchList();
  }

  /** @param {Set<number>} ids */
  #changed(ids) {
    this.#sync(ids, !this.#busy());
    this.#frame();
  }

  /** On top at once, tinted for a second. @param {number} id */
  #own(id) {
    this.#mine = id;
    this.page.list.newest();
    this.#show(id);
    this.#frame();
  }

  /** Whether new rows would move what a person looks at. */
  #busy() {
    const selection = getSelection();
    return (
      this.#body.matches(":hover, :focus-within") ||
      this.getBoundingClientRect().top < -40 ||
      !!(selection && !selection.isCollapsed && this.contains(selection.anchorNode))
    );
  }

  /** @param {Iterable<number>} ids @param {boolean} welcome whether new rows may appear on top */
  #sync(ids, welcome) {
    const { store } = this.page;
    for (const id of ids) if (!store.job(id)) this.#remove(id);
    const [top] = this.#order;
    for (const id of top ? ids : store.jobs().map((job) => job.id)) {
      const job = store.job(id);
      if (!job) continue;
      if (this.#rows.has(id)) this.#render(job);
      else if (!top || id < top || welcome || id === this.#mine) this.#show(id);
      else this.#held.add(id);
    }
  }

  #release() {
    for (const id of this.#held) this.#show(id);
    this.#frame();
    this.scrollIntoView({ block: "nearest" });
    this.#body.querySelector("a")?.focus();
  }

  /** @param {number} id */
  #show(id) {
    this.#held.delete(id);
    const job = this.page.store.job(id);
    if (!job || this.#rows.has(id)) return;
    const row = document.createElement("tr");
    row.id = `job-${id}`;
    row.setAttribute("role", "row");
    const below = this.#order.findIndex((other) => other < id);
    const at = below < 0 ? this.#order.length : below;
    this.#body.insertBefore(row, this.#rows.get(this.#order[at]) ?? null);
    this.#order.splice(at, 0, id);
    this.#rows.set(id, row);
    row.classList.toggle("lj-own", id === this.#mine);
    this.#render(job);
  }

  /** @param {number} id */
  #remove(id) {
    this.#held.delete(id);
    if (!this.#rows.has(id)) return;
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
    this.#order.splice(this.#order.indexOf(id), 1);
  }

  /** @param {boolean} [all] those that are finished, too */
  #refresh(all) {
    for (const id of this.#rows.keys()) {
      const job = this.page.store.job(id);
      if (job && (all || !FINISHED.includes(job.state))) this.#render(job);
    }
    this.#frame();
  }

  /** @param {Job} job */
  #render(job) {
    const row = /** @type {HTMLTableRowElement} */ (this.#rows.get(job.id));
    const { now, rights, status, connected } = this.page;
    const said = describe(job, now, rights, connected ? status : null);
    const own = row.classList.contains("lj-own") ? " lj-own" : "";
    row.className = `lj-row lj-is-${said.kind}${own}`;
    const cells = html`
<td role="cell" class="lj-id">${job.id}</td>
<td role="cell" class="lj-what"><a href=${this.page.url(job.id)} dir="auto" title=${said.name}>${said.name}</a> <span class="lj-sub" title=${said.sub}>${said.sub}</span></td>
<td role="cell" class="lj-state">${stateOf(said)}</td>
<td role="cell" class="lj-act"><livejobs-actions job-id=${job.id}></livejobs-actions></td>`;
    render(cells, row);
  }

  #frame() {
    const { list, running, connected } = this.page;
    const held = this.#held.size;
    const buttons = [
      held ? button(say("new", { n: held }), () => this.#release(), "lj-new") : nothing,
      list.top < Infinity ? button(say("newest"), () => list.newest(), "lj-new") : nothing,
    ];
    const count = running ? say("count", { n: running }) : "";
    const hidden = html`<span class="lj-hidden">${say("column_actions")}</span>`;
    const titles = [say("column_id"), say("column_name"), say("column_status"), hidden];
    const table = html`<table class="lj-table" role="table" aria-labelledby="lj-list-title">
<thead role="rowgroup"><tr role="row">${titles.map((title) => html`<th role="columnheader" scope="col">${title}</th> `)}</tr></thead>
${this.#body}
</table>`;
    const older = html`<button type="button" class="lj-button lj-older" ?disabled=${!connected || list.busy}
      @click=${() => list.older()}>${say("older")}</button>`;
    this.draw([
      html`<div class="lj-listhead"><h2 id="lj-list-title">${say("list")}</h2> <span class="lj-count">${count}</span>${buttons}</div>`,
      this.#rows.size ? [table, list.more ? older : nothing] : html`<p class="lj-empty">${say("empty")}</p>`,
    ]);
    if (list.top === this.#top) return;
    this.#top = list.top;
    this.scrollIntoView({ block: "start" });
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const link = /** @type {Element} */ (event.target).closest(".lj-what a");
    const id = Number(link?.closest("tr")?.id.slice(4));
    if (!link) return;
    if (this.tell("livejobs-open", this.page.store.job(id))) history.replaceState({ livejobs: `job-${id}` }, "");
    else event.preventDefault();
  }
}

/** The row that the page was left from, after Back. @returns {string | undefined} */
function leftFrom() {
  const [visit] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  return visit?.type === "back_forward" ? history.state?.livejobs : undefined;
}
