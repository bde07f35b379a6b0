// Decisions: what the browser keeps of them, and their files.
const data = JSON.parse($("data").textContent);
const byId = new Map(data.items.map((item) => [item.id, item]));
const PREFIX = `instructsam-review/${data.run}/`;
const memory = new Map();
let storage = null;
try {
  storage = window.localStorage;
  storage.getItem(PREFIX);
} catch {
  storage = null;
}

function stored(id) {
  if (storage === null || memory.has(PREFIX + id)) return memory.get(PREFIX + id) ?? null;
  return storage.getItem(PREFIX + id);
}

function keep(id, text) {
  try {
    if (storage === null) throw new Error("no storage");
    if (text === null) storage.removeItem(PREFIX + id);
    else storage.setItem(PREFIX + id, text);
    memory.delete(PREFIX + id);
  } catch {
    memory.set(PREFIX + id, text);
    warned = true;
  }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const numbersOf = (values) => [...new Set(values)].sort((a, b) => a - b);
const copyOf = (phrases) => phrases.map((phrase) => ({ text: phrase.text, numbers: [...phrase.numbers] }));

// The work on an item: its texts and numbers as they are now, and the action ("" while undecided).
function untouched(item) {
  return { action: "", digest: item.digest, instruction: item.instruction, phrases: copyOf(item.phrases),
    reason: "", comment: "", reviewer: "", time: "" };
}

function keptOf(item) {
  try {
    return JSON.parse(stored(item.id));
  } catch {
    return null; // an entry that this page did not write
  }
}

function workOn(item) {
  const kept = keptOf(item);
  return kept?.digest === item.digest ? kept : untouched(item);
}

const isStale = (item) => Boolean(keptOf(item)) && keptOf(item).digest !== item.digest;
const isFixed = (item, work) => work.instruction !== item.instruction || !same(work.phrases, item.phrases);
const verdict = (item, work) => (work.action === "accept" && isFixed(item, work) ? "fix" : work.action || "open");

const history = [];
function change(item, edit, undoable = true) {
  const before = stored(item.id);
  const work = workOn(item);
  edit(work);
  const after = JSON.stringify(work);
  if (after === before) return;
  if (undoable) history.push({ id: item.id, before });
  keep(item.id, after);
}

// One line of decisions.jsonl; fields without a change are left out.
function lineOf(id, work, item) {
  const line = { candidate: id, digest: work.digest, action: work.action };
  if (work.action === "accept") {
    if (!item || work.instruction !== item.instruction) line.instruction = work.instruction;
    if (!item || !same(work.phrases, item.phrases)) line.phrases = work.phrases;
  }
  for (const name of ["reason", "comment", "reviewer", "time"]) if (work[name]) line[name] = work[name];
  return line;
}

function allDecisions() {
  const ids = new Set();
  if (storage !== null) {
    for (let at = 0; at < storage.length; at++) {
      const key = storage.key(at);
      if (key.startsWith(PREFIX)) ids.add(key.slice(PREFIX.length));
    }
  }
  for (const key of memory.keys()) ids.add(key.slice(PREFIX.length));
  const lines = [];
  for (const id of [...ids].sort()) {
    const item = byId.get(id);
    try {
      const work = item ? workOn(item) : JSON.parse(stored(id));
      if (work && work.action) lines.push(lineOf(id, work, item));
    } catch { /* an entry that no page wrote */ }
  }
  return lines;
}

function saveDecisions() {
  const lines = allDecisions();
  if (!lines.length) return say("There is no decision to download.", true);
  const text = lines.map((line) => JSON.stringify(line) + "\n").join("");
  const link = element("a", { download: "decisions.jsonl", href: URL.createObjectURL(new Blob([text], { type: "application/jsonl" })) });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(`Downloaded ${lines.length} decisions of this run. Import them: instructsam engine review RUN --decisions decisions.jsonl`);
}

const isText = (value) => value === undefined || typeof value === "string";
function isLine(line) {
  const phrases = line?.phrases ?? [];
  return typeof line?.candidate === "string" && typeof line.digest === "string"
    && ["accept", "reject", "skip"].includes(line.action) && Array.isArray(phrases)
    && ["instruction", "reason", "comment", "reviewer", "time"].every((name) => isText(line[name]))
    && phrases.every((phrase) => typeof phrase?.text === "string" && Array.isArray(phrase.numbers));
}

// Take over an earlier file; lines about other pages, of changed candidates and broken ones are counted.
function loadDecisions(text) {
  const count = { taken: 0, elsewhere: 0, stale: 0, broken: 0 };
  for (const raw of text.split("\n")) {
    if (!raw.trim()) continue;
    let line = null;
    try {
      line = JSON.parse(raw);
    } catch { /* counted below */ }
    const item = isLine(line) ? byId.get(line.candidate) : undefined;
    const last = item ? data.images[item.image].objects.length : 0;
    const exist = (line?.phrases ?? []).every?.((phrase) => phrase?.numbers?.every?.((n) => Number.isInteger(n) && n >= 1 && n <= last));
    if (!isLine(line) || (item && !exist)) count.broken++;
    else if (!item) count.elsewhere++;
    else if (line.digest !== item.digest) count.stale++;
    else {
      count.taken++;
      const phrases = line.phrases?.length ? line.phrases : item.phrases;
      change(item, (work) => Object.assign(work, {
        action: line.action, instruction: line.instruction || item.instruction,
        phrases: phrases.map((phrase) => ({ text: phrase.text, numbers: numbersOf(phrase.numbers) })),
        reason: line.reason ?? "", comment: line.comment ?? "", reviewer: line.reviewer ?? "", time: line.time ?? "",
      }));
    }
  }
  return count;
}
