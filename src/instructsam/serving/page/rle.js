/** COCO run-length codes: runs of a mask, column by column, the first run is background. */

/** The runs of a compressed code {size: [height, width], counts: string}. */
export function decodeRuns(code) {
  const text = code.counts;
  const runs = [];
  let place = 0;
  while (place < text.length) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more) {
      const letter = text.charCodeAt(place++) - 48;
      value |= (letter & 31) << shift;
      shift += 5;
      more = (letter & 32) !== 0;
      if (!more && letter & 16 && shift < 32) value |= -1 << shift;
    }
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

/** The compressed text of runs. */
export function encodeRuns(runs) {
  let text = "";
  runs.forEach((run, index) => {
    let value = index > 2 ? run - runs[index - 2] : run;
    let more = true;
    while (more) {
      let letter = value & 31;
      value >>= 5;
      more = letter & 16 ? value !== -1 : value !== 0;
      if (more) letter |= 32;
      text += String.fromCharCode(letter + 48);
    }
  });
  return text;
}

/** The code of a filled box [left, top, right, bottom], whole pixels, right and bottom exclusive. */
export function encodeBox([left, top, right, bottom], width, height) {
  const runs = [left * height + top];
  if (bottom - top === height) {
    runs.push((right - left) * height);
  } else {
    for (let column = left; column < right; column++) {
      runs.push(bottom - top);
      if (column < right - 1) runs.push(height - (bottom - top));
    }
  }
  const rest = (width - right) * height + (height - bottom);
  if (rest > 0) runs.push(rest);
  return { size: [height, width], counts: encodeRuns(runs) };
}

/**
 * A mask cut to its tight box.
 * @returns {{left, top, width, height, pixels: Uint8Array, anchor: [number, number]}} pixels row by row; anchor: a point
 *   well inside, the middle of the longest vertical run. Null for an empty mask.
 */
export function decodeCropped(code) {
  const height = code.size[0];
  const runs = decodeRuns(code);
  const box = boxOfRuns(runs, height);
  if (box === null) return null;
  const { left, top, right, bottom } = box;
  const width = right - left;
  const pixels = new Uint8Array(width * (bottom - top));
  let start = 0;
  let longest = 0;
  let anchor = [left, top];
  runs.forEach((run, index) => {
    if (index % 2 === 1) {
      for (let place = start; place < start + run; ) {
        const column = Math.floor(place / height);
        const from = place - column * height;
        const to = Math.min(from + start + run - place, height);
        if (to - from > longest) {
          longest = to - from;
          anchor = [column + 0.5, (from + to) / 2];
        }
        for (let row = from; row < to; row++) pixels[(row - top) * width + column - left] = 1;
        place += to - from;
      }
    }
    start += run;
  });
  return { left, top, width, height: bottom - top, pixels, anchor };
}

function boxOfRuns(runs, height) {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  let start = 0;
  runs.forEach((run, index) => {
    if (index % 2 === 1 && run > 0) {
      const first = Math.floor(start / height);
      const last = Math.floor((start + run - 1) / height);
      left = Math.min(left, first);
      right = Math.max(right, last + 1);
      if (first === last) {
        top = Math.min(top, start - first * height);
        bottom = Math.max(bottom, start + run - first * height);
      } else {
        [top, bottom] = [0, height]; // it ends one column and begins the next
      }
    }
    start += run;
  });
  return right < 0 ? null : { left, top, right, bottom };
}
