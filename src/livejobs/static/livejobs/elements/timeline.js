// @ts-check
// What the timeline says of each step; the twin of `steps.py`.
import { ownWords } from "../describe.js";
import { clock, exact } from "../format.js";
import { FINISHED } from "../protocol.js";
import { html, nothing } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { icon } from "./parts.js";

const BY_PEOPLE = ["accept", "cancel", "retry"]; // the edges whose actor is a user; else it is a worker

/** @param {Step[]} steps oldest first @param {number} now the server's time in milliseconds */
export function timelineOf(steps, now) {
  // a cancel says already that the attempt is being stopped
  const shown = steps.filter((step, at) => step.edge !== "stopping" || steps[at - 1]?.edge !== "cancel");
  return html`<ol class="lj-steps">${shown.map((step, at) => {
    const kind = step.edge === "cancel" && step.state === "running" ? "cancelling" : step.state;
    return html`<li class="lj-is-${kind}">${icon(kind)}<span class="lj-word">${say(kind)}</span> <span class="lj-took">${
      took(step, shown[at + 1], now)}</span> <span class="lj-sub"><time datetime=${step.at}>${
      clock(step.at, true)}</time>${rest(step).map((part) => ` · ${part}`)}</span>${errorOf(step)}</li>`;
  })}</ol>`;
}

/** @param {Step} step @param {Step | undefined} after @param {number} now */
function took(step, after, now) {
  if (!after && FINISHED.includes(step.state)) return nothing;
  return exact((after ? Date.parse(after.at) : now) - Date.parse(step.at));
}

/** What happened, what follows, and who did it. @param {Step} step */
function rest({ edge, attempt, run_at, actor }) {
  const key = `edge_${edge}`;
  const what = say(key, { n: attempt });
  return [
    what === key ? "" : what,
    run_at && say("edge_next", { time: clock(run_at, true) }),
    actor && BY_PEOPLE.includes(edge) ? say("by", { actor }) : actor,
  ].filter(Boolean);
}

/** @param {Step} step */
function errorOf({ error }) {
  if (!error) return nothing;
  return html`<div class="lj-steperror"><p dir="auto">${error.type ? html`<code>${error.type}</code> ` : nothing}${
    ownWords(error) || error.message}</p>${error.traceback
      ? html`<details><summary>${say("traceback")}</summary><pre class="lj-pre" tabindex="0">${error.traceback}</pre></details>`
      : nothing}</div>`;
}
