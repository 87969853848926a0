// The panel of files.

import { transcribe } from "./file.js";
import { notify, put, quiet } from "./language.js";
import { Problem, address } from "./server.js";
import { Transcript } from "./transcript.js";

const TICK_MS = 1000;

const find = (id) => document.getElementById(id);

export class FilePanel {
  /** `model()` is the chosen one, as /v1/models describes it; `needKey()` asks for another key. */
  constructor({ model, needKey }) {
    this.model = model;
    this.needKey = needKey;
    this.stopper = null;
    this.player = find("player");
    this.transcript = new Transcript(find("file-lines"), find("file-tools"), {
      name: () => this.file.name.replace(/\.[^.]*$/, ""),
      play: (segment) => this.play(segment),
    });
    find("file").addEventListener("change", ({ target }) => {
      if (target.files.length > 0) this.take(target.files[0]);
      target.value = ""; // the same file may be chosen again
    });
    find("sample").addEventListener("click", () => this.takeSample());
    find("cancel").addEventListener("click", () => this.stopper?.abort(new Problem("cancelled")));
    this.player.addEventListener("timeupdate", () => {
      this.transcript.follow(this.player.currentTime);
    });
    this.player.addEventListener("error", () => this.playable(false));
    this.acceptDrops();
  }

  acceptDrops() {
    const drop = find("drop");
    // A file that misses the field would open in the browser instead of the page.
    for (const name of ["dragover", "drop"]) {
      document.addEventListener(name, (event) => event.preventDefault());
    }
    document.addEventListener("dragover", () => drop.classList.add("over"));
    for (const name of ["dragleave", "drop"]) {
      document.addEventListener(name, () => drop.classList.remove("over"));
    }
    drop.addEventListener("drop", ({ dataTransfer }) => {
      if (dataTransfer.files.length > 0) this.take(dataTransfer.files[0]);
      else notify(find("file-notice"), "error", "file.none");
    });
  }

  async takeSample() {
    try {
      const answer = await fetch(address("page/sample.flac"));
      const contents = await answer.blob();
      this.take(new File([contents], "conversation.flac", { type: "audio/flac" }));
    } catch {
      notify(find("file-notice"), "error", "error.network");
    }
  }

  /** Transcribe a file; one that is under way gives way. */
  async take(file) {
    this.stopper?.abort(new Problem("replaced"));
    const stopper = new AbortController();
    this.stopper = stopper;
    quiet(find("file-notice"));
    find("file-result").hidden = true;
    find("progress").hidden = false;
    let result = null;
    try {
      result = await this.transcribed(file, stopper.signal);
    } catch (problem) {
      this.complain(problem);
    }
    if (this.stopper !== stopper) return;
    this.stopper = null;
    this.stopTicking();
    find("progress").hidden = true;
    if (result) this.show(file, result);
  }

  /** The result; while the server has no room, it is tried again when the server says so. */
  async transcribed(file, signal) {
    const { max_upload_bytes: most } = this.model();
    // The server would say so, too, but only behind the upload.
    if (file.size > most) throw new Problem("error.larger", { limit: Math.round(most / 2 ** 20) });
    for (;;) {
      try {
        this.showUpload(0);
        return await transcribe(file, this.model(), (share) => this.showUpload(share), signal);
      } catch (problem) {
        if (problem.retryAfter === null || problem.retryAfter === undefined) throw problem;
        const word = problem.word === "error.stopping" ? "file.stopping" : "file.full";
        await this.wait(word, problem.retryAfter, signal);
      }
    }
  }

  wait(word, seconds, signal) {
    find("bar").removeAttribute("value");
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      this.tick((gone) => {
        put(find("file-state"), word, { seconds: seconds - gone });
        if (gone >= seconds) resolve();
      });
    });
  }

  showUpload(share) {
    this.stopTicking();
    if (share < 1) {
      find("bar").value = share;
      put(find("file-state"), "file.uploading", { percent: Math.floor(share * 100) });
    } else {
      find("bar").removeAttribute("value"); // nobody knows how far it is
      this.tick((seconds) => put(find("file-state"), "file.working", { seconds }));
    }
  }

  /** Tell how many seconds have gone, now and each second. */
  tick(tell) {
    this.stopTicking();
    let gone = 0;
    tell(gone);
    this.ticking = setInterval(() => {
      gone += 1;
      tell(gone);
    }, TICK_MS);
  }

  stopTicking() {
    clearInterval(this.ticking);
  }

  complain(problem) {
    const notice = find("file-notice");
    if (!(problem instanceof Problem)) throw problem;
    if (problem.word === "cancelled") notify(notice, "info", "file.cancelled");
    else if (problem.word !== "replaced") {
      notify(notice, "error", problem.word, problem.values);
      if (problem.status === 401) this.needKey();
    }
  }

  show(file, { segments, answer, failed }) {
    this.file = file;
    this.transcript.clear();
    if (segments.length === 0) {
      notify(find("file-notice"), "info", "file.empty");
      return;
    }
    find("file-name").textContent = file.name;
    for (const segment of segments) this.transcript.add(segment);
    this.transcript.answer = answer;
    if (failed) notify(find("file-notice"), "warning", "file.partly", { count: failed });
    find("file-result").hidden = false;
    this.playable(true);
    URL.revokeObjectURL(this.player.src);
    this.player.src = URL.createObjectURL(file);
  }

  playable(can) {
    this.player.hidden = !can;
    find("unplayable").hidden = can;
  }

  play({ start }) {
    if (this.player.hidden) return;
    this.player.currentTime = start;
    this.player.play().catch(() => {}); // paused again before it began
    this.transcript.follow(start);
  }
}
