/** Requests to the server that serves this page. Every failure becomes a `Problem` with one sentence for the user. */

const KEY = "instructsam-key"; // in sessionStorage: it ends with the tab
const MOST_TRIES = 6; // while the server is busy

export class Problem extends Error {
  /** @param {string} kind "gone", "key", "busy", "refused" or "failed" */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export function setKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** A GET request for JSON. */
export async function getJson(path) {
  return (await send(path, {})).json();
}

/** A GET request for a file. */
export async function getBlob(path) {
  return (await send(path, {})).blob();
}

/** A POST request of a form; a busy server is asked again after the time it names. */
export async function post(path, form, { signal = undefined, onWait = () => {} } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(path, { method: "POST", body: form, signal });
    } catch (problem) {
      if (problem.kind !== "busy" || attempt === MOST_TRIES) throw problem;
      await wait(problem.seconds, onWait, signal);
    }
  }
}

/** Whether the models are loaded. */
export async function isReady() {
  return (await getJson("app/ready")).ready;
}

async function send(path, options) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { "X-API-Key": key } : {};
  let answer;
  try {
    // Without credentials: the browser would open its own password dialog after status 401.
    answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("gone", "The server does not answer. Start it again, then repeat this step; your picture is kept.");
  }
  if (answer.ok) return answer;
  throw await problemOf(answer);
}

async function problemOf(answer) {
  const message = (await messageOf(answer)).replace(/^instructions\[0\]/, "the instruction");
  if (answer.status === 401) return new Problem("key", "This server needs its key.");
  if (answer.status === 503) {
    const problem = new Problem("busy", `The server is busy: ${message}.`);
    problem.seconds = Math.min(Number(answer.headers.get("Retry-After")) || 1, 30);
    return problem;
  }
  if (answer.status >= 500) return new Problem("failed", `The server could not answer: ${message}.`);
  return new Problem("refused", sentence(message));
}

async function messageOf(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `status ${answer.status}`;
  }
}

/** A message with a capital letter and a full stop. */
export function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

async function wait(seconds, onWait, signal) {
  for (let left = seconds; left > 0; left--) {
    onWait(left);
    await new Promise((done) => setTimeout(done, Math.min(left, 1) * 1000));
    signal?.throwIfAborted();
  }
}
