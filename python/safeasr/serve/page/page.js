// Brings the parts of the page together: tabs, language, models, the key.

import { FilePanel } from "./file_panel.js";
import { choose, language, notify, onLanguage, quiet, say, speak } from "./language.js";
import { LivePanel } from "./live_panel.js";
import { Load } from "./load.js";
import { address, ask, keep, key } from "./server.js";

const DEMO = "demo";
const RETRY_MS = 3000;

const find = (id) => document.getElementById(id);

let models = [];

function model() {
  return models.find(({ id }) => id === find("model").value) ?? models[0] ?? {};
}

const panels = { live: new LivePanel({ model, needKey }), file: new FilePanel({ model, needKey }) };

// Tabs: the arrow keys move between them, as people who use screen readers expect.

const tabs = ["live", "file"].map((name) => find(`tab-${name}`));

function open(tab) {
  for (const one of tabs) {
    const isOpen = one === tab;
    one.setAttribute("aria-selected", isOpen);
    one.tabIndex = isOpen ? 0 : -1;
    find(one.getAttribute("aria-controls")).hidden = !isOpen;
  }
}

tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: i + 1, ArrowLeft: i + tabs.length - 1, Home: 0, End: -1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const next = tabs.at(steps[event.key] % tabs.length);
    next.focus();
    open(next);
  });
});

function showLanguage() {
  const button = find("language");
  button.textContent = say("other");
  button.lang = language === "en" ? "zh-CN" : "en";
}

find("language").addEventListener("click", () => choose(language === "en" ? "zh" : "en"));
onLanguage(showLanguage);

function needKey() {
  find("key-why").dataset.word = key() ? "key.wrong" : "key.why";
  find("key-why").textContent = say(find("key-why").dataset.word);
  find("key-form").hidden = false;
  find("key").focus();
}

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(find("key").value.trim());
  find("key").value = "";
  find("key-form").hidden = true;
  loadModels();
});

async function loadModels() {
  try {
    models = (await ask("v1/models")).data;
  } catch (problem) {
    if (problem.status === 401) needKey();
    else {
      notify(find("notice"), "error", problem.word, problem.values);
      setTimeout(loadModels, RETRY_MS);
    }
    return;
  }
  quiet(find("notice"));
  const names = models.map(({ id }) => id);
  const shown = [...find("model").options].map(({ value }) => value);
  if (String(names) !== String(shown)) {
    find("model").replaceChildren(...names.map((name) => new Option(name)));
  }
  find("model-choice").hidden = false;
  showModel();
}

/** What a model can do is known once it is loaded. */
function onLoaded(names) {
  const known = models.filter(({ loaded }) => loaded).map(({ id }) => id);
  if (models.length > 0 && String(known.sort()) !== String(names.sort())) loadModels();
}

function showModel() {
  const isDemo = model().id === DEMO;
  find("live-demo").hidden = !isDemo;
  find("sample").hidden = !isDemo;
}

find("model").addEventListener("change", showModel);

function showAddresses() {
  find("at-funasr").textContent = address(".", "ws").href;
  find("at-openai").textContent = address("v1").href;
  find("at-realtime").textContent = address("v1/realtime", "ws").href;
  find("at-metrics").textContent = address("metrics").href;
}

speak();
open(tabs[0]);
showAddresses();
loadModels();
new Load({
  needed: () => panels.live.isBusy,
  onStopping: () => panels.live.move(),
  onLoaded,
});
