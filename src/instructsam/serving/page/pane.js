/** One answer on the page: its canvas, its phrases, its instances, its download. A comparison has two. */

import { describeAnswer } from "./answer.js";
import { clone, inkOn, make, part } from "./dom.js";
import { offerFormats, download } from "./download.js";
import { InstanceList } from "./instance_list.js";
import { sentence } from "./server.js";
import { View } from "./view.js";

const MOST_RATIO = 3; // of the sides of the stage

export class Pane {
  /** @param app {facts, threshold(), picture(), labelForBox(), answersLike(edits), onModel(pane), onEdit(pane)} */
  constructor(app, number) {
    this.app = app;
    this.root = clone("pane");
    this.root.setAttribute("aria-label", `Answer ${number}`);
    this.edits = null;
    this.part = (name) => part(this.root, name);
    this.view = new View(this.part("canvas"), {
      onHover: (id, event) => this._hover(id, event),
      onClick: (id) => this._edit((edits) => edits.decide(id, "rejected")),
      onBox: (box) => this._addBox(box),
      onZoom: () => this._showZoom(),
    });
    this.list = new InstanceList(this.part("instances"), {
      onHover: (id) => this._hover(id, null),
      onDecide: (id, decision) => this._edit((edits) => edits.decide(id, decision)),
      onRename: (id, label) => this._edit((edits) => edits.rename(id, label)),
      onRemove: (id) => this._edit((edits) => edits.remove(id)),
    });
    this._listen();
    offerFormats(this.part("format"), app.facts.formats);
  }

  setModels(models, chosen) {
    const select = this.part("model");
    select.replaceChildren(...models.map((model) => make("option", { value: model.name, text: model.name })));
    select.value = models.some((model) => model.name === chosen) ? chosen : models[0].name;
    this.part("model-row").hidden = models.length < 2;
  }

  get model() {
    return this.part("model").value;
  }

  /** Show a picture without an answer. */
  showPicture(picture) {
    this.edits = null;
    this._showBitmap(picture.bitmap, picture.bitmap);
    this._endBox();
    this.render();
  }

  /** Give the stage the shape of the picture; a strip keeps room around it for zooming in. */
  _showBitmap(bitmap, { width, height }) {
    const ratio = Math.min(MOST_RATIO, Math.max(1 / MOST_RATIO, width / height));
    this.part("stage").style.setProperty("--ratio", String(ratio));
    this.view.show(bitmap, { width, height });
  }

  /** Show an answer with the user's edits. */
  showEdits(picture, edits) {
    this.edits = edits;
    const { width, height } = edits.answer;
    if (this.view.bitmap !== picture.bitmap || this.view.size.width !== width) {
      this._showBitmap(picture.bitmap, edits.answer);
    }
    this._endBox();
    this.part("done").textContent = "";
    this.render();
  }

  setBusy(busy) {
    this.root.classList.toggle("busy", busy);
    this.root.setAttribute("aria-busy", String(busy));
  }

  colorOf(edits, label) {
    const { palette } = this.app.facts;
    return palette[Math.max(0, edits.labels().indexOf(label)) % palette.length];
  }

  render() {
    const { edits } = this;
    this.part("result").hidden = !edits;
    this.part("tools").hidden = !this.view.bitmap;
    for (const name of ["draw", "undo"]) this.part(name).hidden = !edits;
    this.part("undo").disabled = !edits?.canUndo;
    if (!edits) {
      this.view.setLayers([]);
      return;
    }
    const threshold = this.app.threshold();
    const color = (one) => this.colorOf(edits, one.label);
    const shown = edits.listed(threshold).filter((one) => !edits.hidden.has(one.label));
    this.view.setLayers(
      [...shown]
        .sort((a, b) => b.area - a.area)
        .map((one) => ({
          id: one.id,
          path: one.path,
          anchor: one.anchor,
          number: one.id,
          color: color(one),
          ink: inkOn(color(one)),
          rejected: one.decision === "rejected",
        })),
    );
    this._renderStatus(edits, threshold);
    this._renderChips(edits, threshold);
    this.list.render(edits.listed(threshold), edits.hidden, color);
    const kept = edits.kept(threshold).length;
    this.part("all-row").hidden = this.app.answersLike(edits).length < 2;
    this._renderCount();
    this.part("canvas").setAttribute("aria-label", `The picture with ${kept} instances marked`);
  }

  /** The answers that a download contains. */
  downloaded() {
    return this.part("all").checked ? this.app.answersLike(this.edits) : [this.edits];
  }

  _renderCount() {
    const answers = this.downloaded();
    const kept = answers.flatMap((edits) => edits.kept(this.app.threshold())).length;
    const where = answers.length > 1 ? ` in ${answers.length} answers` : "";
    this.part("download-count").textContent = `Instances kept: ${kept}${where}`;
  }

  _renderStatus(edits, threshold) {
    const { answer } = edits;
    const found = describeAnswer(answer, edits.instances, threshold, this.app.facts.floor);
    this.part("status").className = `status ${found.kind}`;
    this.part("headline").textContent = found.headline;
    const notes = answer.notes.map((note) => `Note: ${sentence(note)}`);
    this.part("details").replaceChildren(...[...found.details, ...notes].map((text) => make("p", { text })));
    const reply = answer.text ? `The model's reply: “${answer.text}”` : "The instruction itself was the phrase; there is no reply.";
    this.part("reply").textContent = `${reply} · ${answer.seconds.toFixed(2)} s`;
  }

  _renderChips(edits, threshold) {
    const listed = edits.listed(threshold).filter((one) => one.decision !== "rejected");
    const chips = edits.labels().map((label) => {
      const number = listed.filter((one) => one.label === label).length;
      const shown = !edits.hidden.has(label);
      const chip = make("button", { type: "button", className: "chip", title: shown ? `Hide “${label}”` : `Show “${label}”` });
      chip.setAttribute("aria-pressed", String(shown));
      const dot = make("span", { className: "dot" });
      dot.style.setProperty("--color", this.colorOf(edits, label));
      chip.append(dot, make("span", { className: "name", text: label }), make("span", { className: "count", text: String(number) }));
      chip.addEventListener("click", () => this._toggle(label));
      return chip;
    });
    const focused = [...this.part("chips").children].indexOf(document.activeElement);
    this.part("chips").replaceChildren(...chips);
    if (focused >= 0) chips[focused]?.focus();
  }

  _toggle(label) {
    const { hidden } = this.edits;
    if (!hidden.delete(label)) hidden.add(label);
    this.render();
    this.app.onEdit(this);
  }

  _edit(change) {
    if (!this.edits) return;
    change(this.edits);
    this.part("done").textContent = "";
    this.render();
    this.app.onEdit(this);
  }

  _addBox(box) {
    const label = this.app.labelForBox(this.edits);
    this.edits.hidden.delete(label);
    let id;
    this._edit((edits) => {
      id = edits.draw(box, label);
    });
    this._endBox();
    this.list.focusLabel(id);
  }

  undo() {
    this._edit((edits) => edits.undo());
  }

  _startBox() {
    this.view.box.begin();
    this.part("draw").setAttribute("aria-pressed", "true");
    this.part("hint").textContent = "Drag a box on the picture. By keyboard: arrows, Shift+arrows, Enter; Escape ends.";
    this.part("canvas").focus({ preventScroll: true });
  }

  _endBox() {
    this.view.box.end();
    this.part("draw").setAttribute("aria-pressed", "false");
    this.part("hint").textContent = "";
  }

  _hover(id, event) {
    this.view.setHovered(id);
    this.list.setHovered(id);
    const one = id === null ? null : this.edits?.instances.find((item) => item.id === id);
    const tip = this.part("tip");
    tip.hidden = !one || !event;
    if (tip.hidden) return;
    const score = one.drawn ? "drawn by you" : `score ${one.score.toFixed(2)}`;
    const state = one.decision === "rejected" ? " · rejected" : "";
    tip.textContent = `${one.id} · ${one.label} · ${score} · ${one.area.toLocaleString("en")} px${state}`;
    const stage = this.part("stage").getBoundingClientRect();
    const [x, y] = [event.clientX - stage.left, event.clientY - stage.top];
    const left = Math.min(x + 14, stage.width - tip.offsetWidth - 4);
    const top = y + 18 + tip.offsetHeight > stage.height ? y - tip.offsetHeight - 10 : y + 18;
    tip.style.setProperty("left", `${Math.max(4, left)}px`);
    tip.style.setProperty("top", `${Math.max(4, top)}px`);
  }

  _showZoom() {
    this.part("zoom").textContent = `${Math.round(this.view.zoom * 100)} %`;
  }

  _listen() {
    const on = (name, action) => this.part(name).addEventListener("click", action);
    on("zoom-in", () => this.view.zoomBy(1.5));
    on("zoom-out", () => this.view.zoomBy(1 / 1.5));
    on("fit", () => this.view.fit());
    on("undo", () => this.undo());
    on("draw", () => (this.view.box.active ? this._endBox() : this._startBox()));
    this.part("model").addEventListener("change", () => this.app.onModel(this));
    this.part("all").addEventListener("change", () => this._renderCount());
    this.part("download").addEventListener("submit", (event) => {
      event.preventDefault();
      download(this, this.part("format").value);
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  /** A key that was pressed in this pane, or in none. */
  key(event) {
    const typing = event.target.matches("input, select");
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Escape" && this.view.box.active) this._endBox();
    else if (event.key === "z" && command && !typing) this.undo();
    else if (event.key === "b" && !command && !typing && this.edits) this._startBox();
    else return;
    event.preventDefault();
  }
}
