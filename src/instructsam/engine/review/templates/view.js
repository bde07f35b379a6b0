// What is shown: the current item, its phrases and objects, progress and filters.
let current = null; // the item
let active = 0; // index of the phrase that clicks and digits change
let focused = 0; // number of the object that was touched last
let shownImage = -1;

function matching() {
  const show = $("show").value, kind = $("kind").value, text = $("find").value.trim().toLowerCase();
  return data.items.filter((item) => {
    if (kind && item.kind !== kind) return false;
    const work = workOn(item);
    if (show === "quality" ? item.cause !== "quality" : show === "comment" ? !work.comment : show !== "all" && verdict(item, work) !== show) return false;
    return !text || [item.id, work.instruction, ...work.phrases.map((phrase) => phrase.text)].some((part) => part.toLowerCase().includes(text));
  });
}

function drawProgress() {
  const found = { open: 0, accept: 0, fix: 0, reject: 0, skip: 0 };
  for (const item of data.items) found[verdict(item, workOn(item))]++;
  $("bar").max = Math.max(1, data.items.length);
  $("bar").value = data.items.length - found.open;
  $("counts").textContent = `${data.items.length - found.open} of ${data.items.length}: ${found.accept} accepted, ${found.fix} fixed, ${found.reject} rejected, ${found.skip} skipped`;
}

function drawPosition() {
  const items = matching();
  const at = items.indexOf(current);
  $("position").textContent = items.length ? `${at < 0 ? "-" : at + 1} of ${items.length}` : "none";
}

function drawPhrases(work) {
  $("phrases").replaceChildren(...work.phrases.map((phrase, index) => {
    const label = `Phrase ${index + 1}`;
    const text = element("input", { type: "text", value: phrase.text, "aria-label": label });
    const numbers = element("input", { type: "text", className: "numbers", inputMode: "numeric", placeholder: "no target",
      value: phrase.numbers.join(", "), "aria-label": `${label}: numbers of its objects` });
    text.addEventListener("input", () => edit((found) => { found.phrases[index].text = text.value; }, text));
    numbers.addEventListener("input", () => {
      const typed = numbers.value.split(/[\s,;]+/).filter(Boolean);
      const wrong = typed.filter((part) => !/^\d+$/.test(part) || !hasObject(Number(part)));
      numbers.setCustomValidity(wrong.length ? `no object ${wrong.join(", ")}` : "");
      if (wrong.length) return say(`There is no object ${visible(wrong.join(", "))}.`, true);
      say("");
      edit((found) => { found.phrases[index].numbers = numbersOf(typed.map(Number)); }, numbers);
      drawChoice(workOn(current));
    });
    const line = element("div", { className: "phrase" + (index === active ? " active" : "") }, text, numbers);
    line.style.setProperty("--phrase", phraseColor(index));
    line.addEventListener("focusin", () => setActive(index));
    line.addEventListener("click", () => setActive(index));
    return line;
  }));
}

function setActive(index) {
  active = index;
  [...$("phrases").children].forEach((line, at) => line.classList.toggle("active", at === index));
  drawChoice(workOn(current));
}

const hasObject = (number) => number >= 1 && number <= data.images[current.image].objects.length;

function drawGrid(image) {
  const classes = new Map();
  for (const object of image.objects) {
    if (!classes.has(object.category)) classes.set(object.category, []);
    classes.get(object.category).push(object);
  }
  // Classes of claimed objects first, then the large ones.
  const claimed = new Set(current.phrases.flatMap((phrase) => phrase.numbers));
  const uses = (objects) => objects.some((object) => claimed.has(object.number));
  const groups = [...classes].sort(([a, own], [b, other]) => uses(other) - uses(own) || other.length - own.length || (a < b ? -1 : 1));
  $("grid").replaceChildren(...groups.map(([name, objects]) => {
    const button = (words, on) => {
      const made = element("button", { type: "button", "aria-label": `${words} of ${visible(name || "unknown class")}` }, words);
      made.addEventListener("click", () => choose(objects.map((object) => object.number), on));
      return made;
    };
    const heading = element("h2", {}, name || "unknown class", element("small", {}, `${objects.length}`), button("all", true), button("none", false));
    const tiles = objects.map((object) => {
      const tile = element("button", { type: "button", className: "tile" }, cropOf(image, object),
        element("span", { className: "number" }, String(object.number)), element("span", { className: "marks" }), element("span", { className: "named" }));
      tile.dataset.number = object.number;
      tile.dataset.category = visible(name || "object");
      tile.addEventListener("click", () => toggle(object.number));
      tile.addEventListener("focus", () => { focused = object.number; });
      return tile;
    });
    return element("section", { className: "class" }, heading, element("div", { className: "tiles" }, ...tiles));
  }));
}

// Which objects are chosen, in the grid, in the picture and in the numbers.
function drawChoice(work) {
  for (const tile of $("grid").querySelectorAll(".tile")) {
    const number = Number(tile.dataset.number);
    const users = work.phrases.map((phrase, index) => (phrase.numbers.includes(number) ? index : -1)).filter((index) => index >= 0);
    tile.setAttribute("aria-pressed", users.includes(active));
    const share = current.named[number];
    tile.querySelector(".named").replaceChildren(...(share === undefined ? [] : [percent(share), element("span", {}, " of votes")]));
    tile.setAttribute("aria-label", `${number}: ${tile.dataset.category}${share === undefined ? "" : `, ${percent(share)} of votes`}`);
    tile.classList.toggle("used", users.length > 0);
    tile.style.setProperty("--phrase", phraseColor(active));
    tile.querySelector(".marks").replaceChildren(...users.map((index) => {
      const mark = element("span", {}, work.phrases.length > 1 ? String(index + 1) : "\u2713");
      mark.style.background = phraseColor(index);
      return mark;
    }));
  }
  [...$("phrases").querySelectorAll(".numbers")].forEach((field, index) => {
    if (field !== document.activeElement) {
      field.value = work.phrases[index].numbers.join(", ");
      field.setCustomValidity("");
    }
  });
  paintChosen($("marked").querySelector("canvas"), data.images[current.image], work.phrases);
}

const percent = (share) => `${Math.round(100 * share)} %`;

function drawWhy(item) {
  const rows = Object.entries(item.votes).map(([name, value]) => [name === "votes" ? "votes cast" : `check: ${name}`, name === "votes" ? String(value) : percent(value)]);
  if (item.reason) rows.push(["reason", item.reason]);
  item.history.forEach((earlier, round) => {
    const words = Object.entries(earlier).filter(([name]) => name !== "instruction").map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
    rows.push([`round ${round}`, `${earlier.instruction ?? ""} \u2014 ${words.join("; ")}`]);
  });
  const table = element("table", {}, ...rows.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, element("bdi", {}, value)))));
  $("votes").replaceChildren(rows.length ? table : element("p", {}, "No votes."));
}

function drawItem() {
  const item = current;
  $("main").hidden = item === null;
  $("nothing").hidden = item !== null;
  drawProgress();
  drawPosition();
  for (const id of ["accept", "none", "reject", "skip"]) $(id).disabled = item === null;
  if (item === null) return;
  const work = workOn(item), image = data.images[item.image];
  active = Math.min(active, work.phrases.length - 1);
  if (shownImage !== item.image) {
    shownImage = item.image;
    for (const id of ["marked", "clean"]) {
      $(id).style.setProperty("--aspect", image.size[0] / image.size[1]);
      $(id).querySelector("img").src = image[id];
    }
    $("file-name").textContent = [visible(image.file), `${image.size[0]} x ${image.size[1]} px`, visible(image.source), visible(image.licence)].filter(Boolean).join(" \u00b7 ");
  }
  drawGrid(image);
  const state = { open: "undecided", accept: "accepted", fix: "fixed", reject: `rejected: ${work.reason}`, skip: "skipped" }[verdict(item, work)];
  const causes = { review: "engine: for review", quality: "engine: accepted (quality sample)", rejected: "engine: rejected" };
  $("facts").replaceChildren(...[item.kind, causes[item.cause], state].map((text) => element("span", { className: "tag" }, text)), element("bdi", {}, item.id));
  $("instruction").value = work.instruction;
  $("comment").value = work.comment;
  drawPhrases(work);
  drawChoice(work);
  drawWhy(item);
  if (warned) say("This browser keeps no decisions: download them before you leave the page.", true);
}
