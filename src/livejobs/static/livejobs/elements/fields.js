// @ts-check
import { html, nothing, render } from "../vendor/lit-html.js";
import { say } from "../words.js";

/** The fields of one task, from its JSON Schema. What one typed stays in the DOM: 200 KB cost nothing at each key. */
export class Fields {
  element = document.createElement("div");

  /** @param {Task} task @param {string} prefix of the ids */
  constructor(task, prefix) {
    this.task = task;
    this.prefix = prefix;
    this.properties = Object.entries(task.schema.properties ?? {});
    this.required = new Set(task.schema.required ?? []);
    this.element.className = "lj-fields";
    const fields = this.properties.map(([name, property]) => this.#field(name, property));
    render(fields, this.element);
  }

  read() {
    /** @type {Record<string, unknown>} */ const params = {};
    /** @type {Record<string, string>} */ const problems = {};
    for (const [name, property] of this.properties) {
      const control = this.control(name);
      if (!control) continue;
      if (control.validity.badInput) problems[name] = say("number");
      const value = read(control, property);
      if (value !== undefined) params[name] = value;
      if (/\p{Surrogate}/u.test(control.value)) problems[name] = say("not_text");
    }
    return { params, problems };
  }

  /** The text to shorten. */
  get longest() {
    const length = (/** @type {string} */ name) => this.control(name)?.value.length ?? 0;
    return this.properties.map(([name]) => name).reduce((a, b) => (length(b) > length(a) ? b : a), "");
  }

  /** @param {string} name @returns {any} */
  control(name) {
    return this.element.querySelector(`#${CSS.escape(`${this.prefix}-${name}`)}`);
  }

  /** @param {Record<string, string>} errors
   * @returns {HTMLElement | undefined} the first field with an error */
  show(errors) {
    let first;
    for (const [name] of this.properties) {
      const control = this.control(name);
      if (showError(control, errors[name] ?? "") && errors[name]) first ??= control;
    }
    return first;
  }

  /** @param {string} name @param {Property} property */
  #field(name, property) {
    const id = `${this.prefix}-${name}`;
    const required = this.required.has(name);
    const star = required ? html`<span class="lj-star" aria-hidden="true"> *</span>` : nothing;
    const label = html`<span class="lj-label">${property.title}${star}</span>`;
    const described = property.description ? `${id}-hint ${id}-error` : `${id}-error`;
    const control = controlOf(id, property, required, described);
    return html`<div class="lj-field">
      <label for=${id} class=${isCheck(property) ? "lj-check" : ""}>${isCheck(property) ? [control, label] : label}</label>
      ${isCheck(property) ? nothing : control}
      ${property.description ? html`<p class="lj-hint" id="${id}-hint">${property.description}</p>` : nothing}
      <p class="lj-error" id="${id}-error" hidden></p>
    </div>`;
  }
}

/** Show or hide the error of one control. @param {any} control @param {string} text */
export function showError(control, text) {
  const place = document.getElementById(`${control?.id}-error`);
  if (!place) return false;
  place.textContent = text;
  place.hidden = !text;
  if (text) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
  return true;
}

/** @param {Property} property */
const typeOf = ({ type }) => (Array.isArray(type) ? type[0] : type);

/** @param {Property} property */
const nullable = ({ type }) => Array.isArray(type) && type.includes("null");

/** @param {Property} property */
const isCheck = (property) => typeOf(property) === "boolean" && !nullable(property) && !property.enum;

/** Of a select: an enum's, or those of a boolean that may be null.
 * @param {Property} property @returns {any[] | undefined} */
function choicesOf(property) {
  return property.enum ?? (typeOf(property) === "boolean" && nullable(property) ? [true, false, null] : undefined);
}

/** @param {string} id @param {Property} property @param {boolean} required @param {string} described */
function controlOf(id, property, required, described) {
  const value = property.default ?? "";
  const choices = choicesOf(property);
  if (choices) {
    const chosen = "default" in property ? property.default : choices[0]; // the default may be null
    const option = (/** @type {unknown} */ choice, /** @type {number} */ at) =>
      html`<option value=${at} ?selected=${choice === chosen}>${choiceText(choice)}</option>`;
    return html`<select id=${id} aria-describedby=${described}>${choices.map(option)}</select>`;
  }
  if (isCheck(property)) return html`<input type="checkbox" id=${id} aria-describedby=${described} ?checked=${value === true}>`;
  if (property.format === "textarea") {
    return html`<textarea id=${id} rows="7" aria-describedby=${described} ?required=${required}
      .defaultValue=${String(value)} @input=${turn}></textarea>`;
  }
  const kind = typeOf(property);
  const number = kind === "integer" || kind === "number";
  const type = number ? "number" : property.format === "date" ? "date" : "text";
  const step = number ? (property.multipleOf ?? (kind === "integer" ? 1 : "any")) : nothing;
  return html`<input id=${id} type=${type} dir=${type === "text" ? "auto" : nothing} autocomplete="off" value=${String(value)}
    aria-describedby=${described} ?required=${required} step=${step} min=${property.minimum ?? nothing}
    max=${property.maximum ?? nothing}>`;
}

/** dir="auto" takes 0.2 s at each key in a long line. @param {{target: any}} event */
function turn({ target }) {
  target.dir = /^\P{L}*[\u0590-\u08ff]/u.test(target.value.slice(0, 200)) ? "rtl" : "ltr";
}

/** @param {unknown} choice */
function choiceText(choice) {
  if (choice === null) return say("none");
  return typeof choice === "boolean" ? say(choice ? "yes" : "no") : String(choice);
}

/** As JSON; undefined leaves the param out. @param {any} control @param {Property} property */
function read(control, property) {
  const choices = choicesOf(property);
  if (choices) return choices[control.value];
  if (isCheck(property)) return control.checked;
  const { value } = control;
  if (value === "" && nullable(property)) return null;
  const kind = typeOf(property);
  if (kind === "integer" || kind === "number") return value === "" ? undefined : exactNumber(value);
  return value === "" && property.format === "date" ? undefined : value;
}

/** As text where a number would change; the server reads both. @param {string} text */
function exactNumber(text) {
  const value = Number(text);
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? text : value;
}
