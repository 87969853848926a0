// Runs in the thread of audio: samples of the device's rate become frames of 16 kHz, 16 bits.

const RATE = 16_000;
const FRAME = 960; // 60 ms
const ZEROS = 32; // of the filter, on each side of its middle

function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}

/** From one rate to another by a windowed sinc: what lies above half the new rate is taken out. */
class Resampler {
  constructor(from, to) {
    const common = divisor(from, to);
    this.phases = to / common;
    this.step = from / common; // in phases
    const cutoff = 0.95 * Math.min(1, to / from);
    this.half = Math.ceil(ZEROS / cutoff);
    this.taps = Array.from({ length: this.phases }, (_, phase) => this.row(phase, cutoff));
    this.kept = new Float32Array(this.half); // silence before the beginning
    this.at = 0; // of the next sample, in phases behind the middle of the kept ones
  }

  row(phase, cutoff) {
    const taps = new Float32Array(2 * this.half);
    let sum = 0;
    for (let i = 0; i < taps.length; i += 1) {
      const x = i - this.half + 1 - phase / this.phases;
      const angle = Math.PI * cutoff * x;
      const window = Math.cos((Math.PI * x) / (2 * this.half + 1)) ** 2;
      taps[i] = (x === 0 ? 1 : Math.sin(angle) / angle) * window;
      sum += taps[i];
    }
    return taps.map((tap) => tap / sum);
  }

  /** The new samples that are known once these have come. */
  take(samples) {
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    const made = [];
    let first = Math.floor(this.at / this.phases);
    while (first + 2 * this.half <= all.length) {
      const taps = this.taps[this.at % this.phases];
      let sum = 0;
      for (let i = 0; i < taps.length; i += 1) sum += taps[i] * all[first + i];
      made.push(sum);
      this.at += this.step;
      first = Math.floor(this.at / this.phases);
    }
    this.kept = all.slice(first);
    this.at -= first * this.phases;
    return made;
  }
}

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.restart();
    this.ended = false;
    this.port.onmessage = () => this.end();
  }

  restart() {
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.peak = 0;
  }

  process([channels]) {
    if (channels.length > 0 && !this.ended) {
      this.write(this.resampler.take(mixed(channels)));
    }
    return !this.ended;
  }

  write(samples) {
    for (const sample of samples) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.frame[this.filled] = Math.round(clipped * 32767);
      this.peak = Math.max(this.peak, Math.abs(clipped));
      this.filled += 1;
      if (this.filled === FRAME) this.send(false);
    }
  }

  send(isLast) {
    const { buffer } = this.frame.slice(0, this.filled);
    this.port.postMessage({ buffer, peak: this.peak, isLast }, [buffer]);
    this.restart();
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.write(this.resampler.take(new Float32Array(this.resampler.half)));
    this.send(true);
  }
}

function mixed(channels) {
  if (channels.length === 1) return channels[0];
  const sum = new Float32Array(channels[0].length);
  for (const channel of channels) {
    for (let i = 0; i < sum.length; i += 1) sum[i] += channel[i] / channels.length;
  }
  return sum;
}

registerProcessor("recorder", Recorder);
