// Which language the page speaks, and how texts get into it.

import { WORDS } from "./words.js";

const KEPT = "safeasr.language";
const listeners = [];

function first() {
  const kept = localStorage.getItem(KEPT);
  if (kept in WORDS) return kept;
  const wanted = (navigator.languages ?? [navigator.language]).map((one) => one.slice(0, 2));
  return wanted.find((one) => one in WORDS) ?? "en";
}

export let language = first();

/** A text; what stands in braces is taken from `values`. */
export function say(word, values = {}) {
  const text = WORDS[language][word];
  if (text === undefined) throw new Error(`no such text: ${word}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Put a text into an element, where it follows the language. */
export function put(element, word, values = {}) {
  element.dataset.word = word;
  element.dataset.values = JSON.stringify(values);
  element.textContent = say(word, values);
}

/** Translate all of an element that names its texts. */
export function translate(root = document) {
  for (const element of root.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word, JSON.parse(element.dataset.values ?? "{}"));
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    const values = JSON.parse(element.dataset.values ?? "{}");
    element.setAttribute("aria-label", say(element.dataset.label, values));
  }
}

/** Speak another language from now on, and on the next visit. */
export function choose(other) {
  language = other;
  localStorage.setItem(KEPT, other);
  speak();
}

/** Write the whole page in the language. */
export function speak() {
  document.documentElement.lang = say("tag");
  translate();
  for (const listener of listeners) listener();
}

/** Be told when the language changes. */
export function onLanguage(listener) {
  listeners.push(listener);
}

/** A number as people of the language write it. */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(say("tag"), { maximumFractionDigits: digits }).format(value);
}

/** Show a message in an element: "error", "warning" or "info". */
export function notify(element, kind, word, values = {}) {
  const isShown = !element.hidden && element.dataset.word === word;
  if (isShown && element.dataset.values === JSON.stringify(values)) return; // not read out again
  element.className = `notice ${kind}`;
  put(element, word, values);
  element.hidden = false;
}

/** Take a message away. */
export function quiet(element) {
  element.hidden = true;
  delete element.dataset.word;
  element.textContent = "";
}
