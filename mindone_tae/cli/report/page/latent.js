/* The latent's channels, and how many bytes it takes. */

const latentImages = new Map();

/* An image of a data URL once it is loaded, null until then; `then` is called when it is. */
function latentImage(url, then) {
  if (!latentImages.has(url)) {
    const image = new Image();
    latentImages.set(url, image);
    image.addEventListener("load", then);
    image.src = url;
  }
  const image = latentImages.get(url);
  return image.complete && image.naturalWidth ? image : null;
}

function bytes(count) {
  if (count < 1e3) return `${count} B`;
  const power = Math.min(Math.floor(Math.log10(count) / 3), 3);
  return `${+(count / 1000 ** power).toPrecision(3)} ${["B", "kB", "MB", "GB"][power]}`;
}

/* What the frames that are shown take, and their latent, in numbers and in bytes. */
function sizes(clip, latent) {
  const [height, width] = clip.size;
  const pixels = clip.shown * height * width * 3;
  return { source: pixels, float32: 4 * latent.numbers, float16: 2 * latent.numbers, numbers: pixels / latent.numbers };
}

class LatentView {
  constructor(section, body, players, redraw) {
    Object.assign(this, { section, body, players, redraw, pictures: [] });
  }

  open(clip) {
    this.clip = clip;
    const latent = clip.latents[this.players.chosenLatent];
    this.section.hidden = !latent;
    this.pictures = [];
    this.shown = this.players.chosenLatent;
    if (!latent) return;
    const [channels, frames, height, width] = latent.shape;
    const taken = sizes(clip, latent);
    const percent = latent.explained.map((share) => `${Math.round(100 * share)}%`).join(", ");
    const text = element("p", { className: "note" }, `${channels} channels of ${frames} × ${height} × ${width} for ${clip.shown} frames of ${clip.size[0]} × ${clip.size[1]}: one number for ${+taken.numbers.toFixed(1)} of the source. In 8-bit colour the frames take ${bytes(taken.source)}; the latent ${bytes(taken.float32)} in float32 (${+(taken.source / taken.float32).toFixed(1)} : 1) and ${bytes(taken.float16)} in float16 (${+(taken.source / taken.float16).toFixed(1)} : 1).`);
    const file = clip.source.bytes ? ` The source's file has ${bytes(clip.source.bytes)}, compressed with loss.` : "";
    const colours = element("p", { className: "note" }, `In the player: its three leading components as red, green and blue, which hold ${percent} of the variance of ${labelOf(this.shown)}'s latent. Below: every channel in grey, about its mean, all over one range.${file}`);
    const grid = element("div", { className: "channels" });
    grid.style.setProperty("--aspect", width / height);
    for (let channel = 0; channel < channels; channel++) {
      const picture = new Picture(`Channel ${channel}`);
      picture.resize(height, width);
      dragView(picture);
      this.pictures.push(picture);
      grid.append(element("figure", {}, picture.canvas, element("figcaption", { textContent: channel })));
    }
    this.body.replaceChildren(text, colours, grid);
  }

  draw(sheet, number) {
    if (this.players.chosenLatent !== this.shown) this.open(this.clip);
    const latent = this.clip.latents[this.shown];
    const image = latent && latentImage(latent.channels, this.redraw);
    if (!image) return;
    const [, frames, height, width] = latent.shape;
    const at = Math.min(Math.floor(number / latent.frames_each), frames - 1);
    this.pictures.forEach((picture, channel) => picture.drawImage(image, channel * width, at * height, width, height));
  }
}
