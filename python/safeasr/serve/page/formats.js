// A transcript as files that people keep: text, subtitles, JSON.

// Behind Chinese and Japanese characters and their marks there is no space.
const WIDE_END = /[\u2e80-\u9fff\uff00-\uffef]$/;

/** Speakers by number: A, B, ... Z, AA, as OpenAI names them. */
export function speakerName(number) {
  let name = "";
  for (let rest = number + 1; rest > 0; rest = Math.floor((rest - 1) / 26)) {
    name = String.fromCharCode(65 + ((rest - 1) % 26)) + name;
  }
  return name;
}

/** Seconds as "1:02" or "1:00:02". */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}

function exact(seconds, point) {
  const ms = Math.round(seconds * 1000);
  const pad = (value, width = 2) => String(value).padStart(width, "0");
  const whole = [3_600_000, 60_000, 1000].map((unit, i) => {
    const value = Math.floor(ms / unit);
    return pad(i === 0 ? value : value % 60);
  });
  return `${whole.join(":")}${point}${pad(ms % 1000, 3)}`;
}

function span({ start, end }, point) {
  return `${exact(start, point)} --> ${exact(end, point)}`;
}

/** A line for each turn of a speaker; for each sentence where speakers are not known. */
function txt(segments, say) {
  const lines = [];
  let before = null;
  for (const { text, speaker } of segments) {
    if (speaker === null) {
      lines.push(text);
    } else if (speaker === before) {
      const last = lines.pop();
      lines.push(last + (WIDE_END.test(last) ? "" : " ") + text);
    } else {
      lines.push(`${say("speaker", { name: speakerName(speaker) })}: ${text}`);
    }
    before = speaker;
  }
  return `${lines.join("\n")}\n`;
}

function srt(segments) {
  return segments
    .map((one, i) => {
      const said = one.speaker === null ? one.text : `${speakerName(one.speaker)}: ${one.text}`;
      return `${i + 1}\n${span(one, ",")}\n${said}\n`;
    })
    .join("\n");
}

function vtt(segments) {
  const cues = segments.map((one) => {
    const text = one.text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const said = one.speaker === null ? text : `<v ${speakerName(one.speaker)}>${text}`;
    return `${span(one, ".")}\n${said}\n`;
  });
  return ["WEBVTT\n", ...cues].join("\n");
}

function json(segments, answer) {
  const made = {
    text: segments.map(({ text }) => text).join(" "),
    segments: segments.map(({ start, end, text, speaker }) => ({
      start,
      end,
      text,
      ...(speaker === null ? {} : { speaker: speakerName(speaker) }),
    })),
  };
  return `${JSON.stringify(answer ?? made, null, 2)}\n`;
}

/** By the ends of files' names: kind of contents, and how to make them. */
export const FORMATS = {
  txt: { type: "text/plain", write: txt },
  srt: { type: "application/x-subrip", write: srt },
  vtt: { type: "text/vtt", write: vtt },
  json: { type: "application/json", write: (segments, _, answer) => json(segments, answer) },
};
