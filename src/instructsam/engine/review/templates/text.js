// Elements, and text of others: it is only ever set as text, never parsed as HTML.
const $ = (id) => document.getElementById(id);

// Control characters and overrides of the direction of text become visible.
const visible = (text) => String(text).replace(/\s+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  for (const child of children) made.append(typeof child === "string" ? visible(child) : child);
  return made;
}

let warned = false;
function say(text, warn = false) {
  $("message").textContent = text;
  $("message").classList.toggle("warn", warn);
}
