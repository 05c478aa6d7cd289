// @ts-check
import { LivejobsElement } from "./element.js";

/** What there is to know about the jobs that one may start. */
export class LivejobsNotices extends LivejobsElement {
  start() {
    this.hear(this.page, "status", ({ detail }) => this.#render(detail.notices ?? []));
  }

  /** @param {string[]} notices */
  #render(notices) {
    const before = [...this.children].map(({ textContent }) => textContent);
    if (notices.join() === before.join()) return;
    for (const text of notices) if (!before.includes(text)) this.page.say(text);
    const made = () => document.createElement("p");
    this.replaceChildren(
      ...notices.map((textContent) => Object.assign(made(), { className: "lj-error", role: "note", dir: "auto", textContent })),
    );
  }
}
