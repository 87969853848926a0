// A transcript on the page: its lines, and what can be done with them.

import { FORMATS, clock, speakerName } from "./formats.js";
import { put, say } from "./language.js";

const COPIED_MS = 2000;

/**
 * Lines of sentences in a list, and a row of tools below it. A segment is {start, end, text,
 * speaker}: seconds, and a number or null.
 */
export class Transcript {
  /**
   * `name()` is what files are called, without their end. `play(segment)`, if given, is what a
   * click on a sentence does; `clear()`, if given, what its tool does beside emptying the list.
   */
  constructor(list, tools, { name, play = null, clear = null }) {
    this.list = list;
    this.tools = tools;
    this.name = name;
    this.play = play;
    this.segments = [];
    this.answer = null; // the server's own, which is what the JSON file holds
    this.makeTools(clear);
  }

  add(segment) {
    const before = this.list.lastElementChild?.classList.contains("again")
      ? undefined
      : this.segments.at(-1)?.speaker;
    this.segments.push(segment);
    const line = document.createElement(this.play ? "button" : "div");
    line.className = "line";
    const time = document.createElement("time");
    time.textContent = clock(segment.start);
    const text = document.createElement("span");
    text.className = "said";
    text.textContent = segment.text;
    line.append(time, this.who(segment.speaker, before), text);
    if (this.play) {
      line.type = "button";
      line.addEventListener("click", () => this.play(segment));
    }
    const item = document.createElement("li");
    item.append(line);
    this.list.append(item);
    this.tools.hidden = false;
  }

  /** Who speaks; the eye needs it only where that changes, a screen reader always. */
  who(speaker, before) {
    const who = document.createElement("span");
    who.className = "who";
    if (speaker !== null) {
      who.classList.add(`s${speaker % 6}`);
      if (speaker === before) who.classList.add("same");
      put(who, "speaker", { name: speakerName(speaker) });
    }
    return who;
  }

  /** From here on speakers are others though their names are the same. */
  renew() {
    if (this.segments.length === 0 || this.segments.at(-1).speaker === null) return;
    const item = document.createElement("li");
    item.className = "again";
    put(item, "tools.again");
    this.list.append(item);
  }

  /** Mark the sentence that is played at a time, in seconds. */
  follow(seconds) {
    const now = this.segments.findLastIndex(({ start }) => start <= seconds + 0.05);
    const lines = this.list.querySelectorAll(".line");
    const before = this.list.querySelector(".line[aria-current]");
    if (lines[now] === before) return;
    before?.removeAttribute("aria-current");
    lines[now]?.setAttribute("aria-current", "true");
    lines[now]?.scrollIntoView({ block: "nearest" });
  }

  clear() {
    this.segments = [];
    this.answer = null;
    this.list.replaceChildren();
    this.tools.hidden = true;
  }

  makeTools(clear) {
    const label = document.createElement("span");
    put(label, "tools.download");
    this.tools.append(label);
    for (const end of Object.keys(FORMATS)) {
      const link = document.createElement("a");
      link.textContent = end;
      link.href = "#";
      link.dataset.format = end;
      link.className = "button";
      // The file is made when it is wanted: until then the transcript may grow.
      link.addEventListener("click", () => this.fill(link, end));
      this.tools.append(link);
    }
    const group = document.createElement("span");
    group.className = "right";
    if (navigator.clipboard) group.append(this.tool("tools.copy", (button) => this.copy(button)));
    if (clear) {
      const run = () => {
        this.clear();
        clear();
      };
      group.append(this.tool("tools.clear", run));
    }
    this.tools.append(group);
  }

  tool(word, run) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    put(button, word);
    button.addEventListener("click", () => run(button));
    return button;
  }

  contents(end) {
    return FORMATS[end].write(this.segments, say, this.answer);
  }

  fill(link, end) {
    if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
    const type = `${FORMATS[end].type};charset=utf-8`;
    link.href = URL.createObjectURL(new Blob([this.contents(end)], { type }));
    link.download = `${this.name()}.${end}`;
  }

  async copy(button) {
    try {
      await navigator.clipboard.writeText(this.contents("txt"));
    } catch {
      return; // not allowed; the files are still there
    }
    put(button, "tools.copied");
    setTimeout(() => put(button, "tools.copy"), COPIED_MS);
  }
}
