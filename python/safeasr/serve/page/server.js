// The server that the page came from: its addresses, the key, and what its refusals mean.

const KEPT = "safeasr.key";
const PATIENCE_MS = 10_000;

/** An address of the server; it may stand below a path of a proxy. */
export function address(path, scheme = "http") {
  const found = new URL(path, new URL(".", document.baseURI));
  if (scheme === "ws") found.protocol = found.protocol === "https:" ? "wss:" : "ws:";
  return found;
}

export function key() {
  return sessionStorage.getItem(KEPT);
}

export function keep(other) {
  sessionStorage.setItem(KEPT, other);
}

export function headers() {
  return key() ? { Authorization: `Bearer ${key()}` } : {};
}

/** Where live speech goes. Browsers can give a websocket no header, so the key is in the query. */
export function socketAddress(model) {
  const found = address(".", "ws");
  if (model) found.searchParams.set("model", model);
  if (key()) found.searchParams.set("api_key", key());
  return found;
}

/** A request that failed: a text of words.js, what is put into it, and what programs need. */
export class Problem extends Error {
  constructor(word, { status = 0, code = "", detail, limit, retryAfter = null } = {}) {
    super(word);
    this.word = word;
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.values = { detail, limit, seconds: retryAfter ?? 1 };
  }
}

const BY_CODE = {
  draining: "error.stopping",
  unavailable: "error.stopping",
  audio_too_long: "error.long",
  invalid_audio: "error.audio",
  unsupported: "file.impossible",
};
const BY_STATUS = {
  0: "error.network",
  401: "error.key",
  408: "error.slow",
  413: "error.large",
  429: "error.busy",
  503: "error.busy",
  504: "error.timeout",
  507: "error.space",
};

/** What an answer other than 2xx means. `text` is its body, `retry` its Retry-After. */
export function problemOf(status, text, retry) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // Of a proxy, not of the server.
  }
  const [, bytes] = (error.code === "too_large" && /(\d+) bytes/.exec(error.message)) || [];
  const word = bytes ? "error.larger" : (BY_CODE[error.code] ?? BY_STATUS[status]);
  const seconds = Number.parseInt(retry, 10);
  return new Problem(word ?? (status >= 500 ? "error.server" : "error.refused"), {
    status,
    code: error.code,
    detail: error.message ?? `HTTP ${status}`,
    limit: Math.round(bytes / 2 ** 20),
    retryAfter: Number.isFinite(seconds) ? Math.max(1, seconds) : null,
  });
}

/** GET an address that answers with JSON; throws a Problem. */
export async function ask(path) {
  let answer, text;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    answer = await fetch(address(path), { headers: headers(), signal });
    text = await answer.text();
  } catch {
    throw new Problem("error.network");
  }
  if (!answer.ok) throw problemOf(answer.status, text, answer.headers.get("Retry-After"));
  return JSON.parse(text);
}

/**
 * Why a websocket was refused, which browsers do not tell: "key", "stopping", "loading", "full" or
 * "lost".
 */
export async function whyRefused() {
  try {
    await ask("v1/models");
    await ask("ready");
    return "full";
  } catch (problem) {
    if (problem.status === 401) return "key";
    if (problem.status !== 503) return "lost";
    const { draining } = await ask("stats").catch(() => ({ draining: true }));
    return draining ? "stopping" : "loading";
  }
}
