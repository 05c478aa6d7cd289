// @ts-check
import { Page } from "../page.js";
import { render } from "../vendor/lit-html.js";

/** An element in the light DOM, whose listeners end with it. */
export class LivejobsElement extends HTMLElement {
  #connected = new AbortController();
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

  /** Ends when the element leaves the page. */
  get here() {
    return this.#connected.signal;
  }

  disconnectedCallback() {
    this.#connected.abort();
  }

  /** Render and listen. */
  start() {}

  /** Listen until the element leaves the page.
   * @param {EventTarget} target @param {string} types @param {(event: any) => void} listener */
  hear(target, types, listener) {
    for (const type of types.split(" ")) target.addEventListener(type, listener, { signal: this.here });
  }

  /** @param {unknown} content */
  draw(content) {
    render(content, this);
  }

  /** @param {string} type @param {unknown} detail */
  tell(type, detail) {
    return this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, cancelable: true }));
  }
}
