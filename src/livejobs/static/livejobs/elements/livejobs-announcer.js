// @ts-check
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";

const PAUSE_MS = 1000;
const AT_ONCE = 3;

/** Speaks, politely: what comes within a second together. */
export class LivejobsAnnouncer extends LivejobsElement {
  /** @type {string[]} */ #texts = [];
  /** @type {any} */ #timer;

  start() {
    this.hear(this.page, "say", ({ detail }) => this.#hear(detail));
  }

  /** @param {string} text */
  #hear(text) {
    this.#texts.push(text);
    this.#timer ??= setTimeout(() => this.#speak(), 150); // after the region itself
  }

  #speak() {
    const texts = this.#texts.splice(0);
    const rest = texts.length - AT_ONCE;
    this.textContent = texts.slice(0, AT_ONCE).join(". ") + (rest > 0 ? `, ${say("said_more", { n: rest })}` : "");
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#texts.length) this.#speak();
    }, PAUSE_MS);
  }
}
