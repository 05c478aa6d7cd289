// @ts-check
import { nameOf } from "./describe.js";
import { detail } from "./page.js";
import { FINISHED } from "./protocol.js";
import { number, say } from "./words.js";

/** @type {Record<string, string>} */
const MARKS = { succeeded: "✓", failed: "✕", cancelled: "⊘" };
/** @type {Record<string, string>} */
const ICONS = { running: "running", succeeded: "done", failed: "failed" };

/** The tab tells how it goes. @param {import("./page.js").Page} page */
export function followTab(page) {
  const link = /** @type {HTMLLinkElement | null} */ (document.querySelector("link[data-livejobs]"));
  if (!link) return;
  const only = document.querySelector("livejobs-job")?.getAttribute("job-id");
  /** What finished while nobody looked. @type {Job | undefined} */ let news;
  /** @type {Map<number, string>} */ const states = new Map();

  const show = () => {
    const job = only ? page.store.job(Number(only)) : undefined;
    const running = only ? job?.state === "running" : page.running > 0;
    const name = job ? nameOf(job) : say("brand");
    const { current, total } = job?.progress ?? {};
    if (news) document.title = `${MARKS[news.state]} ${nameOf(news)}`;
    else if (running && job && current && total) document.title = `${number(Math.floor((100 * current) / total))} % · ${name}`;
    else document.title = job ? `${name} · ${say("brand")}` : name;
    const state = running ? "running" : (news ?? job)?.state;
    const href = `${link.dataset.livejobs}${ICONS[state ?? ""] ?? "idle"}.svg`;
    if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  };
  const look = () => {
    if (document.visibilityState === "visible") news = undefined;
    show();
  };
  const changed = (/** @type {Iterable<number>} */ ids) => {
    for (const id of ids) {
      const job = page.store.job(id);
      if (!job) continue;
      const old = states.get(id);
      if (old && !FINISHED.includes(old) && FINISHED.includes(job.state) && document.hidden) news = job;
      states.set(id, job.state);
    }
    show();
  };
  changed(page.store.jobs().map(({ id }) => id));
  page.store.addEventListener("change", (event) => changed(detail(event).ids));
  page.addEventListener("list", show);
  document.addEventListener("visibilitychange", look);
}
