/** The list of instances: one row each with its label, score, area and decisions. Rows keep the focus when they change. */

import { clone, inkOn, part } from "./dom.js";

export class InstanceList {
  /** @param handlers onHover(id or null), onDecide(id, decision), onRename(id, label), onRemove(id) */
  constructor(root, handlers) {
    this.root = root;
    this.handlers = handlers;
    this.rows = new Map(); // by id
    root.addEventListener("keydown", (event) => this._key(event));
  }

  render(instances, hidden, colorOf) {
    const wanted = new Set(instances.map((one) => one.id));
    for (const [id, row] of this.rows) {
      if (!wanted.has(id)) {
        row.remove();
        this.rows.delete(id);
      }
    }
    instances.forEach((one, index) => {
      if (!this.rows.has(one.id)) this.rows.set(one.id, this._makeRow(one.id));
      const row = this.rows.get(one.id);
      if (this.root.children[index] !== row) this.root.insertBefore(row, this.root.children[index] ?? null);
      this._fill(row, one, hidden, colorOf(one));
    });
  }

  setHovered(id) {
    for (const [key, row] of this.rows) row.classList.toggle("hovered", key === id);
  }

  focusLabel(id) {
    const input = part(this.rows.get(id), "label");
    input.focus();
    input.select();
  }

  _makeRow(id) {
    const row = clone("row");
    const label = part(row, "label");
    row.dataset.id = String(id);
    row.addEventListener("pointerenter", () => this.handlers.onHover(id));
    row.addEventListener("pointerleave", () => this.handlers.onHover(null));
    row.addEventListener("focusin", () => this.handlers.onHover(id));
    row.addEventListener("focusout", () => this.handlers.onHover(null));
    label.addEventListener("change", () => {
      this.handlers.onRename(id, label.value);
      if (!label.value.trim()) label.value = label.defaultValue; // an empty label is refused
    });
    label.addEventListener("keydown", (event) => {
      if (event.key === "Enter") label.blur();
      if (event.key === "Escape") {
        label.value = label.defaultValue;
        label.blur();
      }
    });
    part(row, "accept").addEventListener("click", () => this.handlers.onDecide(id, "accepted"));
    part(row, "reject").addEventListener("click", () => this.handlers.onDecide(id, "rejected"));
    part(row, "remove").addEventListener("click", () => this.handlers.onRemove(id));
    return row;
  }

  _fill(row, one, hidden, color) {
    row.classList.toggle("rejected", one.decision === "rejected");
    row.classList.toggle("hidden-label", hidden.has(one.label));
    const number = part(row, "number");
    number.textContent = String(one.id);
    number.style.setProperty("--color", color);
    number.style.setProperty("--ink-on", inkOn(color));
    const label = part(row, "label");
    if (label.defaultValue !== one.label) {
      label.defaultValue = one.label;
      label.value = one.label;
    }
    label.setAttribute("aria-label", `Label of instance ${one.id}`);
    const facts = `${one.drawn ? "drawn by you" : `score ${one.score.toFixed(2)}`} · ${one.area.toLocaleString("en")} px`;
    part(row, "facts").textContent = facts;
    for (const [name, decision] of [["accept", "accepted"], ["reject", "rejected"]]) {
      const button = part(row, name);
      button.setAttribute("aria-pressed", String(one.decision === decision));
      button.setAttribute("aria-label", `${name === "accept" ? "Accept" : "Reject"} instance ${one.id}`);
      button.hidden = one.drawn;
    }
    part(row, "remove").hidden = !one.drawn;
    part(row, "remove").setAttribute("aria-label", `Remove instance ${one.id}`);
  }

  _key(event) {
    const row = event.target.closest("li");
    if (!row || event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const id = Number(row.dataset.id);
    const move = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling };
    if (event.key === "a") this.handlers.onDecide(id, "accepted");
    else if (event.key === "r") this.handlers.onDecide(id, "rejected");
    else if (event.key in move) move[event.key]?.querySelector("button:not([hidden])").focus();
    else return;
    event.preventDefault();
  }
}
