// Figures with two axes: lines, areas and bars, a cursor, values beside the pointer.

const figures = [];
const tip = make("div.tip", {hidden: "", role: "status"});

const scales = {
  linear: {to: (v) => v, from: (v) => v},
  log: {to: (v) => Math.log10(v), from: (v) => 10 ** v},
  // Shares on which 0.9, 0.99, 0.999 lie evenly.
  nines: {to: (v) => -Math.log10(1 - v), from: (v) => 1 - 10 ** -v},
};

function niceStep(span, most, minutes) {
  const raw = span / Math.max(1, most);
  if (minutes && raw > 1) {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];
    return steps.find((step) => step >= raw) || Math.ceil(raw / 86400) * 86400;
  }
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) * power;
}

/** Places of an axis's marks within [low, high], about as many as there is room for. */
function ticks(axis, low, high, most) {
  if (axis.ticks) return axis.ticks;
  if (axis.scale === "nines") {
    return [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].filter((v) => v >= low && v <= high);
  }
  if (axis.scale === "log") {
    const digits = [[1, 2, 5], [1, 3], [1]].map((set) => {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        found.push(...set.map((digit) => digit * 10 ** power));
      }
      return found.filter((v) => v >= low * 0.999 && v <= high * 1.001);
    });
    const fitting = digits.find((set) => set.length <= most) || digits[2];
    const thinner = Math.ceil(fitting.length / most);
    return fitting.filter((_, at) => at % thinner === 0);
  }
  const step = niceStep(high - low, most, axis.time);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) {
    found.push(at * step);
  }
  return found;
}

/** Lowest and highest value of an axis; widened to whole marks where it begins at zero. */
function range(axis, values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!known(value) || (axis.scale === "log" && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (axis.scale === "linear" && axis.zero) low = Math.min(0, low);
  low = axis.low ?? low;
  high = axis.high ?? high;
  if (!(low <= high)) [low, high] = axis.scale === "log" ? [1, 10] : [0, 1];
  if (axis.scale === "log") {
    const pad = high / low < 1.5 ? 1.5 : axis.pad ?? 1.1;
    return [low / pad, high * pad];
  }
  if (low === high) high = low + (Math.abs(low) || 1);
  if (axis.scale === "linear" && axis.zero && !known(axis.high)) high += (high - low) * 0.08;
  return [low, high];
}

/** The point of a line nearest to a place on the x axis; undefined if none is there. */
function nearest(points, x, scale) {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle + 1;
    else high = middle;
  }
  const [left, right] = [points[Math.max(0, low - 1)], points[low]];
  if (!left) return right;
  const away = (point) => Math.abs(scale.to(point[0]) - scale.to(x));
  return away(left) < away(right) ? left : right;
}

function pathOf(line, X, Y, base) {
  let path = "";
  let pen = false;
  let from = null;
  let last = null;
  const close = () => {
    if (line.kind === "area" && last !== null) path += `L${last} ${base}L${from} ${base}Z`;
  };
  for (const [x, y, foot] of line.points) {
    const place = known(y) ? Y(y) : NaN;
    if (!Number.isFinite(place)) {
      if (pen) close();
      pen = false;
      continue;
    }
    const at = X(x).toFixed(1);
    if (line.kind === "bars") {
      // A bar of a stack: from its foot to y, and never too small to be seen.
      const bottom = Y(foot);
      if (y > foot) path += `M${at} ${bottom.toFixed(1)}V${Math.min(bottom - 2, place).toFixed(1)}`;
      continue;
    }
    if (!pen) from = at;
    path += `${pen ? "L" : "M"}${at} ${place.toFixed(1)}`;
    last = at;
    pen = true;
  }
  if (pen) close();
  return path;
}

const margins = {left: 62, right: 14, top: 10, bottom: 40};

/**
 * A figure that fits its place's width and draws itself anew when that changes.
 *
 * spec: {title, label, height, x, y, lines, group, short, compact}; an axis is {scale, label,
 * format, tick, tell, ticks, low, high, zero, pad, time}; a line is {name, kind: line | area | bars, style,
 * points: [[x, y]], markers, format, tell}. Figures of one group (an array) share the cursor.
 */
function chart(spec) {
  const svg = draw("svg", {role: "img", "aria-label": spec.label || spec.title});
  const plot = make("div", {}, svg);
  const figure = make(`figure.chart${spec.compact ? ".compact" : ""}`, {},
    spec.title ? make("figcaption", {}, spec.title) : null, plot);
  const x = {scale: "linear", format: number, ...spec.x};
  const y = {scale: "linear", format: number, ...spec.y};
  const lines = spec.lines.filter((line) => line.points.length);
  const group = spec.group || [];
  const me = {figure, spec, y};
  let cursor = null;
  let X = null;
  let Y = null;

  me.redraw = () => {
    const width = Math.floor(plot.clientWidth);
    if (width < 40 || width === me.width) return;
    me.width = width;
    const height = spec.height || 260;
    const inner = {
      left: margins.left,
      right: width - margins.right,
      top: spec.compact ? 20 : margins.top,
      bottom: height - (spec.compact ? (x.label ? 34 : 6) : margins.bottom),
    };
    const [x0, x1] = range(x, lines.flatMap((line) => line.points.map((point) => point[0])));
    const [y0, y1] = range(y, lines.flatMap((line) => line.points.map((point) => point[1])));
    const [sx, sy] = [scales[x.scale], scales[y.scale]];
    X = (v) => inner.left +
      ((sx.to(v) - sx.to(x0)) / (sx.to(x1) - sx.to(x0))) * (inner.right - inner.left);
    Y = (v) => inner.bottom -
      ((sy.to(v) - sy.to(y0)) / (sy.to(y1) - sy.to(y0))) * (inner.bottom - inner.top);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const parts = [];
    const room = Math.max(2, Math.floor((inner.right - inner.left) / (x.room || 70)));
    for (const value of ticks(x, x0, x1, room)) {
      const at = X(value);
      parts.push(draw("line.grid", {x1: at, x2: at, y1: inner.top, y2: inner.bottom}));
      if (x.label || !spec.compact) {
        const text = x.format(value, x1);
        // The outermost ones stay within the figure.
        const half = 3.4 * text.length;
        const middle = Math.max(half, Math.min(width - half - 1, at));
        parts.push(draw("text.tick", {x: middle, y: inner.bottom + 15, "text-anchor": "middle"},
          text));
      }
    }
    const rows = Math.max(3, Math.floor((inner.bottom - inner.top) / 32));
    for (const value of ticks(y, y0, y1, rows)) {
      const at = Y(value);
      parts.push(draw("line.grid", {x1: inner.left, x2: inner.right, y1: at, y2: at}));
      parts.push(draw("text.tick", {x: inner.left - 6, y: at + 4, "text-anchor": "end"},
        (y.tick || y.format)(value)));
    }
    if (x.label) {
      parts.push(draw("text.axis", {x: (inner.left + inner.right) / 2, y: height - 6,
        "text-anchor": "middle"}, x.label));
    }
    if (y.label && spec.compact) {
      parts.push(draw("text.panel", {x: inner.left, y: 13}, y.label));
    } else if (y.label) {
      const middle = (inner.top + inner.bottom) / 2;
      parts.push(draw("text.axis", {x: 12, y: middle, "text-anchor": "middle",
        transform: `rotate(-90 12 ${middle})`}, y.label));
    }
    for (const line of lines) {
      const kind = line.kind || "line";
      const path = draw(`path.${kind}.${line.style}`, {d: pathOf(line, X, Y, inner.bottom)});
      if (kind === "bars") {
        const each = (inner.right - inner.left) / line.points.length;
        path.setAttribute("stroke-width", Math.max(0.8, Math.min(6, 0.6 * each)));
      }
      parts.push(path);
      if (line.markers) {
        for (const [px, py] of line.points) {
          if (known(py) && Number.isFinite(Y(py))) {
            parts.push(draw(`circle.marker.${line.style}`, {cx: X(px), cy: Y(py), r: 3.5}));
          }
        }
      }
    }
    cursor = draw("g.cursor");
    svg.replaceChildren(...parts, cursor);
    me.inner = inner;
    me.valueAt = (pixel) => sx.from(sx.to(x0) +
      ((pixel - inner.left) / (inner.right - inner.left)) * (sx.to(x1) - sx.to(x0)));
  };

  /** Marks the values at a place on the x axis; gives [line, point] of each line. */
  me.mark = (value) => {
    if (!X) return [];
    const found = lines.map((line) => [line, nearest(line.points, value, scales[x.scale])])
      .filter(([, point]) => point && known(point[1]) && Math.abs(X(point[0]) - X(value)) < 40);
    const place = X(found.length && !spec.free ? found[0][1][0] : value);
    cursor.replaceChildren(
      draw("line.hair", {x1: place, x2: place, y1: me.inner.top, y2: me.inner.bottom}),
      ...found.filter(([line, point]) => line.kind !== "bars" && Number.isFinite(Y(point[1])))
        .map(([line, point]) =>
          draw(`circle.dot.${line.style}`, {cx: X(point[0]), cy: Y(point[1]), r: 4})));
    return found;
  };
  me.unmark = () => cursor && cursor.replaceChildren();

  group.push(me);
  svg.addEventListener("pointermove", (event) => {
    if (!me.valueAt) return;
    const value = me.valueAt(event.clientX - svg.getBoundingClientRect().left);
    const rows = group.flatMap((one) =>
      one.mark(value).map(([line, point]) => ({line, point, y: one.y, panel: one.spec})));
    showTip(event, spec, x, rows);
  });
  svg.addEventListener("pointerleave", () => {
    tip.hidden = true;
    group.forEach((one) => one.unmark());
  });
  figures.push(me);
  resized.observe(figure);
  figure.chart = me;
  return figure;
}

const resized = new ResizeObserver((entries) => {
  for (const entry of entries) entry.target.chart.redraw();
});

/** Values beside the pointer. */
function showTip(event, spec, x, rows) {
  if (!rows.length) {
    tip.hidden = true;
    return;
  }
  const said = (x.tell || x.format)(rows[0].point[0], rows[0].point[0]);
  const shared = spec.group && spec.group.length > 1;
  tip.replaceChildren(
    make("div.tip-head", {}, said),
    make("dl", {}, rows.map(({line, point, y, panel}) => [
      make("dt", {}, make(`span.swatch.${line.style}`), " ",
        shared && panel.short !== line.name ? `${panel.short}: ` : "", line.name),
      make("dd", {}, line.tell ? line.tell(point) : (line.format || y.format)(point[1])),
    ])),
  );
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 16 + box.width < document.documentElement.clientWidth;
  tip.style.left = `${Math.max(4, right ? event.clientX + 16 : event.clientX - box.width - 16)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, innerHeight - box.height - 4))}px`;
}

/** What the colours mean. */
function legend(entries) {
  return make("div.legend", {}, entries.map(([style, name, title]) =>
    make("span", {title}, make(`span.swatch.${style}`), " ", name)));
}
