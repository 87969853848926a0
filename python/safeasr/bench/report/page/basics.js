// What all parts of the page use: the data, elements, numbers as people read them.

const begun = performance.now();
const problems = [];
window.addEventListener("error", (event) => problems.push(String(event.message)));

const report = JSON.parse(document.getElementById("report").textContent);
const targets = [...new Set(report.runs.map((run) => run.target))];
const loads = [...new Set(report.runs.map((run) => run.load.label))];

/** An element: make("p.note", {title: "..."}, "text", child). Texts never become markup. */
function make(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
  return element;
}

/** The same of a figure's parts. */
function draw(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.flat());
  return element;
}

const known = (value) => value !== null && value !== undefined;

function number(value, digits = 3) {
  if (!known(value)) return "–";
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  const places = Number.isInteger(value) ? 0 : Math.max(0, Math.min(6, digits - 1 - size));
  return value.toLocaleString("en", {maximumFractionDigits: places});
}

/** Milliseconds, from 10 s on as seconds. */
function ms(value) {
  if (!known(value)) return "–";
  return Math.abs(value) >= 10000 ? `${number(value / 1000)} s` : `${number(value)} ms`;
}

function percent(share, digits = 3) {
  return known(share) ? `${number(100 * share, digits)} %` : "–";
}

/** Of counts: never 100 % unless it is all, never 0 % unless it is none. */
function shareOf(count, all) {
  if (!all) return "–";
  const share = (100 * count) / all;
  if (count && share < 0.01) return "< 0.01 %";
  if (count < all && share > 99.99) return "> 99.99 %";
  const text = number(share, share > 99 ? 4 : 3);
  return `${text} %`;
}

function duration(seconds) {
  if (!known(seconds)) return "–";
  if (seconds < 180) return `${number(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${number(seconds / 60)} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Time on an axis of so many seconds. */
function clock(seconds, whole = seconds) {
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  const [h, m, s] = [seconds / 3600, (seconds / 60) % 60, seconds % 60];
  if (whole >= 3600) return `${Math.floor(h)}:${two(m)}${seconds % 60 ? ":" + two(s) : ""} h`;
  if (whole >= 120) return `${Math.floor(m)}:${two(s)} min`;
  return `${number(seconds)} s`;
}

const wrongOf = (counts) => counts.different + counts.swapped + counts.empty + counts.doubled;
const errorsOf = (counts) => counts.failed + counts.lost;

const kinds = {
  different: "another text",
  swapped: "another clip's text",
  empty: "nothing",
  doubled: "more than one answer",
};

/** The class that gives a target its colour and dashes. */
const colour = (target) => `s${targets.indexOf(target) % 8}`;

function swatch(target) {
  return make(`span.swatch.${colour(target)}`, {"aria-hidden": "true"});
}

function named(target) {
  return make("span.target", {}, swatch(target), target);
}

/** Level of a load with its unit: "16 callers" gives "callers". */
function levelUnit(run) {
  const words = String(run.load.label).replace(/[\d.,]+/g, "").trim();
  return words || run.load.kind;
}

/** A table; columns are [head, function of the row, class, title], or null: left out. */
function table(rows, columns, rowClass = () => "") {
  const used = columns.filter((column) => column);
  const head = make("tr", {}, used.map(([name, , kind, title]) =>
    make(`th${kind ? "." + kind : ""}`, {scope: "col", title}, name)));
  const body = rows.map((row, at) => {
    const kind = rowClass(row, at);
    return make(`tr${kind ? "." + kind : ""}`, {}, used.map(([, of, cellKind]) =>
      make(`td${cellKind ? "." + cellKind : ""}`, {}, of(row, at))));
  });
  return make("div.scroll", {tabindex: "0"}, make("table", {},
    make("thead", {}, head), make("tbody", {}, body)));
}

/** Buttons of which one is chosen; `choose` is called with the choice, at once with the first. */
function choice(label, names, choose, first = names[0]) {
  const buttons = names.map((name) => {
    const button = make("button", {type: "button"}, name);
    button.addEventListener("click", () => select(name));
    return button;
  });
  function select(name) {
    buttons.forEach((button, at) =>
      button.setAttribute("aria-pressed", String(names[at] === name)));
    choose(name);
  }
  select(first);
  const box = make("div.choice", {role: "group", "aria-label": label}, buttons);
  return names.length > 1 ? box : null;
}
