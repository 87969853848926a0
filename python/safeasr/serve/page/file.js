// A recording to /v1/audio/transcriptions, with progress; and what comes back.

import { Problem, address, headers, problemOf } from "./server.js";

/**
 * Send a file. `onUpload(share)` is told how much has left, 0 to 1. Returns {segments, answer,
 * failed}; throws a Problem.
 */
export async function transcribe(file, model, onUpload, signal) {
  // Models that are not loaded yet do not say whether they know speakers: then it is tried.
  if (model.speakers === false) return send(file, model, "verbose_json", onUpload, signal);
  try {
    return await send(file, model, "diarized_json", onUpload, signal);
  } catch (problem) {
    if (problem.code !== "unsupported") throw problem;
    return send(file, model, "verbose_json", onUpload, signal);
  }
}

async function send(file, model, form, onUpload, signal) {
  const fields = new FormData();
  fields.append("model", model.id ?? "");
  fields.append("response_format", form);
  if (form === "verbose_json") fields.append("timestamp_granularities[]", "segment");
  fields.append("file", file, file.name);
  const answer = JSON.parse(await post(fields, onUpload, signal));
  return {
    answer,
    failed: answer.failed_parts ?? 0,
    segments: answer.segments.map(({ start, end, text, speaker }) => ({
      start,
      end,
      text: text.trim(),
      speaker: speaker === undefined ? null : speakerNumber(speaker),
    })),
  };
}

/** The number of speaker A, B, ... Z, AA. */
function speakerNumber(name) {
  return [...name].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

/** XMLHttpRequest: fetch tells nothing of an upload's progress. */
function post(fields, onUpload, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("v1/audio/transcriptions"));
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onUpload(total > 0 ? loaded / total : 1);
    request.upload.onload = () => onUpload(1);
    request.onload = () => {
      if (request.status === 200) resolve(request.responseText);
      else {
        const retry = request.getResponseHeader("Retry-After");
        reject(problemOf(request.status, request.responseText, retry));
      }
    };
    request.onerror = () => reject(new Problem("error.network"));
    signal.addEventListener("abort", () => {
      request.abort();
      reject(signal.reason);
    });
    request.send(fields);
  });
}
