// Pictures: which object a click means, the chosen objects in colour, and the crops.
const cellsOf = new WeakMap();
function cells(image, object) {
  if (!cellsOf.has(object)) {
    const found = new Uint8Array(image.grid[0] * image.grid[1]);
    let at = 0;
    object.runs.forEach((length, turn) => {
      if (turn % 2) found.fill(1, at, at + length);
      at += length;
    });
    object.area = found.reduce((sum, cell) => sum + cell, 0);
    cellsOf.set(object, found);
  }
  return cellsOf.get(object);
}

// The smallest object at a place (x and y from 0 to 1), or the nearest one within two cells; undefined for none.
function objectAt(image, x, y) {
  const [width, height] = image.grid;
  const column = Math.min(width - 1, Math.floor(x * width)), row = Math.min(height - 1, Math.floor(y * height));
  let best, least = Infinity;
  for (const object of image.objects) {
    const inside = cells(image, object);
    for (let dy = -2; dy <= 2; dy++) {
      for (let dx = -2; dx <= 2; dx++) {
        const c = column + dx, r = row + dy;
        if (c < 0 || r < 0 || c >= width || r >= height || !inside[r * width + c]) continue;
        const cost = 1e7 * (dx * dx + dy * dy) + object.area;
        if (cost < least) [best, least] = [object, cost];
      }
    }
  }
  return best;
}

const phraseColor = (index) => data.colors[index % data.colors.length];

function paintChosen(canvas, image, phrases) {
  const [width, height] = image.grid;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  phrases.forEach((phrase, index) => {
    const [red, green, blue] = phraseColor(index).match(/\w\w/g).map((part) => parseInt(part, 16));
    for (const object of image.objects) {
      if (!phrase.numbers.includes(object.number)) continue;
      const inside = cells(image, object);
      inside.forEach((cell, at) => {
        if (!cell) return;
        const column = at % width;
        const within = column > 0 && column < width - 1 && inside[at - 1] && inside[at + 1] && inside[at - width] && inside[at + width];
        pixels.data.set([red, green, blue, within ? 45 : 255], 4 * at);
      });
    }
  });
  context.putImageData(pixels, 0, 0);
}

const sheets = new Map();
function sheetOf(image) {
  if (!sheets.has(image.tiles)) {
    sheets.clear();
    const sheet = new Image();
    sheet.src = image.tiles;
    sheets.set(image.tiles, sheet.decode().then(() => sheet, () => null));
  }
  return sheets.get(image.tiles);
}

function cropOf(image, object) {
  const canvas = element("canvas", { width: image.tile, height: image.tile });
  const place = object.number - 1;
  sheetOf(image).then((sheet) => {
    if (sheet === null) return;
    const left = (place % image.columns) * image.tile, top = Math.floor(place / image.columns) * image.tile;
    canvas.getContext("2d").drawImage(sheet, left, top, image.tile, image.tile, 0, 0, image.tile, image.tile);
  });
  return canvas;
}
