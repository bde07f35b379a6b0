/** The instances of an answer as the user corrects them, with undo. */

import { isCandidate, makeInstance } from "./answer.js";
import { encodeBox } from "./rle.js";

export class Edits {
  /** @param answer of `makeAnswer`. */
  constructor(answer) {
    this.answer = answer;
    this.instances = answer.instances;
    this.hidden = new Set(); // labels that the chips hide
    this._past = [];
  }

  get canUndo() {
    return this._past.length > 0;
  }

  /** What the canvas fills and a download contains. */
  kept(threshold) {
    return this.listed(threshold).filter((one) => one.decision !== "rejected" && !this.hidden.has(one.label));
  }

  /** What the list shows: kept and rejected instances, without those below the threshold. */
  listed(threshold) {
    return this.instances.filter((one) => isCandidate(one, threshold));
  }

  /** The labels in order of their first instance, those of phrases without one, too. */
  labels() {
    return [...new Set([...this.answer.phrases, ...this.instances.map((one) => one.label)])];
  }

  /** Accept or reject; the same decision twice takes it back. */
  decide(id, decision) {
    this._replace(id, (one) => ({ ...one, decision: one.decision === decision ? "" : decision }));
  }

  rename(id, label) {
    const wanted = label.trim();
    if (wanted) this._replace(id, (one) => (one.label === wanted ? one : { ...one, label: wanted }));
  }

  /** Add a box as an instance; returns its id. */
  draw(box, label) {
    const { width, height } = this.answer;
    const id = Math.max(0, ...this.instances.map((one) => one.id)) + 1;
    const mask = encodeBox(box, width, height);
    const area = (box[2] - box[0]) * (box[3] - box[1]);
    this._set([...this.instances, makeInstance({ id, label, score: 1, mask, area, drawn: true })]);
    return id;
  }

  remove(id) {
    this._set(this.instances.filter((one) => one.id !== id));
  }

  undo() {
    if (this.canUndo) this.instances = this._past.pop();
  }

  _replace(id, change) {
    const changed = this.instances.map((one) => (one.id === id ? change(one) : one));
    if (changed.some((one, index) => one !== this.instances[index])) this._set(changed);
  }

  _set(instances) {
    this._past.push(this.instances);
    this.instances = instances;
  }
}
