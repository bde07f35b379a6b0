// Actions, by click and by key.
function edit(apply, field) {
  const first = field && !field.dataset.kept;
  if (field) field.dataset.kept = "1";
  change(current, apply, !field || first);
  drawProgress();
}

function go(item) {
  if (item === undefined) return;
  if (item !== current) active = 0;
  current = item;
  drawItem();
  try {
    sessionStorage.setItem(`${PREFIX}at/${data.page}`, current ? current.id : "");
  } catch { /* the place is not kept */ }
}

function step(by) {
  const items = matching();
  const at = items.indexOf(current);
  go(at < 0 ? items[0] ?? null : items[Math.min(items.length - 1, Math.max(0, at + by))]);
  window.scrollTo(0, 0);
}

function toggle(number) {
  if (!hasObject(number)) return say(`There is no object ${number}.`, true);
  const chosen = workOn(current).phrases[active].numbers.includes(number);
  choose([number], !chosen);
}

function choose(numbers, on) {
  focused = numbers[0] ?? focused;
  edit((work) => {
    const others = work.phrases[active].numbers.filter((number) => !numbers.includes(number));
    work.phrases[active].numbers = numbersOf(on ? [...others, ...numbers] : others);
  });
  drawChoice(workOn(current));
}

function toggleClass() {
  const objects = data.images[current.image].objects;
  const name = objects.find((object) => object.number === (focused || workOn(current).phrases[active].numbers[0]))?.category;
  const numbers = objects.filter((object) => object.category === name).map((object) => object.number);
  if (!numbers.length) return say("Choose an object first: G then chooses all of its class.", true);
  const chosen = workOn(current).phrases[active].numbers;
  choose(numbers, !numbers.every((number) => chosen.includes(number)));
}

function decide(action, more = {}) {
  if (current === null) return;
  const items = matching(), at = items.indexOf(current), id = current.id;
  change(current, (work) => {
    Object.assign(work, { action, reason: "", ...more, reviewer: $("reviewer").value.trim(), time: new Date().toISOString() });
  });
  // The next undecided item after this one, else the first undecided one.
  const later = [...items.slice(at + 1), ...items.slice(0, Math.max(0, at))];
  const next = later.find((item) => !workOn(item).action);
  say(`${action === "accept" ? "Accepted" : action === "reject" ? "Rejected" : "Skipped"} ${visible(id)}.` + (next ? "" : " No undecided item is left here: download the decisions."));
  go(next ?? current);
  window.scrollTo(0, 0);
}

function accept() {
  const work = workOn(current);
  if (document.querySelector(".numbers:invalid")) return say("Correct the numbers first.", true);
  if (!work.instruction.trim() || work.phrases.some((phrase) => !phrase.text.trim())) return say("The instruction and every phrase need words.", true);
  const chosen = work.phrases.some((phrase) => phrase.numbers.length);
  const had = current.phrases.some((phrase) => phrase.numbers.length);
  if (!chosen && had) return say("No object is chosen. Press N to accept it as an instruction without a target.", true);
  decide("accept");
}

function noTarget() {
  decide("accept", { phrases: workOn(current).phrases.map((phrase) => ({ text: phrase.text, numbers: [] })) });
}

function openReasons() {
  if (current === null) return;
  $("own-reason").value = "";
  $("reasons").showModal();
  $("reason-list").firstChild.focus();
}

function reject(reason) {
  $("reasons").close();
  decide("reject", { reason });
}

function undo() {
  const last = history.pop();
  if (last === undefined) return say("There is nothing to undo.");
  keep(last.id, last.before);
  say("Undone.");
  go(byId.get(last.id));
}

// Digits choose an object at once where no longer number begins with them, and after a moment otherwise.
let typed = "", timer = 0;
function typeDigit(digit) {
  typed += digit;
  clearTimeout(timer);
  const number = Number(typed);
  if (typed === "0") typed = "";
  else if (10 * number > data.images[current.image].objects.length) finishDigits();
  else {
    say(`Object ${typed} ...`);
    timer = setTimeout(finishDigits, 700);
  }
}

function finishDigits() {
  const number = Number(typed);
  clearTimeout(timer);
  typed = "";
  if (!number || current === null) return;
  say("");
  toggle(number);
}

function moveInGrid(event) {
  const tiles = [...$("grid").querySelectorAll(".tile")];
  const at = tiles.indexOf(document.activeElement);
  if (at < 0) return false;
  const top = tiles[at].offsetTop;
  const perRow = Math.max(1, tiles.filter((tile) => tile.offsetTop === top).length);
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow }[event.key];
  tiles[Math.min(tiles.length - 1, Math.max(0, at + by))].focus();
  return true;
}

const KEYS = [
  ["Enter, a", "accept, with the changes that were made", accept],
  ["n", "accept as an instruction without a target", noTarget],
  ["r, x", "reject: choose a reason by its digit", openReasons],
  ["s", "skip: leave it in the queue", () => decide("skip")],
  ["u", "undo the last change", undo],
  ["j, k", "next and previous item", null],
  ["0 to 9", "choose the object with this number, or leave it out", null],
  ["arrows, Space", "move over the crops, choose one (Tab enters them)", null],
  ["g", "choose all objects of the class of the last one, or none", toggleClass],
  ["p", "next phrase", () => setActive((active + 1) % current.phrases.length)],
  ["e", "edit the instruction", () => $("instruction").focus()],
  ["t", "edit the active phrase", () => $("phrases").children[active].querySelector("input").focus()],
  ["c", "comment", () => $("comment").focus()],
  ["f", "find", () => $("find").focus()],
  ["z", "large pictures", () => document.body.classList.toggle("large")],
  ["d", "download the decisions", saveDecisions],
  ["i", "import an earlier file of decisions", () => $("file").click()],
  ["?", "this help", () => $("keys").showModal()],
  ["Esc", "leave a field or a dialog", null],
];
const actionOf = new Map();
for (const [names, , action] of KEYS) for (const name of names.split(", ")) if (action) actionOf.set(name, action);
actionOf.set("j", () => step(1));
actionOf.set("k", () => step(-1));
const ALWAYS = new Set(["f", "d", "i", "?", "u", "j", "k", "z"]);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const open = document.querySelector("dialog[open]"), target = event.target;
  if (open) {
    const choice = $("reason-list").children[Number(event.key) - 1];
    if (open.id === "reasons" && target.id !== "own-reason" && /^[1-9]$/.test(event.key) && choice) {
      event.preventDefault();
      choice.click();
    }
    return;
  }
  if (target.matches("input, textarea, select")) {
    if (event.key === "Escape" || (event.key === "Enter" && target.matches("input"))) target.blur();
    return;
  }
  const onButton = target.matches("button:not(.tile), summary, a");
  if (event.key === "Enter" && onButton) return;
  if (event.key.startsWith("Arrow")) {
    const moved = moveInGrid(event);
    if (!moved && event.key === "ArrowLeft") step(-1);
    if (!moved && event.key === "ArrowRight") step(1);
    if (moved) event.preventDefault();
    return;
  }
  const action = actionOf.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (current !== null && /^\d$/.test(event.key)) typeDigit(event.key);
  else if (action && (current !== null || ALWAYS.has(event.key))) {
    event.preventDefault();
    finishDigits();
    action();
  }
});

function start() {
  if (window.matchMedia("(max-width: 640px)").matches) $("more").open = false;
  for (const [id, action] of Object.entries({ accept, none: noTarget, reject: openReasons, undo, download: saveDecisions,
    skip: () => decide("skip"), back: () => step(-1), forth: () => step(1), import: () => $("file").click(), help: () => $("keys").showModal() })) {
    $(id).addEventListener("click", action);
  }
  for (const [id, name] of [["instruction", "instruction"], ["comment", "comment"]]) {
    $(id).addEventListener("input", (event) => edit((work) => { work[name] = event.target.value; }, event.target));
    $(id).addEventListener("focus", (event) => { delete event.target.dataset.kept; });
  }
  for (const id of ["show", "kind", "find"]) $(id).addEventListener("input", () => go(matching()[0] ?? null));
  for (const id of ["show", "kind"]) $(id).addEventListener("change", () => $(id).blur());
  $("kind").append(...[...new Set(data.items.map((item) => item.kind))].sort().map((kind) => element("option", { value: kind }, kind)));
  $("reason-list").append(...data.reasons.map((reason, at) => {
    const button = element("button", { type: "button" }, element("kbd", {}, String(at + 1)), ` ${reason}`);
    button.addEventListener("click", () => reject(reason));
    return button;
  }));
  $("own-reject").addEventListener("click", () => reject($("own-reason").value.trim() || "by a person"));
  $("own-reason").addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      $("own-reject").click();
    }
  });
  $("key-list").append(...KEYS.flatMap(([names, words]) => [element("dt", {}, element("kbd", {}, names)), element("dd", {}, words)]));
  $("marked").querySelector("canvas").addEventListener("click", (event) => {
    const box = event.target.getBoundingClientRect();
    const object = objectAt(data.images[current.image], (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    if (object) toggle(object.number);
  });
  $("file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    const count = loadDecisions(await file.text());
    go(current);
    say(`Imported ${count.taken} decisions; ${count.elsewhere} are about other pages, ${count.stale} are stale, ${count.broken} are broken.`, count.broken > 0);
  });
  try {
    $("reviewer").value = storage?.getItem("instructsam-review-name") ?? "";
    $("reviewer").addEventListener("input", () => storage?.setItem("instructsam-review-name", $("reviewer").value));
  } catch { /* the name is not kept */ }
  const pages = [["index", "All pages"], ["previous", "\u2190 Page before"], ["next", "Next page \u2192"]];
  $("pages").append(...pages.filter(([name]) => data.links[name]).map(([name, words]) => element("a", { href: `./${data.links[name]}` }, words)));
  if (data.pages > 1) $("pages").append(element("span", {}, `page ${data.page} of ${data.pages}`));
  let at = null;
  try {
    at = sessionStorage.getItem(`${PREFIX}at/${data.page}`);
  } catch { /* the page begins with its first undecided item */ }
  const stale = data.items.filter(isStale);
  go(byId.get(at) ?? data.items.find((item) => !workOn(item).action) ?? data.items[0] ?? null);
  if (stale.length) say(`${stale.length} decisions that this browser keeps are about earlier versions of their candidates; they are not used.`, true);
}
start();
