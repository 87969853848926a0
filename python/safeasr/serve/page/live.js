// A live session by FunASR's websocket protocol that outlasts its connections.
//
// What was said since the last final sentence is kept. A new connection gets it first, so a server
// that is restarted, or a network that is gone for a moment, loses nothing.

import { socketAddress, whyRefused } from "./server.js";

const PER_MS = 16; // samples
const MOST_KEPT = 60_000 * PER_MS;
const SLOW_BYTES = 5_000 * PER_MS * 2;
const FIRST_RETRY_S = 1;
const LAST_RETRY_S = 10;
const NEXT_SENTENCE_MS = 10_000; // for which a session stays with a server that is stopping
const LAST_SENTENCE_MS = 30_000; // for which it tries to get the last one
// Errors after which the next audio would only fail in the same way.
const HOPELESS = new Set(["mode_unavailable", "model_not_found", "invalid_option", "invalid_audio"]);
const ELSEWHERE = new Set(["draining", "unavailable", "model_unavailable", "queue_full"]);

/**
 * Calls of its listener: `text(partial)` while somebody speaks; `segment({start, end, text,
 * speaker})` with seconds; `state(name, seconds)`: "connecting", "listening", "finishing", or why
 * it waits: "lost", "full", "stopping", "loading"; `warn(word)`; `failed(reason, message)`: "key",
 * "impossible", "unfinished" or "server", after which the session is over; `renewed()`: speakers
 * are counted anew; `done()`.
 */
export class LiveSession {
  /** `begun` is where in the recording it begins, in samples. */
  constructor({ model, twoPass, begun, listener }) {
    this.model = model;
    this.twoPass = twoPass;
    this.listener = listener;
    this.heard = begun; // samples of the recording until now
    this.kept = []; // frames that no final sentence covers: {at, samples, buffer}
    this.partial = "";
    this.waited = 0; // attempts without an answer
    this.isEnding = false; // nothing more will be said
    this.isOver = false;
    this.connect();
  }

  /** Take 16-bit samples of 16 kHz. */
  hear(buffer) {
    const frame = { at: this.heard, samples: buffer.byteLength / 2, buffer };
    this.heard += frame.samples;
    this.kept.push(frame);
    if (this.isOpen && this.endAt === null) {
      this.socket.send(buffer);
      if (this.socket.bufferedAmount > SLOW_BYTES) this.listener.warn("live.slow");
    }
    const forgotten = this.forget(this.heard - MOST_KEPT);
    if (forgotten && !this.isOpen) this.listener.warn("live.dropped");
  }

  /** That was all: the listener hears `done` when the last sentence is there. */
  finish() {
    this.isEnding = true;
    this.listener.state("finishing");
    this.giveUp = setTimeout(() => this.fail("unfinished"), LAST_SENTENCE_MS);
    if (this.isOpen) this.sayEnd();
  }

  /** End without waiting; what was heard of the last sentence stands. */
  leave() {
    if (this.isOver) return;
    this.isOver = true;
    for (const timer of [this.giveUp, this.retry, this.moving]) clearTimeout(timer);
    this.drop();
    this.keepPartial();
  }

  /** The server is stopping: go on elsewhere, or there again, between two sentences. */
  move() {
    if (this.moving === null && this.isOpen && !this.isEnding) {
      this.moving = setTimeout(() => this.sayEnd(), NEXT_SENTENCE_MS);
    }
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    this.listener.state(this.isEnding ? "finishing" : "connecting");
    this.endAt = null; // where the server was told that this is all
    this.moving = null;
    let wasOpen = false;
    const socket = new WebSocket(socketAddress(this.model));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      wasOpen = true;
      this.begin();
    };
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    socket.onclose = () => this.lost(wasOpen);
  }

  begin() {
    this.origin = this.kept[0]?.at ?? this.heard;
    this.isFresh = true; // no sentence came yet
    this.show("");
    const configuration = {
      mode: "2pass",
      wav_name: "page",
      wav_format: "pcm",
      audio_fs: 1000 * PER_MS,
      is_speaking: true,
      spk: true,
    };
    this.socket.send(JSON.stringify(configuration));
    for (const { buffer } of this.kept) this.socket.send(buffer);
    if (this.isEnding) this.sayEnd();
    else this.listener.state("listening");
  }

  sayEnd() {
    if (!this.isOpen || this.endAt !== null) return;
    this.endAt = this.heard;
    this.socket.send(JSON.stringify({ is_speaking: false }));
  }

  take(message) {
    if (message.error) {
      this.takeError(message);
    } else {
      this.waited = 0;
      if (message.mode === "2pass-online") this.show(this.partial + message.text);
      else if (message.text) this.takeSentence(message);
    }
    if (this.isOver || !this.isOpen) return;
    if (message.is_final) this.utteranceEnded();
    else if (this.moving !== null && this.endAt === null && message.mode === "2pass-offline") {
      this.again();
    }
  }

  takeSentence(message) {
    const parts = message.stamp_sents ?? [];
    const start = parts[0]?.start ?? message.start_time ?? 0;
    const end = parts.at(-1)?.end ?? message.end_time ?? start;
    const speaker = message.spk_name === undefined ? null : Number(message.spk_name.slice(3));
    this.add(this.origin + start * PER_MS, this.origin + end * PER_MS, message.text, speaker);
    this.forget(this.origin + end * PER_MS);
  }

  takeError({ error }) {
    if (HOPELESS.has(error.code)) {
      this.fail(error.code === "mode_unavailable" ? "impossible" : "server", error.message);
    } else if (ELSEWHERE.has(error.code)) {
      this.again();
    } else {
      this.listener.warn("error.server", { detail: error.message });
    }
  }

  utteranceEnded() {
    if (!this.twoPass) this.keepPartial();
    if (this.endAt !== null) this.forget(this.endAt);
    if (this.isEnding) {
      this.partial = "";
      this.leave();
      this.listener.done();
    } else {
      this.again();
    }
  }

  add(start, end, text, speaker) {
    this.show("");
    if (this.isFresh) this.listener.renewed();
    this.isFresh = false;
    const seconds = (samples) => samples / PER_MS / 1000;
    const times = { start: seconds(start), end: seconds(end) };
    this.listener.segment({ ...times, text: text.trim(), speaker });
  }

  show(partial) {
    this.partial = partial;
    this.listener.text(partial.trim());
  }

  /** What came until now stands, though no sentence is known to end here. */
  keepPartial() {
    const start = this.kept[0]?.at ?? this.heard;
    if (this.partial.trim()) this.add(start, this.heard, this.partial, null);
    this.kept = [];
    this.show("");
  }

  /** Leave this connection for another one. */
  again() {
    this.drop();
    if (this.waited === 0) {
      this.waited = 1;
      clearTimeout(this.moving);
      this.connect();
    } else {
      this.lost(true);
    }
  }

  drop() {
    this.socket.onmessage = this.socket.onclose = this.socket.onopen = null;
    this.socket.close();
  }

  async lost(wasOpen) {
    clearTimeout(this.moving);
    // Two passes get it all again. One alone has no sentences that say where to go on.
    if (!this.twoPass) this.keepPartial();
    const seconds = Math.min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** this.waited);
    this.waited += 1;
    const why = wasOpen ? "lost" : await whyRefused();
    if (this.isOver) return;
    if (why === "key") {
      this.fail("key");
      return;
    }
    this.listener.state(why, seconds);
    this.retry = setTimeout(() => this.connect(), seconds * 1000);
  }

  fail(reason, message = "") {
    this.leave();
    this.listener.failed(reason, message);
  }

  /** Forget what lies before a place; whether that was anything. */
  forget(place) {
    const first = this.kept.findIndex(({ at, samples }) => at + samples > place);
    const count = first < 0 ? this.kept.length : first;
    this.kept.splice(0, count);
    return count > 0;
  }
}
