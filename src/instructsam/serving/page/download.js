/** Downloads in the export formats of the server. */

import { count } from "./answer.js";
import { make, part } from "./dom.js";
import { post, sentence } from "./server.js";

const MOST_TEXT = 4000; // characters of an instruction that the server accepts

/** Fill a <select>; formats that cannot be downloaded are disabled and say why. */
export function offerFormats(select, formats) {
  const usable = formats.filter((format) => !format.unavailable);
  const others = formats.filter((format) => format.unavailable);
  select.replaceChildren(
    ...usable.map((format) => make("option", { value: format.name, text: `${format.name}: ${format.description}` })),
    make(
      "optgroup",
      { label: "Not available here" },
      ...others.map((format) =>
        make("option", { value: format.name, disabled: true, text: `${format.name}: ${format.unavailable}` }),
      ),
    ),
  );
}

/** Send what a pane keeps to the server and save what it returns. */
export async function download(pane, format) {
  const done = part(pane.root, "done");
  const all = pane.downloaded();
  const kept = all.flatMap((edits) => edits.kept(pane.app.threshold()));
  const picture = pane.app.picture();
  done.textContent = "Converting…";
  try {
    const answer = await post("app/export", exportForm(all.map((edits) => edits.answer), kept, picture, format));
    const name = `${picture.name.replace(/\.[^.]*$/, "")}_${format}${answer.headers.get("X-Suffix")}`;
    save(await answer.blob(), name);
    const notes = JSON.parse(decodeURIComponent(answer.headers.get("X-Notes")));
    done.textContent = [`Saved ${name} with ${count(kept.length, "instance")}.`, ...notes.map(sentence)].join(" ");
  } catch (problem) {
    done.textContent = "";
    pane.app.onProblem(problem);
  }
}

function exportForm(answers, kept, picture, format) {
  const request = {
    format,
    name: picture.name,
    instruction: answers.map((answer) => answer.instruction).join("; ").slice(0, MOST_TEXT),
    phrases: [...new Set(answers.flatMap((answer) => answer.phrases))],
    instances: kept.map(({ label, score, mask }) => ({ label, score, mask })),
  };
  const form = new FormData();
  form.append("image", picture.file, "image");
  form.append("request", new Blob([JSON.stringify(request)], { type: "application/json" }), "request.json");
  return form;
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
