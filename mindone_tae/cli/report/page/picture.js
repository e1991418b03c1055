/* Canvases that show cells of the sheet. One view, zoom and centre, holds for all of them: what one shows the others show. */

const ERROR_COLOUR = "#ffb224";
const view = { zoom: 1, x: 0.5, y: 0.5 };

function setView(zoom, x = view.x, y = view.y) {
  const half = 0.5 / zoom;
  const kept = (at) => Math.min(Math.max(at, half), 1 - half);
  Object.assign(view, { zoom, x: kept(x), y: kept(y) });
}

/* The part (left, top, width, height) of a picture of that size that the view shows. */
function shownPart(width, height) {
  const [w, h] = [width / view.zoom, height / view.zoom];
  return [view.x * width - w / 2, view.y * height - h / 2, w, h];
}

class Picture {
  constructor(label) {
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.pen = this.canvas.getContext("2d");
    this.describe(label);
    new ResizeObserver(() => this.sharpen()).observe(this.canvas);
    this.canvas.addEventListener("dblclick", (event) => {
      const [x, y] = this.placeOf(event);
      const [left, top, w, h] = shownPart(1, 1);
      setView(view.zoom === 4 ? 1 : view.zoom * 2, left + x * w, top + y * h);
      this.canvas.dispatchEvent(new CustomEvent("view", { bubbles: true }));
    });
  }

  describe(label) {
    this.canvas.setAttribute("aria-label", label);
  }

  /* Where a pointer is in the canvas, from 0 to 1. */
  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  resize(height, width) {
    if (this.canvas.width === width && this.canvas.height === height) return;
    Object.assign(this.canvas, { width, height });
    this.sharpen();
  }

  /* Pixels that are shown twice as large or more stay squares. */
  sharpen() {
    const factor = (this.canvas.clientWidth * view.zoom) / this.canvas.width;
    this.canvas.classList.toggle("squares", factor >= 1.9);
  }

  /* A cell of the sheet, from a share of the width on. */
  drawCell(sheet, name, from = 0) {
    const { width, height } = this.canvas;
    const [x, y] = sheet.clip.sheet.cells[name];
    const [cellHeight, cellWidth] = sheet.clip.sheet.cell;
    const [left, top, w, h] = shownPart(cellWidth, cellHeight);
    const pen = this.pen;
    pen.save();
    pen.imageSmoothingEnabled = false;
    if (from > 0) {
      pen.beginPath();
      pen.rect(from * width, 0, width, height);
      pen.clip();
    }
    pen.drawImage(sheet.picture, x + left, y + top, w, h, 0, 0, width, height);
    if (name.startsWith("error:")) {
      pen.globalCompositeOperation = "multiply"; // grey to black to one colour
      pen.fillStyle = ERROR_COLOUR;
      pen.fillRect(0, 0, width, height);
    }
    pen.restore();
  }

  /* Part of an image: (left, top, width, height) in its pixels, by the view. */
  drawImage(image, x, y, width, height) {
    const [left, top, w, h] = shownPart(width, height);
    this.pen.imageSmoothingEnabled = false;
    this.pen.drawImage(image, x + left, y + top, w, h, 0, 0, this.canvas.width, this.canvas.height);
  }
}

/* Dragging a canvas moves the view that all canvases share. */
function dragView(picture) {
  let last = null;
  picture.canvas.addEventListener("pointerdown", (event) => {
    if (view.zoom === 1) return;
    last = picture.placeOf(event);
    picture.canvas.setPointerCapture(event.pointerId);
  });
  picture.canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const place = picture.placeOf(event);
    setView(view.zoom, view.x - (place[0] - last[0]) / view.zoom, view.y - (place[1] - last[1]) / view.zoom);
    last = place;
    picture.canvas.dispatchEvent(new CustomEvent("view", { bubbles: true }));
  });
  for (const event of ["pointerup", "pointercancel"]) picture.canvas.addEventListener(event, () => (last = null));
}
