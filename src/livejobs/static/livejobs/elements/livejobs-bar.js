// @ts-check
import { whole } from "../format.js";
import { html, nothing, render } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";

const PATIENCE_MS = 2000; // a shorter break is no news

/** What a person has to know about the connection; over the page, so that nothing shifts. */
export class LivejobsBar extends LivejobsElement {
  #said = "";
  #delayedAt = 0;

  start() {
    this.hear(this.page, "state hello status tick", () => this.#render());
    this.#render();
  }

  #render() {
    const notices = this.#notices();
    render(notices.map(({ text, extra, button }) => html`<p class="lj-notice">
      <span>${extra ? html`${extra} ` : nothing}${text}</span> ${button ?? nothing}</p>`), this);
    const text = notices.map((notice) => notice.text).join(" ");
    if (text && text !== this.#said) this.page.say(text);
    this.#said = text;
  }

  /** The countdown is extra: it is not spoken each second. @returns {{text: string, extra?: string, button?: any}[]} */
  #notices() {
    const { snapshot, server, user, health, lostAt, socket } = this.page;
    const notices = [];
    if (server !== snapshot.server) {
      notices.push({ text: say("updated"), button: button(say("reload"), () => location.reload()) });
    }
    if (snapshot.user && !user) {
      const { login } = snapshot.urls;
      notices.push({ text: say("signed_out"), button: login ? html`<a class="lj-button" href=${login}>${say("sign_in")}</a>` : nothing });
    }
    this.#delayedAt = health === "delayed" ? this.#delayedAt || Date.now() : 0;
    if (lostAt && Date.now() - lostAt > PATIENCE_MS) {
      const rest = socket.retryAt - Date.now();
      const waits = socket.state === "waiting" && rest > 500;
      notices.push({
        text: say("stale"),
        extra: waits ? say("reconnecting_in", { time: whole(rest + 500) }) : say(health === "reconnecting" ? "connecting" : health),
        button: button(say("try_now"), () => socket.wake()),
      });
    } else if (this.#delayedAt && Date.now() - this.#delayedAt > PATIENCE_MS) notices.push({ text: say("updates_delayed") });
    return notices;
  }
}

/** @param {string} text @param {() => void} click */
const button = (text, click) => html`<button type="button" class="lj-button" @click=${click}>${text}</button>`;
