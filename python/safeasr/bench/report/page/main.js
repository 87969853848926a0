// Puts the page together, and says in its own attributes how that went.

function tester() {
  return table(report.runs, [
    ["target", (run) => named(run.target)],
    ["load", (run) => run.load.label],
    ["valid", (run) => (run.tester.valid ? "yes" : make("b.failed", {}, "NO"))],
    ["late p50", (run) => ms(run.tester.late_p50_ms), "n", "from the planned moment to sending"],
    ["late p95", (run) => ms(run.tester.late_p95_ms), "n"],
    ["latest", (run) => ms(run.tester.late_max_ms), "n"],
    ["held back", (run) => number(run.tester.held_back, 9), "n"],
    ["processes", (run) => number(run.tester.processes), "n"],
    ["why", (run) => run.tester.reason || (known(run.tester.late_p95_ms)
      ? "" : "callers wait for answers: nothing is planned that could be late")],
  ]);
}

function bottlenecks() {
  const rows = report.runs.filter((run) => run.bottleneck);
  return rows.length ? make("ul.plain", {}, rows.map((run) => make("li", {},
    named(run.target), make("span.quiet", {}, ` ${run.load.label}: `), run.bottleneck))) : null;
}

const spoken = (value) => (Array.isArray(value) ? value.map(spoken).join(", ") || "none"
  : value && typeof value === "object"
    ? Object.entries(value).map(([key, inner]) => `${key}: ${spoken(inner)}`).join(", ")
    : String(value));

function facts(about) {
  const rows = Object.entries(about || {}).filter(([, value]) => known(value));
  return rows.length ? make("dl.about", {}, rows.map(([name, value]) =>
    [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, spoken(value))])) : null;
}

function environment() {
  const about = targets.map((target) => [target, runsOf(target)[0].about])
    .filter(([, said]) => Object.keys(said || {}).length);
  return make("div.cards", {},
    make("div.card", {}, make("h3", {}, "Machine"), facts(report.environment)),
    Object.keys(report.clips).length
      ? make("div.card", {}, make("h3", {}, "Clips"), facts(report.clips)) : null,
    about.map(([target, said]) =>
      make("div.card", {}, make("h3", {}, named(target)), facts(said))));
}

function notes() {
  const byText = new Map();
  for (const run of report.runs) {
    for (const note of run.notes) {
      byText.set(note, [...(byText.get(note) || []), `${run.target}, ${run.load.label}`]);
    }
  }
  return byText.size ? make("ul.plain", {}, [...byText].map(([note, where]) => make("li", {
    title: where.join("\n")}, note, make("span.quiet", {},
    where.length === report.runs.length ? " (all runs)"
      : where.length > 2 ? ` (${where.length} runs)` : ` (${where.join("; ")})`)))) : null;
}

function command() {
  const button = make("button", {type: "button"}, "Save the figures as JSON");
  button.addEventListener("click", () => {
    const text = document.getElementById("report").textContent;
    const link = make("a", {download: "safeasr-bench.json",
      href: URL.createObjectURL(new Blob([text], {type: "application/json"}))});
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return [make("pre.command", {tabindex: "0"}, report.command), button];
}

const page = document.getElementById("page");

/** One part of the page; if it fails, the others are shown all the same. */
function part(title, build, lead) {
  try {
    const content = [build()].flat(3).filter((one) => one);
    if (!content.length) return;
    page.append(title ? make("section.part", {}, make("h2", {}, title),
      lead ? make("p.lead", {}, lead) : null, content) : make("div.part", {}, content));
  } catch (error) {
    problems.push(`${title}: ${error.stack || error}`);
    page.append(make("p.alarm", {}, `${title}: this part could not be shown (${error.message}).`));
  }
}

part("", header);
part("", verdict);
part("How it scales", () => {
  const trios = scaling();
  return trios && [legend(targets.map((target) => [colour(target), target])), trios];
});
part("Runs", runs, "Latency counts from the moment when a request was planned to leave, so waiting \
for a target that stalls is part of it.");
part("Live sessions", sessions, "Latencies are p50 / p95.");
part("Latency", distribution);
part("In the course of time", timelines);
part("Errors by kind", errors);
part("Answers that differ", differences, "Each clip was first recognised alone. Under load, the \
same clip has to give the same text and times.");
part("Accuracy", accuracy);
part("What held the load up", bottlenecks);
part("The tester itself", tester,
  "Figures are the target's only if the tester was not the bottleneck.");
part("Environment", environment);
part("Notes", notes);
part("Command", command);
document.body.append(tip);
for (const figure of figures) {
  try {
    figure.redraw();
  } catch (error) {
    problems.push(`${figure.spec.title || figure.spec.label}: ${error.stack || error}`);
  }
}
// For tests: that all is drawn, what failed, and how long it took.
Object.assign(document.documentElement.dataset, {
  drawn: String(document.querySelectorAll("figure.chart path").length),
  problems: JSON.stringify(problems),
  took: (performance.now() - begun).toFixed(0),
  loaded: performance.now().toFixed(0),
});
