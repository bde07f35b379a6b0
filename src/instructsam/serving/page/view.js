/** The canvas: the picture with its instances, hover, click, zoom and pan. Coordinates are pixels of the picture. */

import { BoxTool } from "./box_tool.js";

const MOST_ZOOM = 32;
const CLICK = 5; // px of movement that is still a click
const probe = document.createElement("canvas").getContext("2d"); // an untransformed one, to ask which path has a point

export class View {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param handlers onHover(id or null, event), onClick(id), onBox([left, top, right, bottom]), onZoom()
   */
  constructor(canvas, handlers) {
    this.canvas = canvas;
    this.handlers = handlers;
    this.context = canvas.getContext("2d");
    this.bitmap = null;
    this.size = { width: 1, height: 1 };
    this.layers = [];
    this.hovered = null;
    this.zoom = 1; // 1 fits the picture into the canvas
    this.center = [0.5, 0.5]; // of what is visible, in shares of the picture
    this.box = new BoxTool(this);
    this._pointers = new Map();
    this._moved = 0;
    this._listen();
    new ResizeObserver(() => this._resize()).observe(canvas.parentElement);
  }

  /** Show another picture of a size in pixels, which the bitmap may exceed or fall short of. */
  show(bitmap, size) {
    this.bitmap = bitmap;
    this.size = size;
    this.layers = [];
    this.hovered = null;
    this.fit();
    this._resize();
  }

  /** Layers: {id, path, anchor, color, ink, number, rejected}; the last is on top. */
  setLayers(layers) {
    this.layers = layers;
    this.redraw();
  }

  setHovered(id) {
    if (this.hovered !== id) {
      this.hovered = id;
      this.redraw();
    }
  }

  fit() {
    this.zoom = 1;
    this.center = [0.5, 0.5];
    this._changed();
  }

  /** Zoom by a factor around a place of the canvas in CSS pixels; without one, around its middle. */
  zoomBy(factor, place = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const before = this.toPicture(place);
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor));
    const after = this.toPicture(place);
    this._move((before[0] - after[0]) / this.size.width, (before[1] - after[1]) / this.size.height);
  }

  /** CSS pixels of the canvas per pixel of the picture. */
  get scale() {
    const { clientWidth, clientHeight } = this.canvas;
    return Math.min(clientWidth / this.size.width, clientHeight / this.size.height) * this.zoom || 1;
  }

  toPicture([x, y]) {
    const [left, top] = this._origin();
    return [(x - left) / this.scale, (y - top) / this.scale];
  }

  redraw() {
    if (!this._frame) {
      this._frame = requestAnimationFrame(() => {
        this._frame = 0;
        this._draw();
      });
    }
  }

  _origin() {
    const { clientWidth, clientHeight } = this.canvas;
    return [
      clientWidth / 2 - this.center[0] * this.size.width * this.scale,
      clientHeight / 2 - this.center[1] * this.size.height * this.scale,
    ];
  }

  _resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this._draw();
  }

  _changed() {
    this.canvas.classList.toggle("movable", this.zoom > 1);
    this.handlers.onZoom?.();
    this.redraw();
  }

  _move(dx, dy) {
    const half = 0.5 / this.zoom;
    this.center = this.center.map((value, axis) => {
      const wanted = value + (axis ? dy : dx);
      return Math.min(1 - half, Math.max(half, wanted));
    });
    this._changed();
  }

  _draw() {
    const { context, canvas } = this;
    const ratio = canvas.width / Math.max(1, canvas.clientWidth);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.bitmap) return;
    const [left, top] = this._origin();
    const scale = this.scale;
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * left, ratio * top);
    context.imageSmoothingEnabled = scale < 4;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, 0, 0, this.size.width, this.size.height);
    for (const layer of this.layers) this._drawLayer(layer, scale);
    for (const layer of this.layers) if (!layer.rejected) this._drawNumber(layer, scale);
    this.box.draw(context, scale);
  }

  _drawLayer(layer, scale) {
    const { context } = this;
    const active = layer.id === this.hovered;
    context.lineJoin = "round";
    context.setLineDash(layer.rejected ? [5 / scale, 4 / scale] : []);
    if (!layer.rejected) {
      context.globalAlpha = active ? 0.55 : this.hovered === null ? 0.36 : 0.18;
      context.fillStyle = layer.color;
      context.fill(layer.path, "evenodd");
    }
    context.globalAlpha = 1;
    context.lineWidth = (active ? 5 : 3.5) / scale;
    context.strokeStyle = "rgba(0, 0, 0, 0.6)";
    if (!layer.rejected) context.stroke(layer.path);
    context.lineWidth = (active ? 3 : layer.rejected ? 1.5 : 2) / scale;
    context.strokeStyle = layer.rejected ? "#bbb" : layer.color;
    context.stroke(layer.path);
    context.setLineDash([]);
  }

  _drawNumber(layer, scale) {
    const { context } = this;
    const radius = 10 / scale;
    const { width, height } = this.size;
    const inside = (value, side) => Math.max(radius, Math.min(side - radius, value)); // whole at the border, too
    const [x, y] = [inside(layer.anchor[0], width), inside(layer.anchor[1], height)];
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = layer.color;
    context.fill();
    context.lineWidth = 1.5 / scale;
    context.strokeStyle = "rgba(0, 0, 0, 0.7)";
    context.stroke();
    context.fillStyle = layer.ink;
    context.font = `600 ${12 / scale}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(String(layer.number), x, y + 0.5 / scale);
  }

  /** The smallest instance at a place, that is the one drawn last. */
  _at(place) {
    const [x, y] = this.toPicture(place);
    for (let index = this.layers.length - 1; index >= 0; index--) {
      if (probe.isPointInPath(this.layers[index].path, x, y, "evenodd")) return this.layers[index].id;
    }
    return null;
  }

  _listen() {
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this._down(event, place(event)));
    canvas.addEventListener("pointermove", (event) => this._drag(event, place(event)));
    canvas.addEventListener("pointerup", (event) => this._up(event, place(event)));
    canvas.addEventListener("pointercancel", (event) => {
      this._pointers.delete(event.pointerId);
      this.box.cancelDrag();
    });
    canvas.addEventListener("pointerleave", (event) => this.handlers.onHover(null, event));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
        event.preventDefault();
        this.zoomBy(Math.exp(-event.deltaY / 200), place(event));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => this._key(event));
  }

  _down(event, place) {
    if (!this.bitmap || event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this._pointers.set(event.pointerId, place);
    this._moved = this._pointers.size > 1 ? Infinity : 0;
    if (this._pointers.size > 1) this.box.cancelDrag();
    else if (this.box.active) this.box.start(this.toPicture(place));
  }

  _drag(event, place) {
    const before = this._pointers.get(event.pointerId);
    if (!before) {
      if (!this.box.active) this.handlers.onHover(this._at(place), event);
      return;
    }
    if (this._pointers.size === 2) this._pinch(event.pointerId, place);
    this._pointers.set(event.pointerId, place);
    if (this._pointers.size > 1) return;
    const [dx, dy] = [place[0] - before[0], place[1] - before[1]];
    this._moved += Math.hypot(dx, dy);
    if (this.box.active) {
      this.box.extend(this.toPicture(place));
    } else if (this.zoom > 1 && this._moved > CLICK) {
      this._move(-dx / this.scale / this.size.width, -dy / this.scale / this.size.height);
    }
  }

  _pinch(id, place) {
    const others = [...this._pointers].filter(([key]) => key !== id);
    const [, fixed] = others[0];
    const before = this._pointers.get(id);
    const ratio = distance(place, fixed) / Math.max(1, distance(before, fixed));
    this.zoomBy(ratio, [(place[0] + fixed[0]) / 2, (place[1] + fixed[1]) / 2]);
  }

  _up(event, place) {
    if (!this._pointers.delete(event.pointerId)) return;
    if (this.box.active) {
      if (this._pointers.size === 0) this.box.finish();
      return;
    }
    const id = this._at(place);
    if (this._moved <= CLICK && id !== null) this.handlers.onClick(id);
    if (event.pointerType === "touch") this.handlers.onHover(this._moved <= CLICK ? id : null, event);
  }

  _key(event) {
    if (this.box.key(event)) {
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.1 / this.zoom;
    const actions = {
      "+": () => this.zoomBy(1.5),
      "=": () => this.zoomBy(1.5),
      "-": () => this.zoomBy(1 / 1.5),
      0: () => this.fit(),
      ArrowLeft: () => this._move(-step, 0),
      ArrowRight: () => this._move(step, 0),
      ArrowUp: () => this._move(0, -step),
      ArrowDown: () => this._move(0, step),
    };
    if (!(event.key in actions) || (event.key.startsWith("Arrow") && this.zoom === 1)) return;
    event.preventDefault();
    actions[event.key]();
  }
}

function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
