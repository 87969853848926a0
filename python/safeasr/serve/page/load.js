// What the server has to do, and whether it takes on more.

import { number, put, say } from "./language.js";
import { ask } from "./server.js";

const PERIOD_MS = 2000;
const WINDOW_S = 10;
const SHOWN_S = 120;

const find = (id) => document.getElementById(id);
const sum = (list, of) => list.reduce((total, one) => total + (of(one) ?? 0), 0);

export class Load {
  /**
   * `needed()`: whether somebody wants to know though the page is hidden. `onStopping()` and
   * `onLoaded(names)` are called each time that the server says so.
   */
  constructor({ needed, onStopping, onLoaded }) {
    this.needed = needed;
    this.onStopping = onStopping;
    this.onLoaded = onLoaded;
    this.samples = []; // {at, audio}: seconds
    this.speeds = []; // {at, speed}
    this.look();
  }

  async look() {
    if (!document.hidden || this.needed()) await this.ask();
    setTimeout(() => this.look(), PERIOD_MS);
  }

  async ask() {
    try {
      this.show(await ask("stats"));
    } catch (problem) {
      find("load").hidden = true;
      if (problem.status === 401) await this.askWithoutKey();
      else this.say("unreachable");
    }
  }

  /** With keys set only that is told whether the server is ready. */
  async askWithoutKey() {
    try {
      await ask("ready");
      this.say("ready");
    } catch (problem) {
      this.say(problem.status === 503 ? "stopping" : "unreachable");
    }
  }

  say(state) {
    const element = find("state");
    // A status that is written again would be read out again.
    if (element.dataset.word !== `state.${state}`) put(element, `state.${state}`);
    element.dataset.state = state;
    element.hidden = false;
  }

  show(stats) {
    const models = Object.values(stats.models);
    if (stats.draining) this.onStopping();
    this.onLoaded(Object.keys(stats.models));
    this.say(stats.draining ? "stopping" : models.length > 0 ? "ready" : "loading");
    find("load").hidden = false;
    find("load-requests").textContent = number(stats.requests);
    find("load-live").textContent = number(stats.utterances);
    find("load-waiting").textContent = number(sum(models, ({ waiting }) => waiting));
    put(find("load-workers"), "load.of", {
      busy: sum(models, ({ busy_workers: busy }) => busy),
      all: sum(models, ({ workers }) => workers),
    });
    this.follow(sum(models, ({ audio_out_seconds: audio }) => audio));
  }

  follow(audio) {
    const at = performance.now() / 1000;
    const last = this.samples.at(-1);
    if (last && audio < last.audio) this.samples = []; // a model was loaded anew
    this.samples.push({ at, audio });
    while (this.samples.length > 2 && this.samples[1].at <= at - WINDOW_S) this.samples.shift();
    const first = this.samples[0];
    const speed = at > first.at ? (audio - first.audio) / (at - first.at) : 0;
    this.speeds.push({ at, speed });
    this.speeds = this.speeds.filter((one) => one.at > at - SHOWN_S);
    find("load-speed").textContent = say("load.seconds", { value: number(speed, 1) });
    this.draw(at);
  }

  draw(now) {
    const most = Math.max(1, ...this.speeds.map(({ speed }) => speed));
    const place = ({ at, speed }) => {
      const x = 120 - ((now - at) / SHOWN_S) * 120;
      return `${x.toFixed(1)},${(34 - (speed / most) * 31).toFixed(1)}`;
    };
    const places = this.speeds.map(place);
    const [line, area] = [".line", ".area"].map((one) => find("curve").querySelector(one));
    line.setAttribute("d", `M${places.join("L")}`);
    area.setAttribute("d", `M${places[0].split(",")[0]},36L${places.join("L")}L120,36Z`);
  }
}
