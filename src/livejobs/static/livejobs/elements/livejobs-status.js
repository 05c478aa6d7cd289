// @ts-check
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";

/** Green only where all that is shown is live. */
export class LivejobsStatus extends LivejobsElement {
  start() {
    this.hear(this.page, "state", () => this.#render());
    this.#render();
  }

  /** A new one, too: its text would shift. */
  #render() {
    const { health } = this.page;
    const pill = document.createElement("span");
    pill.className = `lj-pill lj-pill-${health}`;
    pill.textContent = say(health);
    this.replaceChildren(pill);
  }
}
