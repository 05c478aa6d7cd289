// @ts-check
import { html, render } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";

/** The state of the connection in the header. */
export class LivejobsStatus extends LivejobsElement {
  start() {
    this.replaceChildren();
    this.hear(this.page, "state hello", () => this.#render());
    this.#render();
  }

  #render() {
    const { live, server, lostAt } = this.page;
    const kind = live ? "live" : server && lostAt && this.#wasLive ? "reconnecting" : "connecting";
    this.#wasLive ||= live;
    render(html`<span class="lj-pill lj-pill-${kind}">${say(kind)}</span>`, this);
  }

  #wasLive = false;
}
