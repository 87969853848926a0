// The microphone: permission, frames of 16 kHz, and what goes wrong with devices.

import { Problem, address } from "./server.js";

const WORDS = {
  NotAllowedError: "mic.denied",
  SecurityError: "mic.denied",
  NotFoundError: "mic.none",
  OverconstrainedError: "mic.none",
  NotReadableError: "mic.busy",
  AbortError: "mic.busy",
};
// Recognisers were trained on speech as it is. Noise suppression takes parts of it away, and gain
// control makes the noise before the first word loud and then overdrives that word.
const AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const FLUSH_MS = 1000;

export class Microphone {
  /**
   * Open it; throws a Problem. `onFrame(buffer, peak)` gets 60 ms of 16-bit samples and the
   * largest of them, 0 to 1; `onGone()` is called when the device disappears.
   */
  static async open(onFrame, onGone) {
    if (!window.isSecureContext) throw new Problem("mic.insecure");
    if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
      throw new Problem("mic.unsupported");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: AUDIO });
    } catch (error) {
      throw new Problem(WORDS[error.name] ?? "mic.busy");
    }
    const microphone = new Microphone(stream, onFrame);
    try {
      await microphone.begin();
    } catch {
      await microphone.release();
      throw new Problem("mic.unsupported");
    }
    for (const track of stream.getTracks()) track.addEventListener("ended", onGone);
    return microphone;
  }

  constructor(stream, onFrame) {
    this.stream = stream;
    this.onFrame = onFrame;
    this.context = new AudioContext();
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  async begin() {
    await this.context.audioWorklet.addModule(address("page/recorder.js"));
    const source = this.context.createMediaStreamSource(this.stream);
    this.recorder = new AudioWorkletNode(this.context, "recorder");
    this.recorder.port.onmessage = ({ data }) => {
      if (data.buffer.byteLength > 0) this.onFrame(data.buffer, data.peak);
      if (data.isLast) this.end();
    };
    // Its output is silence, but some browsers run only what leads to the loudspeakers.
    source.connect(this.recorder).connect(this.context.destination);
    await this.context.resume();
  }

  /** Hand over what was recorded until now, and let go of the device. */
  async close() {
    this.recorder.port.postMessage("end");
    // A context that the system has interrupted would never answer.
    const timeout = new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
    await Promise.race([this.ended, timeout]);
    await this.release();
  }

  async release() {
    for (const track of this.stream.getTracks()) track.stop();
    await this.context.close();
  }
}
