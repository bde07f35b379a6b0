/** Short forms for the document. Texts become text nodes, never markup. */

/** The element of a data-part inside a root. */
export function part(root, name) {
  return root.querySelector(`[data-part="${name}"]`);
}

/** A copy of the first element of a <template>. */
export function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** An element with properties; `text` is its text content. */
export function make(tag, { text = "", ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

/** Black or white, whichever has more contrast on a colour "#rrggbb". */
export function inkOn(color) {
  const [red, green, blue] = [1, 3, 5].map((place) => parseInt(color.slice(place, place + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 110 ? "#000" : "#fff";
}
