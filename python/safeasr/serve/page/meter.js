// How loud it is, as bars that run from right to left.

const BAR = 3; // pixels
const GAP = 2;
const FLOOR_DB = -54;

export class Meter {
  constructor(canvas) {
    this.canvas = canvas;
    this.levels = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** The next peak, 0 to 1. */
  add(peak) {
    const decibels = 20 * Math.log10(Math.max(peak, 1e-6));
    const level = Math.max(0, Math.min(1, 1 - decibels / FLOOR_DB));
    this.levels.push(level);
    this.canvas.setAttribute("aria-valuenow", Math.round(level * 100));
    this.draw();
  }

  clear() {
    this.levels = [];
    this.canvas.setAttribute("aria-valuenow", 0);
    this.draw();
  }

  draw() {
    const { canvas, levels } = this;
    const scale = window.devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const count = Math.floor((width + GAP) / (BAR + GAP));
    levels.splice(0, Math.max(0, levels.length - count));
    for (let i = 0; i < count; i += 1) {
      const level = levels[levels.length - 1 - i];
      const size = Math.max(BAR, (level ?? 0) * height);
      pen.fillStyle = level === undefined ? style.borderColor : style.color;
      pen.beginPath();
      pen.roundRect(width - BAR - i * (BAR + GAP), (height - size) / 2, BAR, size, BAR / 2);
      pen.fill();
    }
  }
}
