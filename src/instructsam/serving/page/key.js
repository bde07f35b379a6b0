/** The dialog for the key of the server. */

import { setKey } from "./server.js";

let asked = null; // the promise while the dialog is open

/** Ask until the user has entered one; the promise resolves then, for everyone who asked meanwhile. */
export function askForKey(note = "") {
  asked ??= ask(note).finally(() => (asked = null));
  return asked;
}

function ask(note) {
  const dialog = document.getElementById("key");
  const field = document.getElementById("key-field");
  document.getElementById("key-note").textContent = `${note} It is kept until you close this tab.`.trim();
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener(
      "close",
      () => {
        setKey(field.value.trim());
        field.value = "";
        done();
      },
      { once: true },
    );
  });
}
