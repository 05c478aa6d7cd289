// @ts-check
import { html, render } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";

/** How it is with what is shown: green only where all of it is live. */
export class LivejobsStatus extends LivejobsElement {
  start() {
    this.replaceChildren();
    this.hear(this.page, "state", () => this.#render());
    this.#render();
  }

  #render() {
    const { health } = this.page;
    render(html`<span class="lj-pill lj-pill-${health}">${say(health)}</span>`, this);
  }
}
