// @ts-check
import { plain } from "../ansi.js";
import { ownWords } from "../describe.js";
import { exact } from "../format.js";
import { BY_PEOPLE, EdgeName, FINISHED } from "../protocol.js";
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { icon, pre, rich, timeOf } from "./parts.js";

/** @param {Step[]} steps oldest first @param {number} now the server's time in milliseconds */
export function timelineOf(steps, now) {
  // a cancel says so already
  const shown = steps.filter(({ edge }, at) => edge !== EdgeName.STOPPING || steps[at - 1]?.edge !== EdgeName.CANCEL);
  return html`<ol class="lj-steps">${shown.map((step, at) => {
    const kind = step.edge === EdgeName.CANCEL && step.state === "running" ? "cancelling" : step.state;
    const stayed = took(step, shown[at + 1], now);
    const about = [timeOf(step.at), ...rest(step).map((part) => html` · ${part}`)];
    return html`<li class="lj-is-${kind}">${icon(kind)}<span class="lj-word">${say(kind)}</span> <span class="lj-took">${stayed}</span> <span class="lj-sub">${about}</span>${errorOf(step)}</li>`;
  })}</ol>`;
}

/** @param {Step} step @param {Step | undefined} after @param {number} now */
function took(step, after, now) {
  const stayed = exact((after ? Date.parse(after.at) : now) - Date.parse(step.at));
  if (after) return stayed;
  return FINISHED.includes(step.state) ? "" : new Text(stayed); // a new one: it grows to the left, which is a shift
}

/** What happened, what follows, and who did it. @param {Step} step */
function rest({ edge, attempt, run_at, actor }) {
  const key = `edge_${edge}`;
  const what = say(key, { n: attempt });
  const [before, after] = say("edge_next", { time: "|" }).split("|");
  return [
    what !== key && what,
    run_at && html`${before}${timeOf(run_at)}${after}`,
    actor && BY_PEOPLE.includes(edge) ? say("by", { actor }) : actor,
  ].filter(Boolean);
}

/** @param {Step} step */
function errorOf({ error }) {
  if (!error) return nothing;
  const { type, traceback } = error;
  return html`<div class="lj-steperror"><p dir="auto">${type && html`<code>${plain(type)}</code> `}${ownWords(error) || rich(error.message)}</p>${
    traceback && html`<details><summary>${say("traceback")}</summary>${pre(rich(traceback))}</details>`
  }</div>`;
}
