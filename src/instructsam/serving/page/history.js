/** The answers of this session: thumbnails to return to, and to run again. Nothing is stored. */

import { count } from "./answer.js";
import { clone, make, part } from "./dom.js";
import { thumbnail } from "./picture.js";

const MOST = 24; // entries

export class History {
  /** @param handlers onOpen(entry), onAgain(entry), colorOf(edits, label), threshold() */
  constructor(root, section, handlers) {
    this.root = root;
    this.section = section;
    this.handlers = handlers;
    this.entries = []; // {picture, instruction, edits: [of each pane], tile}
  }

  add(entry) {
    entry.tile = clone("tile");
    part(entry.tile, "open").addEventListener("click", () => this.handlers.onOpen(entry));
    const again = part(entry.tile, "again");
    again.hidden = false;
    again.setAttribute("aria-label", `Run again: ${entry.instruction}`);
    again.addEventListener("click", () => this.handlers.onAgain(entry));
    this.entries.unshift(entry);
    this.root.prepend(entry.tile);
    this.section.hidden = false;
    this.entries.splice(MOST).forEach((old) => old.tile.remove());
    this.draw(entry);
  }

  /** The newest answer per instruction by the same model about the same picture; the given one first. */
  answersLike(picture, edits) {
    const found = new Map([[edits.answer.instruction, edits]]);
    for (const entry of this.entries.filter((entry) => entry.picture === picture)) {
      for (const other of entry.edits.filter((one) => one.answer.model === edits.answer.model)) {
        if (!found.has(other.answer.instruction)) found.set(other.answer.instruction, other);
      }
    }
    return [...found.values()];
  }

  drawAll() {
    for (const entry of this.entries) this.draw(entry);
  }

  /** Draw the tile of an entry again, after a correction. */
  draw(entry) {
    const { colorOf, threshold } = this.handlers;
    const [edits] = entry.edits;
    const kept = edits.kept(threshold()).length;
    const open = part(entry.tile, "open");
    open.replaceChildren(
      thumbnail(entry.picture, edits, threshold(), colorOf),
      make("span", { className: "caption", text: entry.instruction }),
      make("span", { className: "quiet", text: kept ? count(kept, "instance") : "no instance" }),
    );
  }
}
