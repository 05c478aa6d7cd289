// @ts-check
import { Page } from "../page.js";

/** What our elements share: light DOM, their page, listeners that end with them. */
export class LivejobsElement extends HTMLElement {
  /** @type {AbortController} */ #connected = new AbortController();
  /** @type {Page | undefined} */ #page;

  /** The shared page; a test may give another. */
  get page() {
    return (this.#page ??= Page.shared());
  }

  set page(page) {
    this.#page = page;
  }

  connectedCallback() {
    this.#connected = new AbortController();
    this.start();
  }

  disconnectedCallback() {
    this.#connected.abort();
  }

  /** Render and listen. */
  start() {}

  /** Listen until the element leaves the page.
   * @param {EventTarget} target @param {string} types separated by spaces @param {(event: any) => void} listener */
  hear(target, types, listener) {
    for (const type of types.split(" ")) target.addEventListener(type, listener, { signal: this.#connected.signal });
  }

  /** @param {string} type @param {unknown} detail */
  tell(type, detail) {
    return this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, cancelable: true }));
  }
}
