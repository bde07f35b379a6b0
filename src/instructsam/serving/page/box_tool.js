/** Drawing a box on the canvas, by pointer or by arrow keys. */

const SMALLEST = 2; // px of the picture; anything smaller was a click

export class BoxTool {
  constructor(view) {
    this.view = view;
    this.active = false;
    this._corners = null; // two opposite corners while a box is being drawn
  }

  begin() {
    this.active = true;
    this._corners = null;
    this.view.canvas.classList.add("drawing");
  }

  end() {
    this.active = false;
    this.cancelDrag();
    this.view.canvas.classList.remove("drawing");
  }

  start(place) {
    this._corners = [place, place];
    this.view.redraw();
  }

  extend(place) {
    if (this._corners) this._corners[1] = place;
    this.view.redraw();
  }

  cancelDrag() {
    this._corners = null;
    this.view.redraw();
  }

  /** Report the box in whole pixels inside the picture. */
  finish() {
    const box = this._box();
    this.cancelDrag();
    if (box && box[2] - box[0] >= SMALLEST && box[3] - box[1] >= SMALLEST) this.view.handlers.onBox(box);
  }

  /** Arrow keys move the box, with Shift they resize it, Enter adds it. Returns whether the key was used. */
  key(event) {
    if (!this.active) return false;
    const { width, height } = this.view.size;
    if (event.key === "Enter") {
      this.finish();
      return true;
    }
    const step = Math.max(1, Math.round(Math.max(width, height) / 50));
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const move = moves[event.key];
    if (!move) return false;
    this._corners ??= [
      [Math.round(width * 0.375), Math.round(height * 0.375)],
      [Math.round(width * 0.625), Math.round(height * 0.625)],
    ];
    this._corners = this._corners.map(([x, y], index) =>
      event.shiftKey && index === 0 ? [x, y] : [x + move[0], y + move[1]],
    );
    this.view.redraw();
    return true;
  }

  draw(context, scale) {
    const box = this._box();
    if (!box) return;
    const [left, top, right, bottom] = box;
    context.globalAlpha = 1;
    for (const [color, dash] of [["#000", []], ["#fff", [6 / scale, 4 / scale]]]) {
      context.strokeStyle = color;
      context.lineWidth = 2 / scale;
      context.setLineDash(dash);
      context.strokeRect(left, top, right - left, bottom - top);
    }
    context.setLineDash([]);
  }

  _box() {
    if (!this._corners) return null;
    const [[ax, ay], [bx, by]] = this._corners;
    const { width, height } = this.view.size;
    const inside = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
    return [
      inside(Math.min(ax, bx), width),
      inside(Math.min(ay, by), height),
      inside(Math.max(ax, bx), width),
      inside(Math.max(ay, by), height),
    ];
  }
}
