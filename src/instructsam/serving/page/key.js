/** The dialog for the key of the server. */

import { setKey } from "./server.js";

/** Ask until the user has entered one; the promise resolves then. */
export function askForKey(note = "") {
  const dialog = document.getElementById("key");
  const field = document.getElementById("key-field");
  document.getElementById("key-note").textContent = `${note} It is kept until you close this tab.`.trim();
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  if (!dialog.open) dialog.showModal();
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
