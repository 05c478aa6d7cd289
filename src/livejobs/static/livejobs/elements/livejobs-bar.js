// @ts-check
import { whole } from "../format.js";
import { html } from "../vendor/lit-html.js";
import { say } from "../words.js";
import { LivejobsElement } from "./element.js";
import { button } from "./parts.js";

const PATIENCE_MS = 2000; // shorter is no news

/** What one has to know about the connection. */
export class LivejobsBar extends LivejobsElement {
  #said = "";
  #delayedAt = 0;

  start() {
    this.hear(this.page, "state hello status tick", () => this.#render());
    this.#render();
  }

  #render() {
    const notices = this.#notices();
    this.draw(
      notices.map(({ text, extra = "", button }) => html`<p class="lj-notice"><span>${extra} ${text}</span> ${button}</p>`),
    );
    const text = notices.map((notice) => notice.text).join(" ");
    if (text && text !== this.#said) this.page.say(text);
    this.#said = text;
  }

  /** What is extra is not spoken. @returns {{text: string, extra?: string, button?: any}[]} */
  #notices() {
    const { snapshot, server, user, health, lostAt, socket } = this.page;
    const notices = [];
    if (server !== snapshot.server) {
      notices.push({ text: say("updated"), button: button(say("reload"), () => location.reload()) });
    }
    if (snapshot.user && !user) {
      const { login } = snapshot.urls;
      notices.push({ text: say("signed_out"), button: login && html`<a class="lj-button" href=${login}>${say("sign_in")}</a>` });
    }
    this.#delayedAt = health === "delayed" ? this.#delayedAt || Date.now() : 0;
    if (lostAt && Date.now() - lostAt > PATIENCE_MS) {
      const rest = socket.retryAt - Date.now();
      const waits = socket.state === "waiting" && rest > 500;
      notices.push({
        text: say("stale"),
        extra: say(waits ? "reconnecting_in" : health === "reconnecting" ? "connecting" : health, { time: whole(rest + 500) }),
        button: button(say("try_now"), () => socket.wake()),
      });
    } else if (this.#delayedAt && Date.now() - this.#delayedAt > PATIENCE_MS) notices.push({ text: say("updates_delayed") });
    return notices;
  }
}
