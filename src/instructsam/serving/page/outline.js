/** The outlines of a mask as one path, holes included. */

// Directions right, down, left, up; the inside lies to the right of the direction.
const DX = [1, 0, -1, 0];
const DY = [0, 1, 0, -1];

/**
 * The rings of a cropped mask, each a list of [x, y], in pixels of the image. They run through the middles of pixel
 * edges, which draws stairs as slopes.
 */
export function outlineRings({ left, top, width, height, pixels }) {
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && pixels[y * width + x] === 1;
  const visited = new Uint8Array(width * height); // pixels whose upper edge belongs to a ring
  const rings = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (inside(x, y) && !inside(x, y - 1) && !visited[y * width + x]) {
        rings.push(followRing(x, y, inside, visited, width, left, top));
      }
    }
  }
  return rings;
}

/** A path of rings, to be filled with the rule "evenodd". */
export function pathOfRings(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    ring.forEach(([x, y], index) => (index ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
  }
  return path;
}

function followRing(startX, startY, inside, visited, width, left, top) {
  const ring = [];
  let [x, y, direction] = [startX, startY, 0];
  do {
    if (direction === 0) visited[y * width + x] = 1;
    x += DX[direction];
    y += DY[direction];
    const next = turn(x, y, direction, inside);
    if (next !== direction) {
      ring.push([left + x - DX[direction] / 2, top + y - DY[direction] / 2]);
      ring.push([left + x + DX[next] / 2, top + y + DY[next] / 2]);
    }
    direction = next;
  } while (x !== startX || y !== startY || direction !== 0);
  return ring;
}

/** The direction of the edge after the corner (x, y). Pixels that touch at a corner only are not connected. */
function turn(x, y, direction, inside) {
  // The two pixels ahead of the corner.
  const aheadRight = [[x, y], [x - 1, y], [x - 1, y - 1], [x, y - 1]][direction];
  const aheadLeft = [[x, y - 1], [x, y], [x - 1, y], [x - 1, y - 1]][direction];
  if (!inside(...aheadRight)) return (direction + 1) % 4;
  return inside(...aheadLeft) ? (direction + 3) % 4 : direction;
}
