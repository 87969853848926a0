// Time lines: what was asked, how long it took and what the machine did, on one axis of time.

/** Points [second, value] of one column; `per` divides counts by the seconds they stand for. */
function column(seconds, values, per = false) {
  if (!values) return [];
  return seconds.t.map((t, at) =>
    [t, known(values[at]) && per ? values[at] / seconds.width[at] : values[at]]);
}

const hundred = (share) => (known(share) ? 100 * share : share);
const some = (values) => Boolean(values) && values.some((value) => value);
const there = (values) => Boolean(values) && values.some(known);

/** Names of the target's own gauges that say most, first. */
function gauges(seconds) {
  const names = Object.keys(seconds.target).filter((name) => there(seconds.target[name]));
  const weight = (name) => (/queue|pending|waiting/i.test(name) ? 0
    : /batch|active|in_flight/i.test(name) ? 1 : some(seconds.target[name]) ? 2 : 3);
  return names.sort((a, b) => weight(a) - weight(b)).slice(0, 6);
}

/** Bars upon each other: points [second, top, foot]. */
function stacked(seconds, names) {
  let feet = seconds.t.map(() => 0);
  return names.map((name) => {
    const points = column(seconds, seconds[name], true).map(([t, value], at) =>
      [t, feet[at] + (value || 0), feet[at]]);
    if (points.length) feet = points.map((point) => point[1]);
    return {name, style: name, kind: "bars", points: some(seconds[name]) ? points : [],
      tell: ([, top, foot]) => number(top - foot)};
  });
}

/** The panels of one run: [name, unit, axis, lines]. */
function panels(run) {
  const s = run.seconds;
  const own = colour(run.target);
  const line = (name, values, style = own, extra = {}) =>
    ({name, style, points: column(s, values), ...extra});
  const rate = (name, values, style, extra = {}) =>
    ({name, style, points: some(values) ? column(s, values, true) : [], ...extra});
  const total = s.cores.length ? s.t.map((_, at) => s.cores.reduce((sum, core) =>
    sum + (core[at] || 0), 0)) : null;
  const list = [
    ["requests", "per s", {zero: true}, [
      rate("answered", s.answered, own, {kind: "area"}),
      rate("asked", s.asked, "ink.thin"),
      ...stacked(s, ["failed", "wrong", "refused"]),
    ]],
    ["latency", "ms", {scale: "log", format: ms, tick: number}, [
      there(s.p95) ? line("p95", s.p95) : null,
      there(s.p50) ? line("p50", s.p50, `${own}.thin`) : null,
    ]],
    ["under way", "requests", {zero: true}, [
      some(s.in_flight) ? line("under way", s.in_flight) : null]],
    ["processors", "cores", {zero: true, high: s.cores.length || undefined}, [
      there(total) ? line(`all of ${s.cores.length} cores`, total, "quiet", {kind: "area"}) : null,
      there(s.target_cores) ? line("target", s.target_cores) : null,
      there(s.tester_cores) ? line("tester", s.tester_cores, "ink.thin") : null,
    ]],
    ["throttled", "% of time", {zero: true, low: 0}, [
      some(s.throttled) ? line("throttled", s.throttled.map(hundred), "failed") : null,
    ]],
    ["GPU", "% busy", {low: 0, high: 100}, [
      there(s.gpu) ? line("GPU", s.gpu.map(hundred)) : null]],
    ["GPU memory", "MB", {}, [there(s.gpu_memory_mb) ? line("GPU memory", s.gpu_memory_mb) : null]],
    ["memory", "MB", {}, [there(s.memory_mb) ? line("memory", s.memory_mb) : null]],
    ["threads", "", {}, [there(s.threads) ? line("threads", s.threads) : null]],
    ...gauges(s).map((name) => [name.replaceAll("_", " "), "", {zero: true},
      [line(name.replaceAll("_", " "), s.target[name])]]),
  ];
  return list.map(([name, unit, axis, lines]) => [name, unit, axis,
    lines.filter((one) => one && one.points.length)]).filter(([, , , lines]) => lines.length);
}

/** Highest values of all runs shown side by side, so that their axes are the same. */
function common(all) {
  const limits = new Map();
  for (const [name, , , lines] of all.flat()) {
    const values = lines.flatMap((line) => line.points.map((point) => point[1])).filter(known);
    const [low, high] = limits.get(name) || [Infinity, -Infinity];
    limits.set(name, values.reduce(([a, b], v) => [v > 0 || a === Infinity ? Math.min(a, v) : a,
      Math.max(b, v)], [low, high]));
  }
  return limits;
}

function timelineOf(run, list, limits, until) {
  const group = [];
  const widest = Math.max(...run.seconds.width);
  const together = widest > 1 ? `, ${number(widest)} s together` : "";
  const figure = list.map(([name, unit, axis, lines], at) => {
    const last = at === list.length - 1;
    const [low, high] = limits.get(name);
    const fixed = {...axis};
    if (axis.scale === "log") Object.assign(fixed, {low: Math.max(low, 0.01), high});
    else if (axis.zero && !known(axis.high)) fixed.high = high > 0 ? high * 1.08 : undefined;
    else if (!axis.zero && !known(axis.low)) {
      const room = 0.1 * (high - low) || 0.05 * high;
      Object.assign(fixed, {low: low - room, high: high + room});
    }
    return chart({
      label: `${name} of ${run.target}, ${run.load.label}`, short: name, group, compact: true,
      height: (name === "requests" || name === "latency" ? 140 : 92) + (last ? 28 : 0), lines,
      x: {low: 0, high: until, time: true, format: (v) => clock(v, until),
        label: last ? "time since the load began" : null,
        tell: (v) => clock(Math.round(v), until) + together},
      y: {format: (v) => `${number(v)} ${unit}`, tick: number, ...fixed, label: unit ? `${name}, ${unit}` : name},
    });
  });
  const note = widest > 1 ? make("p.quiet", {}, `Each point stands for ${number(widest)} s: `,
    "rates are their mean; latency p95, memory and gauges their largest value.") : null;
  return make("section.run", {}, make("h3", {}, named(run.target)),
    run.bottleneck ? make("p.bottleneck", {}, run.bottleneck) : null, note, figure);
}

function timelines() {
  const timed = report.runs.filter((run) => run.seconds.t.length > 1);
  if (!timed.length) return null;
  const place = make("div.runs");
  const names = loads.filter((load) => timed.some((run) => run.load.label === load));
  const show = (load) => {
    const runs = timed.filter((run) => run.load.label === load);
    const all = runs.map(panels);
    const limits = common(all);
    const until = Math.max(...runs.map((run) => run.seconds.t[run.seconds.t.length - 1] +
      run.seconds.width[run.seconds.width.length - 1]));
    figures.splice(0, figures.length, ...figures.filter((one) => !place.contains(one.figure)));
    place.replaceChildren(...runs.map((run, at) => timelineOf(run, all[at], limits, until)));
    figures.forEach((one) => one.redraw());
  };
  // The heaviest load that all targets had tells most.
  const full = names.filter((load) =>
    new Set(timed.filter((run) => run.load.label === load).map((r) => r.target)).size ===
      new Set(timed.map((run) => run.target)).size);
  const first = full.length ? full[full.length - 1] : names[0];
  const chosen = choice("which load", names, show, first);
  return [make("div.controls", {}, chosen, legend([
    ["ink.thin", "asked"], ["failed", "failed"], ["wrong", "silently wrong"],
    ["refused", "refused"],
  ])), place];
}
