/** The shipped examples. */

import { clone, make, part } from "./dom.js";
import { getBlob } from "./server.js";

export class Gallery {
  constructor(root, onOpen) {
    this.root = root;
    this.onOpen = onOpen;
  }

  async load(examples) {
    this.root.replaceChildren(...examples.map((example) => this._tile(example)));
    for (const [index, { name }] of examples.entries()) {
      const image = this.root.children[index].querySelector("img");
      image.src = URL.createObjectURL(await getBlob(`app/examples/${encodeURIComponent(name)}`));
    }
  }

  _tile(example) {
    const tile = clone("tile");
    const title = example.name.replace(/\.\w+$/, "").replaceAll("_", " ");
    const open = part(tile, "open");
    open.append(make("img", { alt: title }), make("span", { className: "caption", text: example.instructions[0] }));
    open.addEventListener("click", () => this.onOpen(example));
    return tile;
  }
}
