// Figures over levels of load, and distributions of latency.

/** Runs of loads that differ in their level only, by kind of load; at least two levels. */
function ladders() {
  const byKind = Map.groupBy
    ? Map.groupBy(report.runs, (run) => run.load.kind)
    : report.runs.reduce((map, run) =>
      map.set(run.load.kind, [...(map.get(run.load.kind) || []), run]), new Map());
  return [...byKind.values()].filter((runs) =>
    new Set(runs.map((run) => run.load.level)).size > 1 && runs.every((run) =>
      Number.isFinite(run.load.level)));
}

function scaling() {
  const found = ladders();
  if (!found.length) return null;
  return found.map((all) => {
    const levels = [...new Set(all.map((run) => run.load.level))].sort((a, b) => a - b);
    const even = levels[levels.length - 1] / Math.max(levels[0], 1e-9) > 6 && levels[0] > 0;
    const x = {
      scale: even ? "log" : "linear", ticks: levels, label: levelUnit(all[0]), format: number,
      pad: 1.15, tell: (v) => `${number(v)} ${levelUnit(all[0])}`,
    };
    const of = (value, extra = {}) => targets.map((target) => ({
      name: target, style: colour(target), markers: true,
      points: all.filter((run) => run.target === target)
        .map((run) => [run.load.level, value(run)]).sort((a, b) => a[0] - b[0]),
      ...extra,
    }));
    const thin = (lines) => lines.map((line) =>
      ({...line, name: `${line.name}, p50`, style: `${line.style}.thin`, markers: false}));
    const bad = (run) => run.counts.asked
      ? 100 * (wrongOf(run.counts) + errorsOf(run.counts)) / run.counts.asked : null;
    const latencies = [
      ...of((run) => run.latency.p95).map((line) => ({...line, name: `${line.name}, p95`})),
      ...thin(of((run) => run.latency.p50)),
    ];
    return make("div.trio", {},
      chart({title: "Audio recognised per second (RTFx)", x, lines: of((run) => run.rtfx),
        y: {label: "RTFx, s of audio per s", zero: true}}),
      chart({title: "Latency: p95, thin p50", x,
        y: {scale: "log", label: "latency, ms", format: ms, tick: number}, lines: latencies}),
      chart({title: "Wrong answers and errors", x,
        y: {label: "share of requests, %", zero: true, low: 0, format: (v) => `${number(v)} %`,
          tick: number}, lines: of(bad)}));
  });
}

const GROWTH = Math.log(1.02);
const edge = (k) => 0.01 * Math.exp(k * GROWTH);

/** Points [ms, share of the samples below], from the bins. */
function shares(latency) {
  const points = [];
  let below = 0;
  latency.bins.forEach((count, k) => {
    if (!count) return;
    if (!points.length || points[points.length - 1][1] !== below) {
      points.push([edge(latency.first_bin + k), below / latency.samples]);
    }
    below += count;
    const to = Math.min(edge(latency.first_bin + k + 1), latency.max ?? Infinity);
    points.push([to, below / latency.samples]);
  });
  return points;
}

const distributions = {
  "from schedule": "latency",
  "from sending": "latency_sent",
  "first partial": "first_partial",
  "first final": "first_final",
  "second pass": "second_pass",
  chunk: "chunk",
};

function tail(latency) {
  const most = 1 - 1 / latency.samples;
  const points = shares(latency).map(([at, share]) => [share, at])
    .filter(([share]) => share <= most && share < 0.999999);
  if (known(latency.max)) points.push([Math.min(most, 0.999999), latency.max]);
  return points;
}

function distribution() {
  const measured = Object.keys(distributions).filter((name) =>
    report.runs.some((run) => run[distributions[name]].samples));
  if (!measured.length) return null;
  const same = report.runs.every((run) => !differs(run.latency.p95, run.latency_sent.p95));
  const names = measured.filter((name) => !(same && name === "from sending"));
  const place = make("div.grid");
  let attribute = "latency";
  let view = "percentiles";
  const show = () => {
    const of = (run) => run[distributions[attribute]];
    const all = report.runs.filter((run) => of(run) && of(run).samples);
    const lowest = Math.min(...all.map((run) => shares(of(run))[0][0]));
    const highest = Math.max(...all.map((run) => of(run).max));
    const time = {scale: "log", label: "latency, ms", format: ms, tick: number, low: lowest,
      high: highest};
    const most = Math.max(...all.map((run) => 1 - 1 / of(run).samples));
    const share = (v) => `${number(100 * v, 6)} %`;
    figures.splice(0, figures.length, ...figures.filter((one) => !place.contains(one.figure)));
    const height = new Set(all.map((run) => run.load.label)).size < 3 ? 300 : 230;
    place.replaceChildren(...loads.map((load) => {
      const runs = all.filter((run) => run.load.label === load);
      if (!runs.length) return "";
      const lines = runs.map((run) => ({name: run.target, style: colour(run.target),
        points: view === "percentiles" ? tail(of(run)) : shares(of(run))}));
      return chart(view === "percentiles"
        ? {title: load, height, lines, y: time, x: {scale: "nines", low: 0,
          high: Math.min(0.99999, most), format: share, label: "percentile", room: 60,
          tell: (v) => `${share(v)} of the answers within`}}
        : {title: load, height, lines, x: {...time, format: number, tell: ms},
          y: {low: 0, high: 1, format: share, tick: (v) => number(100 * v),
            label: "share answered, %"}});
    }).filter((one) => one));
    figures.forEach((one) => one.redraw());
  };
  const what = choice("which latency", names, (name) => { attribute = name; show(); });
  const how = choice("kind of figure", ["percentiles", "shares"], (name) => {
    view = name;
    show();
  });
  return [make("div.controls", {}, what, how, legend(targets.map((t) => [colour(t), t]))), place];
}
