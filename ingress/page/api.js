// Requests to the API: the token, problems as errors, and refusals that are waited out. Knows no element but the token's.

import { byId, showSentence } from "./dom.js";

const TOKEN = "docqa.token";

/** A request that was refused, or failed: `message` is a sentence for people. */
export class Refused extends Error {
  constructor(status, problem, retryAfterS, location) {
    super(problem.detail || problem.title || `The answer was ${status}.`);
    this.status = status;
    this.kind = problem.type || "";
    this.title = problem.title || "";
    this.retryAfterS = retryAfterS;
    this.location = location;
  }
}

/** A path of the API below the page's own address, whatever prefix that has. */
export const addressOf = (path) => new URL(path, document.baseURI).href;

/** What proves who is asking; nothing where no token was ever asked for. */
export function credentials() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** A response that is no refusal; asks for a token where one is needed. Raises Refused. */
export async function request(path, { headers = {}, ...options } = {}) {
  for (;;) {
    const sent = credentials();
    const response = await reached(addressOf(path), { ...options, headers: { ...headers, ...sent } });
    if (response.ok) return response;
    const refused = refusedBy(response.status, await response.text(), (name) => response.headers.get(name));
    if (refused.status !== 401) throw refused;
    await tokenInPlaceOf(sent, refused, options.signal);
  }
}

/** The body of a response, as JSON. */
export async function json(path, options) {
  return (await request(path, options)).json();
}

/** What was refused, from a status, a body and a function that gives headers. */
export function refusedBy(status, body, header) {
  let problem = {};
  try {
    problem = JSON.parse(body);
  } catch {
    problem = { detail: `The answer was ${status}, without a reason.` };
  }
  const retry = Number.parseInt(header("Retry-After") ?? "", 10);
  return new Refused(status, problem, Number.isNaN(retry) ? 0 : retry, header("Location"));
}

async function reached(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { type: "unreachable", detail: "The system does not answer. Is it running?" }, 0, null);
  }
}

/** `attempt()`; while it is refused with a time, count down and try again. `onWait(seconds, refused)`, 0 at the end. */
export async function patiently(attempt, { signal, onWait }) {
  for (;;) {
    try {
      return await attempt();
    } catch (refused) {
      const waits = (refused.status === 429 || refused.status === 503) && refused.retryAfterS > 0 && !refused.location;
      if (!waits) throw refused;
      await countDown(refused.retryAfterS, (left) => onWait(left, refused), signal);
    }
  }
}

async function countDown(seconds, onTick, signal) {
  const until = performance.now() + seconds * 1000;
  for (let left = seconds; left > 0; left = Math.ceil((until - performance.now()) / 1000)) {
    onTick(left);
    await pause(Math.min(1000, until - performance.now()), signal);
  }
  onTick(0);
}

/** Wait; raises AbortError when the signal says so. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(over, milliseconds);
    function over() {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }
    function aborted() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

let asking = null;

/** Ask for a token once, however many requests need it; one that came in meanwhile will do. */
export async function tokenInPlaceOf(sent, refused, signal) {
  if (credentials().Authorization !== sent.Authorization) return;
  asking ??= askForToken(sent.Authorization ? refused.message : "").finally(() => (asking = null));
  await asking;
  signal?.throwIfAborted();
}

function askForToken(why) {
  const dialog = byId("token-dialog");
  const field = byId("token-value");
  if (why) showSentence(byId("token-why"), why);
  field.value = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    // Escape can't answer the question, so it does not close it.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener(
      "close",
      () => {
        sessionStorage.setItem(TOKEN, field.value.trim());
        field.value = "";
        resolve();
      },
      { once: true },
    );
  });
}
