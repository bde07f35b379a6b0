/** Pictures that the user chooses. */

import { Problem, getBlob, post } from "./server.js";

const THUMBNAIL = 132; // px
const MOST_SIDE = 4096; // px, of a picture in the memory of the tab; the server receives the file itself

/**
 * A picture from a file. Browsers show JPEG, PNG, WebP, GIF, AVIF and BMP; the server converts the others.
 * @returns {{file: File, name: string, bitmap: ImageBitmap}}
 */
export async function openPicture(file, limits) {
  if (file.size > limits.max_bytes) {
    throw new Problem(
      "refused",
      `“${file.name}” has ${megabytes(file.size)}, and this server accepts ${megabytes(limits.max_bytes)}: choose a smaller file.`,
    );
  }
  return { file, name: file.name || "pasted.png", bitmap: await decode(file) };
}

async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    bitmap = await createImageBitmap(await preview(file));
  }
  const scale = MOST_SIDE / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const small = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
  bitmap.close();
  return small;
}

async function preview(file) {
  const form = new FormData();
  form.append("image", file);
  try {
    return await (await post("app/preview", form)).blob();
  } catch (problem) {
    if (problem.kind !== "refused") throw problem;
    throw new Problem("refused", `“${file.name}” cannot be opened. ${problem.message}`);
  }
}

/** One of the shipped examples, as a file. */
export async function openExample(name) {
  const blob = await getBlob(`app/examples/${encodeURIComponent(name)}`);
  return new File([blob], name, { type: blob.type });
}

/** The first file of a drop or paste; null when there is none. */
export function fileOf(transfer) {
  return transfer?.files?.[0] ?? null;
}

/** A small canvas with the picture and what was kept. */
export function thumbnail(picture, edits, threshold, colorOf) {
  const { width, height } = picture.bitmap;
  const scale = THUMBNAIL / Math.max(width, height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(picture.bitmap, 0, 0, canvas.width, canvas.height);
  if (edits) {
    context.scale(canvas.width / edits.answer.width, canvas.height / edits.answer.height);
    context.globalAlpha = 0.6;
    for (const one of edits.kept(threshold)) {
      context.fillStyle = colorOf(edits, one.label);
      context.fill(one.path, "evenodd");
    }
  }
  return canvas;
}

function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;
}
