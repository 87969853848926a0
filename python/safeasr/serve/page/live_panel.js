// The panel of the microphone.

import { clock } from "./formats.js";
import { notify, put, quiet } from "./language.js";
import { LiveSession } from "./live.js";
import { Meter } from "./meter.js";
import { Microphone } from "./microphone.js";
import { Transcript } from "./transcript.js";

const RATE = 16_000;
const SILENCE = 0.002; // a peak that no microphone with a voice before it stays under
const SILENT_S = 5;

const find = (id) => document.getElementById(id);

export class LivePanel {
  /** `model()` is the chosen one, as /v1/models describes it; `needKey()` asks for another key. */
  constructor({ model, needKey }) {
    this.model = model;
    this.needKey = needKey;
    this.meter = new Meter(find("level"));
    this.transcript = new Transcript(find("live-lines"), find("live-tools"), {
      name: () => `live ${new Date().toISOString().slice(0, 16).replace(/[T:]/g, "-")}`,
      clear: () => this.rewind(),
    });
    this.recorded = 0; // samples, of all sessions since the list was emptied
    this.session = null;
    this.microphone = null;
    find("record").addEventListener("click", () => this.press());
    this.show("start", "idle");
  }

  get isBusy() {
    return this.session !== null;
  }

  press() {
    if (this.step === "start") this.start();
    else if (this.step === "stop") this.stop();
    else if (this.step === "leave") this.leave();
  }

  /** What the button does now, and what is said about it. */
  show(step, word, values = {}) {
    this.step = step;
    find("record").dataset.step = step;
    // Disabled it would lose the focus, and the keyboard its place.
    find("record").setAttribute("aria-disabled", step === "wait");
    if (step !== "wait") put(find("record-word"), `live.${step}`);
    put(find("live-state"), `live.${word}`, values);
  }

  async start() {
    quiet(find("live-notice"));
    this.show("wait", "asking");
    this.silentSince = this.recorded;
    const early = []; // what is said before there is a session
    const hear = (buffer, peak) => {
      this.watch(buffer.byteLength / 2, peak);
      if (this.session) this.session.hear(buffer);
      else early.push(buffer);
    };
    const begun = this.recorded;
    try {
      this.microphone = await Microphone.open(hear, () => this.gone());
    } catch (problem) {
      this.show("start", "idle");
      notify(find("live-notice"), "error", problem.word);
      return;
    }
    const { id, live = [] } = this.model();
    const twoPass = live.length === 0 || live.includes("2pass") || live.includes("offline");
    this.session = new LiveSession({ model: id, twoPass, begun, listener: this.listener() });
    for (const buffer of early) this.session.hear(buffer);
  }

  listener() {
    return {
      text: (partial) => {
        find("partial").textContent = partial;
        this.scroll();
      },
      segment: (segment) => {
        this.transcript.add(segment);
        this.scroll();
      },
      renewed: () => this.transcript.renew(),
      state: (name, seconds) => {
        this.show(this.microphone ? "stop" : "leave", name, { seconds });
        if (name === "listening") quiet(find("live-notice"));
      },
      warn: (word, values) => notify(find("live-notice"), "warning", word, values),
      failed: (reason, detail) => this.failed(reason, detail),
      done: () => this.ended(),
    };
  }

  /** The level, the clock, and whether anything is heard at all. */
  watch(samples, peak) {
    this.recorded += samples;
    this.meter.add(peak);
    find("clock").textContent = clock(this.recorded / RATE);
    const notice = find("live-notice");
    if (peak > SILENCE) {
      this.silentSince = this.recorded;
      if (notice.dataset.word === "live.silent") quiet(notice);
    } else if (this.recorded - this.silentSince > SILENT_S * RATE && notice.hidden) {
      notify(notice, "warning", "live.silent");
    }
  }

  async stop() {
    const { microphone, session } = this;
    this.microphone = null;
    this.show("wait", "finishing");
    await microphone.close();
    this.meter.clear();
    if (this.session !== session) return; // it failed meanwhile
    this.show("leave", "finishing");
    session.finish();
  }

  gone() {
    if (!this.microphone) return;
    this.stop();
    notify(find("live-notice"), "error", "mic.gone");
  }

  leave() {
    this.session.leave();
    this.ended();
  }

  async failed(reason, detail) {
    if (reason === "key") this.needKey();
    else if (reason === "server") {
      notify(find("live-notice"), "error", "error.server", { detail });
    } else notify(find("live-notice"), "error", `live.${reason}`);
    this.ended();
  }

  ended() {
    this.session = null;
    this.microphone?.close();
    this.microphone = null;
    this.meter.clear();
    this.show("start", "idle");
  }

  rewind() {
    if (this.session) return; // its times go on
    this.recorded = 0;
    find("clock").textContent = clock(0);
  }

  /** The server is stopping. */
  move() {
    this.session?.move();
  }

  scroll() {
    const text = find("live-text");
    text.scrollTop = text.scrollHeight;
  }
}
