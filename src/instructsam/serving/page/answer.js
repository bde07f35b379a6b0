/** Answers of the server: instances for the page, and sentences about the status. */

import { decodeCropped } from "./rle.js";
import { outlineRings, pathOfRings } from "./outline.js";

/** An answer with its instances; instances are never changed in place, see `edits.js`. */
export function makeAnswer(prediction, model, seconds) {
  const instances = prediction.instances.map((row, index) =>
    makeInstance({ id: index + 1, label: row.phrase, score: row.score, mask: row.mask, area: row.area }),
  );
  return { ...prediction, instances, model, seconds };
}

/** An instance with the shape that the canvas draws. `decision` is "", "accepted" or "rejected". */
export function makeInstance({ id, label, score, mask, area, drawn = false }) {
  const cropped = decodeCropped(mask);
  const rings = cropped === null ? [] : outlineRings(cropped);
  return {
    id,
    label,
    score,
    mask,
    area,
    drawn,
    decision: drawn ? "accepted" : "",
    path: pathOfRings(rings),
    anchor: cropped === null ? [0, 0] : cropped.anchor,
  };
}

/** Whether an instance is above the threshold, or was accepted by hand. */
export function isCandidate(instance, threshold) {
  return instance.decision !== "" || instance.score >= threshold;
}

/**
 * The headline and the explanations of an answer at a threshold. The server was asked for a lower one, hence "no target"
 * and "saturated" are decided here, by the same rules as in `Prediction`.
 */
export function describeAnswer(answer, instances, threshold, floor) {
  const found = instances.filter((one) => isCandidate(one, threshold) && one.decision !== "rejected");
  const best = Math.max(0, ...instances.map((one) => one.score));
  const wanted = answer.phrases.map((phrase) => `“${phrase}”`).join(", ") || `“${answer.instruction}”`;
  const details = [];
  if (answer.status === "truncated") {
    details.push("The model's reply was cut at its length limit, so some phrases may be missing. Ask for fewer things at once.");
  } else if (answer.status === "malformed") {
    details.push("The model's reply could not be parsed into phrases. Word the instruction differently.");
  }
  const full = answer.num_queries ? saturated(answer, threshold) : [];
  if (full.length) {
    const phrases = full.map((phrase) => `“${phrase}”`).join(", ");
    details.push(
      `All ${answer.num_queries} slots of the model are in use for ${phrases}: there may be more instances. ` +
        "Ask for a part of them, such as those on the left.",
    );
  }
  if (found.length) {
    return { kind: "found", headline: `${count(found.length, "instance")} of ${wanted}`, details };
  }
  if (!instances.length) {
    details.unshift(`Nothing in this picture matches ${wanted}.`);
  } else if (instances.every((one) => one.decision === "rejected")) {
    details.unshift("You have rejected every instance.");
  } else if (best < threshold) {
    details.unshift(
      `Nothing scores at least ${threshold.toFixed(2)}. The best candidate scores ${best.toFixed(2)}: ` +
        "lower the threshold to see it.",
    );
  } else {
    details.unshift("Every instance above the threshold is rejected.");
  }
  const lost = answer.status === "malformed" || answer.status === "truncated";
  const headline = lost ? "No instances" : instances.some((one) => one.score >= threshold) ? "Nothing kept" : "No target";
  return { kind: "none", headline, details };
}

/** "1 instance", "2 instances". */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

function saturated(answer, threshold) {
  return answer.phrases.filter((phrase) => {
    const rows = answer.instances.filter((one) => one.label === phrase && one.score >= threshold);
    return rows.length >= answer.num_queries;
  });
}
