// What went wrong, clip by clip, and what a reader must know to judge the figures.

/** Errors of one kind and target, over all loads. */
function errors() {
  const byKind = new Map();
  for (const run of report.runs) {
    for (const one of run.errors) {
      const key = JSON.stringify([run.target, one.kind]);
      const sum = byKind.get(key) || {...one, target: run.target, count: 0, loads: []};
      sum.count += one.count;
      sum.loads.push(run.load.label);
      byKind.set(key, sum);
    }
  }
  const rows = [...byKind.values()].sort((a, b) => b.count - a.count);
  if (!rows.length) return make("p.fine", {}, "No request failed.");
  const most = rows[0].count;
  return table(rows, [
    ["target", (one) => named(one.target)],
    ["kind", (one) => [make("b", {}, one.kind), one.refusal ? " (refused: full)" : ""]],
    ["count", (one) => number(one.count, 9), "n"],
    ["", (one) => {
      const length = make(`span.length.${one.refusal ? "refused" : "failed"}`);
      length.style.width = `${Math.max(2, (80 * one.count) / most)}px`;
      return length;
    }],
    ["first message", (one) => make("code", {}, one.first), "wide"],
    ["when", (one) => `${clock(one.at)}, ${one.loads[0]}`],
  ]);
}

/** Words, or single characters of scripts that do not part words. */
const pieces = (text) => text.match(
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]|[\p{L}\p{N}']+|\s+|./gsu) || [];

/** Which pieces of each text are not in the other: by a longest common subsequence. */
function unlike(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start &&
    a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const [n, m] = [a.length - start - end, b.length - start - end];
  const [marksA, marksB] = [a, b].map((all) =>
    all.map((_, at) => at >= start && at < all.length - end));
  if (n * m > 4e6) return [marksA, marksB];
  const wide = m + 1;
  const length = new Uint16Array((n + 1) * wide);
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      length[i * wide + j] = a[start + i] === b[start + j]
        ? length[(i + 1) * wide + j + 1] + 1
        : Math.max(length[(i + 1) * wide + j], length[i * wide + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < n && j < m;) {
    if (a[start + i] === b[start + j]) marksA[start + i++] = marksB[start + j++] = false;
    else if (length[(i + 1) * wide + j] >= length[i * wide + j + 1]) i++;
    else j++;
  }
  return [marksA, marksB];
}

/** A text with what differs marked. */
function marked(all, marks, kind) {
  const parts = [];
  for (let at = 0; at < all.length;) {
    let to = at;
    while (to < all.length && marks[to] === marks[at]) to++;
    const text = all.slice(at, to).join("");
    parts.push(marks[at] ? make(`mark.${kind}`, {}, text) : text);
    at = to;
  }
  return parts.length ? parts : make("i.quiet", {}, "nothing");
}

function soundOf(audio) {
  // FLAC, Ogg and WAV name themselves; the rest is MP3.
  const head = atob(audio.slice(0, 8));
  const type = {fLaC: "flac", OggS: "ogg", RIFF: "wav"}[head.slice(0, 4)] || "mpeg";
  return make("audio", {controls: "", preload: "none", src: `data:audio/${type};base64,${audio}`});
}

function difference({run, one}, open) {
  const body = make("div.texts");
  const fill = () => {
    if (body.childNodes.length) return;
    const [expected, got] = [pieces(one.expected), pieces(one.got)];
    const [marksA, marksB] = unlike(expected, got);
    body.append(make("dl", {},
      make("dt", {}, "alone"), make("dd", {}, marked(expected, marksA, "expected")),
      make("dt", {}, "under load"), make("dd", {}, marked(got, marksB, "got"))));
    if (one.audio) body.append(soundOf(one.audio));
  };
  const whose = one.whose ? make("span.whose", {}, `this is ${one.whose}`) : null;
  const details = make("details.clip", {},
    make("summary", {}, swatch(run.target), make("b", {}, one.clip),
      make("span.kind", {}, kinds[one.kind] || one.kind), whose,
      make("span.quiet", {},
        `${number(one.count, 9)}× with ${run.load.label}, first at ${clock(one.at)}`)),
    body);
  details.addEventListener("toggle", fill);
  if (open) {
    fill();
    details.setAttribute("open", "");
  }
  return details;
}

function differences() {
  const all = report.runs.flatMap((run) => run.differences.map((one) => ({run, one})));
  if (!all.length) {
    return make("p.fine", {}, "Every answer was the one that the target gives alone.");
  }
  const clips = all.map((each, at) => difference(each, at < 6));
  const rest = clips.slice(20);
  return [
    legend(targets.map((target) => [colour(target), target])),
    make("div.clips", {}, clips.slice(0, 20)),
    rest.length ? make("details", {}, make("summary", {}, `${number(rest.length)} more`),
      make("div.clips", {}, rest)) : null,
  ];
}

function accuracy() {
  const rows = report.runs.filter((run) => run.accuracy);
  return rows.length ? table(rows, [
    ["target", (run) => named(run.target)],
    ["load", (run) => run.load.label],
    ["unit", (run) => run.accuracy.unit],
    ["error rate alone", (run) => percent(run.accuracy.alone), "n"],
    ["under load", (run) => percent(run.accuracy.loaded), "n"],
    ["difference", (run) => {
      const more = run.accuracy.loaded - run.accuracy.alone;
      return Math.abs(more) < 5e-6 ? "0" : `${more > 0 ? "+" : ""}${number(100 * more)} points`;
    }, "n"],
    ["clips with a reference", (run) => number(run.accuracy.references, 9), "n"],
  ]) : null;
}
