// The top of the page: the verdict, what makes figures invalid, the table of runs.

const runsOf = (target) => report.runs.filter((run) => run.target === target);

function totals(target) {
  const sum = {asked: 0, right: 0, wrong: 0, errors: 0, refused: 0};
  for (const {counts} of runsOf(target)) {
    sum.asked += counts.asked;
    sum.right += counts.right;
    sum.wrong += wrongOf(counts);
    sum.errors += errorsOf(counts);
    sum.refused += counts.refused;
  }
  return sum;
}

const plural = (count, one, many = `${one}s`) => `${number(count, 9)} ${count === 1 ? one : many}`;

/** One sentence on each target: what the page is about. */
function sentence(target) {
  const sum = totals(target);
  const asked = plural(sum.asked, "request");
  if (!sum.asked) return [make("b", {}, target), " was asked nothing."];
  if (!sum.errors && !sum.wrong) {
    return [make("b", {}, target), sum.refused === sum.asked ? " refused everything."
      : ` answered ${asked} with 0 errors and 0 wrong answers.`];
  }
  return [
    make("b", {}, target), " gave ",
    make(sum.errors ? "b.failed" : "b", {}, plural(sum.errors, "error")), " and ",
    make(sum.wrong ? "b.wrong" : "b", {}, plural(sum.wrong, "silently wrong answer")),
    ` in ${asked}.`,
  ];
}

function header() {
  const when = report.runs.length && report.runs[0].began
    ? new Date(report.runs[0].began * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC"
    : null;
  const {environment: env} = report;
  const facts = [when, env.cpu || env.processor, known(env.cores) ? `${env.cores} cores` : null,
    report.clips.count ? `${report.clips.count} clips` : null,
    report.clips.seconds ? `${duration(report.clips.seconds)} of audio` : null];
  return make("header", {},
    make("p.brand", {}, "safeasr bench"),
    make("h1", {}, report.title),
    make("p.facts", {}, facts.filter(known).join(" · ")),
    report.interrupted
      ? make("p.alarm", {}, "Interrupted: what follows is what was measured until then.") : null);
}

function bar(sum) {
  const pieces = [["right", sum.right], ["wrong", sum.wrong], ["failed", sum.errors],
    ["refused", sum.refused]].filter(([, count]) => count);
  const box = make("div.bar", {role: "img",
    "aria-label": pieces.map(([name, count]) => `${count} ${name}`).join(", ")});
  for (const [name, count] of pieces) {
    const piece = make(`span.${name}`, {title: `${name}: ${number(count, 9)}`});
    piece.style.flexGrow = String(count);
    box.append(piece);
  }
  return box;
}

function card(target) {
  const sum = totals(target);
  const mine = runsOf(target);
  const best = mine.reduce((a, b) => (b.rtfx > a.rtfx ? b : a), mine[0]);
  const fact = (name, value, title) =>
    make("div", {title}, make("dt", {}, name), make("dd", {}, value));
  const big = (count, name, kind, title) =>
    make(`div.big.${count && kind !== "good" ? kind : "good"}`, {title},
      make("span.count", {}, number(count, 9)), make("span", {}, name));
  const slowest = mine.map((run) => run.latency.p95).filter(known);
  return make("section.card", {}, make("h2", {}, named(target)),
    make("div.bigs", {},
      big(sum.errors, "errors", "failed", "failed or never answered"),
      big(sum.wrong, "silently wrong", "wrong", "other text or times than alone, and no error"),
      big(sum.right, `right (${shareOf(sum.right, sum.asked)})`, "good", "as it answers alone")),
    bar(sum),
    make("dl.facts", {},
      fact("asked", number(sum.asked, 9)),
      fact("refused", number(sum.refused, 9), "the target said that it is full"),
      best ? fact("best RTFx", [number(best.rtfx), make("small", {}, ` at ${best.load.label}`)],
        "seconds of audio recognised in a second") : null,
      slowest.length
        ? fact("latency p95", slowest.length > 1
          ? `${ms(Math.min(...slowest))} to ${ms(Math.max(...slowest))}` : ms(slowest[0])) : null));
}

function verdict() {
  return [
    make("div.verdict", {}, targets.map((target) => make("p", {}, sentence(target)))),
    make("div.cards", {}, targets.map(card)),
    invalid(),
    found(),
  ];
}

function invalid() {
  const bad = report.runs.filter((run) => !run.tester.valid);
  if (!bad.length) return null;
  return make("div.alarm", {}, make("b", {}, "Not the target's figures: "),
    "here the tester itself was the bottleneck.",
    make("ul", {}, bad.map((run) =>
      make("li", {}, named(run.target), `, ${run.load.label}: ${run.tester.reason}`))));
}

function found() {
  if (!report.found.length) return null;
  return make("section", {}, make("h2", {}, "Most that it can take"),
    make("div.cards", {}, report.found.map((one) => make("div.card", {},
      make("h3", {}, named(one.target)),
      make("p.most", {}, one.level
        ? [one.bounded === false ? "at least " : "", make("b", {}, number(one.level, 6)),
          ` ${one.unit || ""}`]
        : "no level reached the goal"),
      make("p.quiet", {}, `goal: ${one.goal}`),
      make("p.tried", {"aria-label": "levels tried"}, (one.tried || []).map(([level, held]) =>
        make(`span.${held ? "held" : "missed"}`, {title: held ? "goal reached" : "goal missed"},
          `${held ? "✓" : "✗"} ${number(level, 6)}`)))))));
}

const differs = (a, b) => known(a) && known(b) && Math.abs(a - b) > 0.02 * Math.max(a, b);

function runs() {
  const any = (test) => report.runs.some(test);
  const ordered = loads.flatMap((load) => targets.flatMap((target) =>
    report.runs.filter((run) => run.load.label === load && run.target === target)));
  const lat = (name, p) => (run) => ms(run[name][p]);
  const bad = (count, kind) => (count ? make(`b.${kind}`, {}, number(count, 9)) : "0");
  const slope = ({memory_slope_mb_h: m}) => (m
    ? [number(m[0]), make("small", {}, ` (${number(m[1])} to ${number(m[2])})`)] : "–");
  return table(ordered, [
    ["load", (run, at) => (at && ordered[at - 1].load.label === run.load.label
      ? "" : run.load.label)],
    ["target", (run) => named(run.target)],
    ["asked", (run) => number(run.counts.asked, 9), "n"],
    ["right", (run) => shareOf(run.counts.right, run.counts.asked), "n"],
    ["wrong", (run) => bad(wrongOf(run.counts), "wrong"), "n", "silently: no error says so"],
    ["errors", (run) => bad(errorsOf(run.counts), "failed"), "n", "failed or never answered"],
    any((run) => run.counts.refused)
      ? ["refused", (run) => number(run.counts.refused, 9), "n", "the target is full"] : null,
    ["RTFx", (run) => number(run.rtfx), "n", "seconds of audio recognised in a second"],
    ["per s", (run) => number(run.per_s), "n", "requests answered in a second"],
    ["p50", lat("latency", "p50"), "n", "latency from the planned moment"],
    ["p95", lat("latency", "p95"), "n", "latency from the planned moment"],
    ["p99", lat("latency", "p99"), "n", "known from 1,000 samples on"],
    any((run) => differs(run.latency.p95, run.latency_sent.p95))
      ? ["p95 sent", lat("latency_sent", "p95"), "n", "latency from the moment of sending"] : null,
    any((run) => run.memory_slope_mb_h)
      ? ["memory, MB/h", slope, "n", "growth, with its 95 % interval"] : null,
    any((run) => !run.tester.valid) ? ["valid", (run) => (run.tester.valid
      ? "yes" : make("b.failed", {title: run.tester.reason}, "NO"))] : null,
  ], (run, at) => (at && ordered[at - 1].load.label !== run.load.label ? "first" : ""));
}

function sessions() {
  const live = report.runs.filter((run) => known(run.real_time));
  if (!live.length) return null;
  const two = (name) => (live.some((run) => run[name].samples)
    ? (run) => (run[name].samples ? `${ms(run[name].p50)} / ${ms(run[name].p95)}` : "–") : null);
  const times = [
    ["first partial", two("first_partial"), "n", "from the first word to the first text"],
    ["first final", two("first_final"), "n", "from the first word to the first final sentence"],
    ["second pass", two("second_pass"), "n", "from the last word to the last sentence"],
    ["chunk", two("chunk"), "n", "from a chunk's end to its answer"],
    ["answer", two("latency"), "n", "from the last word to the whole answer"],
  ];
  return table(live, [
    ["load", (run) => run.load.label],
    ["target", (run) => named(run.target)],
    ["kept real time", (run) => percent(run.real_time), "n", "share of the sessions"],
    ...times.filter(([, of]) => of),
  ]);
}
