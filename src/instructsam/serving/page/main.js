/** The page: a picture, an instruction, one or two answers. */

import { makeAnswer } from "./answer.js";
import { make } from "./dom.js";
import { Edits } from "./edits.js";
import { Gallery } from "./gallery.js";
import { History } from "./history.js";
import { askForKey } from "./key.js";
import { Pane } from "./pane.js";
import { fileOf, openExample, openPicture } from "./picture.js";
import { getJson, isReady, post } from "./server.js";

const byId = (name) => document.getElementById(name);
const POLL = 700; // ms between questions whether the model is ready
const RETRY = 3000; // ms, while the server does not answer

class App {
  constructor() {
    this.facts = null;
    this.models = [];
    this.ready = false;
    this.current = null; // the picture
    this.panes = [];
    this.entry = null; // of the history, shown now
    this.running = null; // AbortController
    this.waiting = false; // an instruction runs as soon as the model is ready
    this.watching = false;
    this.opening = 0; // number of the last picture asked for; one that opens later than a newer one is left out
  }

  async start() {
    await this.connect();
    this.panes = [new Pane(this, 1), new Pane(this, 2)];
    byId("panes").append(this.panes[0].root);
    this.history = new History(byId("history"), byId("history-section"), {
      onOpen: (entry) => this.open(entry),
      onAgain: (entry) => this.open(entry) || this.run(),
      colorOf: (edits, label) => this.panes[0].colorOf(edits, label),
      threshold: () => this.threshold(),
    });
    const gallery = new Gallery(byId("examples"), (example) => this.openExample(example));
    byId("version").textContent = this.facts.version;
    byId("instruction").maxLength = this.facts.limits.max_characters;
    byId("threshold").min = String(this.facts.floor);
    byId("floor").textContent = `Candidates below ${this.facts.floor.toFixed(2)} are not shown.`;
    this.listen();
    this.offerModels();
    this.watch();
    await gallery.load(this.facts.examples);
  }

  /** Fetch what the page needs to begin; asks for the key, and tries again while the server does not answer. */
  async connect() {
    for (;;) {
      try {
        [this.facts, { models: this.models }] = await Promise.all([getJson("app/facts"), getJson("v1/models")]);
        return;
      } catch (problem) {
        this.showState("gone", problem.message);
        if (problem.kind === "key") await askForKey();
        else await new Promise((done) => setTimeout(done, RETRY));
      }
    }
  }

  /** Follow the model while it loads. */
  async watch() {
    if (this.watching) return;
    this.watching = true;
    await this.followModel();
    this.watching = false;
    if (this.ready && this.waiting) this.run();
  }

  async followModel() {
    const start = performance.now();
    for (;;) {
      let pause = POLL;
      try {
        if (await isReady()) break;
        const seconds = Math.round((performance.now() - start) / 1000);
        this.showState("loading", `Loading the model… ${seconds} s`);
      } catch (problem) {
        this.showState("gone", problem.message);
        if (problem.kind === "key") await askForKey();
        else pause = RETRY;
      }
      await new Promise((done) => setTimeout(done, pause));
    }
    try {
      ({ models: this.models } = await getJson("v1/models"));
    } catch (problem) {
      this.onProblem(problem);
      return;
    }
    if (!this.ready) this.setThreshold(this.models[0].score_threshold);
    this.ready = true;
    this.offerModels();
    this.showState("ready", this.models.length > 1 ? `${this.models.length} models ready` : "Ready");
  }

  offerModels() {
    const names = this.models.map((model) => model.name);
    this.panes.forEach((pane, index) => pane.setModels(this.models, pane.model || names[index]));
    byId("compare-row").hidden = names.length < 2;
  }

  picture() {
    return this.current;
  }

  answersLike(edits) {
    return this.history.answersLike(this.current, edits);
  }

  threshold() {
    return Number(byId("threshold").value);
  }

  setThreshold(value) {
    byId("threshold").value = String(value);
    byId("threshold-value").textContent = this.threshold().toFixed(2);
  }

  labelForBox(edits) {
    return edits.answer.phrases[0] || edits.answer.instruction;
  }

  get shown() {
    return byId("compare").checked ? this.panes : this.panes.slice(0, 1);
  }

  async openFile(file) {
    if (!file) return;
    this.clearProblem();
    if (!(await this.openNewest(() => file))) return;
    this.suggest([]);
    byId("instruction").focus({ preventScroll: true });
  }

  async openExample({ name, instructions }) {
    if (!(await this.openNewest(() => openExample(name)))) return;
    this.suggest(instructions);
    byId("instruction").value = instructions[0];
    byId("ask").scrollIntoView({ block: "nearest" });
    this.run();
  }

  /** Show a picture unless the user has asked for another since; returns whether it is shown. */
  async openNewest(find) {
    const number = ++this.opening;
    try {
      const picture = await openPicture(await find(), this.facts.limits);
      if (number !== this.opening) return false;
      this.showPicture(picture);
      return true;
    } catch (problem) {
      if (number === this.opening) this.onProblem(problem);
      return false;
    }
  }

  showPicture(picture) {
    this.running?.abort();
    this.current = picture;
    this.entry = null;
    byId("drop").hidden = true;
    byId("panes").hidden = false;
    byId("file-label").textContent = "Change the picture";
    for (const pane of this.panes) pane.showPicture(picture);
  }

  suggest(instructions) {
    const buttons = instructions.map((text) => {
      const button = make("button", { type: "button", className: "suggestion", text });
      button.addEventListener("click", () => {
        byId("instruction").value = text;
        this.run();
      });
      return button;
    });
    byId("suggestions").replaceChildren(make("span", { className: "quiet", text: "Try" }), ...buttons);
    byId("suggestions").hidden = !instructions.length;
  }

  /** Segment the picture by the instruction, in every pane that is shown. */
  async run() {
    const instruction = byId("instruction").value.trim();
    this.clearProblem();
    if (!this.current) return this.onProblem(new Error("Choose a picture first: drop one, paste one, or take an example."));
    if (!instruction) {
      byId("instruction").focus();
      return this.onProblem(new Error("Type what to segment, such as “the red mugs”."));
    }
    this.waiting = !this.ready;
    if (this.waiting) return this.progress("The model is loading. Your instruction runs as soon as it is ready.");
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const panes = this.shown;
    this.setBusy(true);
    try {
      const edits = await Promise.all(panes.map((pane) => this.segment(pane.model, instruction, running.signal)));
      if (running.signal.aborted) return;
      this.entry = { picture: this.current, instruction, edits };
      byId("controls").hidden = false;
      this.history.add(this.entry);
      this.showEntry(this.entry);
    } catch (problem) {
      if (running.signal.aborted) return; // by the user, or by a newer run
      running.abort();
      this.onProblem(problem);
    } finally {
      if (this.running === running) this.setBusy(false);
    }
  }

  async segment(model, instruction, signal) {
    const form = new FormData();
    form.append("image", this.current.file, "image");
    form.append("instructions", instruction);
    form.append("model", model);
    form.append("score_threshold", String(this.facts.floor));
    form.append("masks", "rle");
    const start = performance.now();
    const onWait = (seconds) => this.progress(`The server is busy. Trying again in ${Math.ceil(seconds)} s…`);
    const answer = await (await post("v1/segment", form, { signal, onWait })).json();
    return new Edits(makeAnswer(answer.predictions[0], model, (performance.now() - start) / 1000));
  }

  showEntry(entry) {
    this.current = entry.picture;
    byId("compare").checked = entry.edits.length > 1;
    this.layOut();
    entry.edits.forEach((edits, index) => this.panes[index].showEdits(entry.picture, edits));
  }

  /** Return to an answer of the history. */
  open(entry) {
    this.opening++;
    this.running?.abort();
    this.clearProblem();
    this.entry = entry;
    byId("instruction").value = entry.instruction;
    entry.edits.forEach((edits, index) => this.panes[index].setModels(this.models, edits.answer.model));
    this.showEntry(entry);
    byId("ask").scrollIntoView({ block: "nearest" });
  }

  layOut() {
    const [, second] = this.panes;
    const two = this.shown.length > 1;
    byId("panes").classList.toggle("two", two);
    if (two) byId("panes").append(second.root);
    else second.root.remove();
  }

  compare() {
    this.layOut();
    const [first, second] = this.panes;
    if (this.shown.length > 1 && first.model === second.model) {
      const other = this.models.find((model) => model.name !== first.model);
      second.setModels(this.models, other.name);
    }
    if (this.current) second.showPicture(this.current);
    if (this.running || (this.entry && this.shown.length > 1)) this.run();
  }

  onModel() {
    if (this.entry || this.running) this.run();
  }

  onEdit() {
    if (this.entry) this.history.draw(this.entry);
  }

  onProblem(problem) {
    if (problem.name === "AbortError") return;
    this.progress("");
    if (problem.kind === "key") {
      askForKey("The key is not the right one.").then(() => this.run());
      return;
    }
    byId("problem-text").textContent = problem.message;
    byId("problem").hidden = false;
    if (problem.kind === "gone") this.watch();
  }

  clearProblem() {
    byId("problem").hidden = true;
    this.progress("");
  }

  progress(text) {
    byId("progress").textContent = text;
    byId("progress").hidden = !text;
  }

  setBusy(busy) {
    byId("run").textContent = busy ? "Cancel" : "Segment";
    const shown = this.shown;
    for (const pane of this.panes) pane.setBusy(busy && shown.includes(pane));
    if (!busy) {
      this.running = null;
      this.progress("");
    }
  }

  showState(kind, text) {
    byId("state").className = kind;
    byId("state").textContent = text;
  }

  listen() {
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running && event.submitter === byId("run")) this.running.abort();
      else this.run();
    });
    byId("file").addEventListener("change", () => {
      this.openFile(byId("file").files[0]);
      byId("file").value = ""; // the same file can be chosen again
    });
    byId("threshold").addEventListener("input", () => {
      this.setThreshold(this.threshold());
      for (const pane of this.panes) pane.render();
      this.onEdit();
    });
    byId("threshold").addEventListener("change", () => this.history.drawAll());
    byId("compare").addEventListener("change", () => this.compare());
    byId("problem-close").addEventListener("click", () => this.clearProblem());
    document.addEventListener("paste", (event) => this.take(event, event.clipboardData));
    document.addEventListener("keydown", (event) => {
      if (event.target === document.body) this.panes[0].key(event);
      if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
      event.preventDefault();
      byId("instruction").select();
    });
    this.listenToDrops();
  }

  listenToDrops() {
    const showTarget = (shown) => (byId("dropping").hidden = !shown);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      showTarget(true);
    });
    document.addEventListener("dragleave", (event) => showTarget(event.relatedTarget !== null));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      showTarget(false);
      if (!this.take(event, event.dataTransfer)) {
        this.onProblem(new Error("That was not a file: drop a picture file, or copy the picture and paste it."));
      }
    });
  }

  take(event, transfer) {
    const file = fileOf(transfer);
    if (file) {
      event.preventDefault();
      this.openFile(file);
    }
    return file !== null;
  }
}

new App().start();
