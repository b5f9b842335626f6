// The map: roads on one canvas, vehicles written as pixels onto another, so that 20,000 of them cost a few milliseconds a picture.
window.RoadriskMap = class {
  static COLOURS = { grey: "#8b98a3", blue: "#2f78bd", yellow: "#d9a800", orange: "#dd6f0c", red: "#c0211a" };
  static RINGS = { yellow: "#8f6c00", orange: "#a84a00", red: "#b3261e" };

  constructor(box, roads, dots, fleet) {
    this.box = box; this.roads = roads; this.dots = dots; this.fleet = fleet;
    this.scale = 1; this.centreX = 0; this.centreY = 0; this.province = null; this.whole = true;
    this.shown = [true, true, true, true, true]; this.rings = new Map(); this.selected = -1; this.rest = null;
    this.glideUntil = 0; this.asked = false; this.drawn = 0; this.onview = () => {};
    new ResizeObserver(() => this.resize()).observe(box);
    this.resize();
  }

  setProvince(found) {
    this.province = {
      roads: found.roads.map(([kind, flat]) => {
        const points = new Float64Array(flat.length);
        for (let i = 0; i < flat.length; i += 2) { points[i] = RoadriskFleet.east(flat[i]); points[i + 1] = RoadriskFleet.south(flat[i + 1]); }
        return [kind, points];
      }),
      rest: found.rest.map(([kind, lon, lat, name]) => [kind, RoadriskFleet.east(lon), RoadriskFleet.south(lat), name]),
      cities: found.cities.map(([lon, lat, name, weight]) => [RoadriskFleet.east(lon), RoadriskFleet.south(lat), name, weight]),
    };
    const span = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [, points] of this.province.roads) for (let i = 0; i < points.length; i += 2) {
      span[0] = Math.min(span[0], points[i]); span[1] = Math.min(span[1], points[i + 1]);
      span[2] = Math.max(span[2], points[i]); span[3] = Math.max(span[3], points[i + 1]);
    }
    this.span = span;
    this.showWhole();
  }

  resize() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2), width = this.box.clientWidth, height = this.box.clientHeight;
    if (!width || !height) return;
    this.ratio = ratio; this.width = Math.round(width * ratio); this.height = Math.round(height * ratio);
    for (const canvas of [this.roads, this.dots]) { canvas.width = this.width; canvas.height = this.height; }
    this.pixels = this.dots.getContext("2d").createImageData(this.width, this.height);
    this.words = new Uint32Array(this.pixels.data.buffer);
    this.makeSprites();
    if (this.whole && this.span) this.showWhole(); else this.viewChanged();
  }

  showWhole() {
    if (!this.span) return;
    const [west, north, east, south] = this.span, room = 26 * this.ratio;
    this.scale = Math.min((this.width - 2 * room) / (east - west), (this.height - 2 * room) / (south - north));
    this.least = this.scale; this.centreX = (west + east) / 2; this.centreY = (north + south) / 2; this.whole = true;
    this.viewChanged();
  }

  zoom(by, atX = this.width / 2, atY = this.height / 2) {
    const scale = Math.min(Math.max(this.scale * by, this.least * 0.7), this.least * 120);
    const x = this.centreX + (atX - this.width / 2) / this.scale, y = this.centreY + (atY - this.height / 2) / this.scale;
    this.centreX = x - (atX - this.width / 2) / scale; this.centreY = y - (atY - this.height / 2) / scale;
    this.scale = scale; this.whole = false;
    this.viewChanged();
  }

  pan(dx, dy) { this.centreX -= dx / this.scale; this.centreY -= dy / this.scale; this.whole = false; this.viewChanged(); }

  flyTo(x, y, least) {
    this.centreX = x; this.centreY = y; this.scale = Math.max(this.scale, this.least * least); this.whole = false;
    this.viewChanged();
  }

  viewChanged() { this.stale = true; this.redraw(); this.onview(); }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(clock => { this.asked = false; this.draw(clock); });
  }

  // Vehicles moved by at most so many kilometres: what moves less than half a pixel is drawn once, and not for every picture.
  moved(furthest, clock) {
    if (furthest * this.scale > 0.5) this.glideUntil = Math.max(this.glideUntil, clock + RoadriskFleet.GLIDE_MS + 20);
    this.redraw();
  }

  draw(clock) {
    if (!this.width || !this.province) return;
    if (this.stale) { this.drawRoads(); this.stale = false; }
    const began = performance.now();
    this.drawDots(clock);
    // Read by whoever measures; the browser's list of measures is not left to grow.
    performance.measure("live-draw", { start: began, end: performance.now() });
    this.drawn += 1;
    if (this.drawn % 300 === 0) performance.clearMeasures("live-draw");
    if (clock < this.glideUntil) this.redraw();
  }

  drawRoads() {
    const pen = this.roads.getContext("2d"), { ratio, scale } = this;
    const left = this.width / 2 - this.centreX * scale, top = this.height / 2 - this.centreY * scale;
    const near = scale / this.least;
    pen.clearRect(0, 0, this.width, this.height);
    pen.lineJoin = pen.lineCap = "round";
    const styles = [["#c6d0d8", 1.1], ["#cfd8df", 1], ["#a6b8c7", 2.2]];
    for (const layer of [1, 0, 2]) {
      pen.strokeStyle = styles[layer][0]; pen.lineWidth = styles[layer][1] * ratio * Math.min(1 + Math.log2(Math.max(near, 1)) * 0.45, 3.2);
      pen.beginPath();
      for (const [kind, points] of this.province.roads) {
        if (kind !== layer) continue;
        pen.moveTo(left + points[0] * scale, top + points[1] * scale);
        for (let i = 2; i < points.length; i += 2) pen.lineTo(left + points[i] * scale, top + points[i + 1] * scale);
      }
      pen.stroke();
    }
    const size = Math.min(2.2 + near * 0.25, 5) * ratio;
    pen.font = `500 ${11 * ratio}px "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif`;
    pen.textAlign = "center";
    for (const [, x, y, name] of this.province.rest) {
      const px = left + x * scale, py = top + y * scale;
      if (px < -40 || py < -40 || px > this.width + 40 || py > this.height + 40) continue;
      pen.fillStyle = "#2f7d6b"; pen.fillRect(px - size / 2, py - size / 2, size, size);
      if (near > 5) { pen.fillStyle = "#3f5a52"; pen.fillText(name, px, py + size + 11 * ratio); }
    }
    pen.font = `600 ${13 * ratio}px "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif`;
    for (const [x, y, name] of this.province.cities) {
      const px = left + x * scale, py = top + y * scale;
      pen.lineWidth = 3.5 * ratio; pen.strokeStyle = "rgba(255,255,255,.92)"; pen.strokeText(name, px, py - 8 * ratio);
      pen.fillStyle = "#33424f"; pen.fillText(name, px, py - 8 * ratio);
    }
    if (this.rest) {
      const px = left + this.rest[0] * scale, py = top + this.rest[1] * scale;
      pen.lineWidth = 2.5 * ratio; pen.strokeStyle = "#1d6b58"; pen.beginPath(); pen.arc(px, py, 9 * ratio, 0, 7); pen.stroke();
    }
  }

  // Each tier has a colour and a shape of its own, with a white rim; drawn once into a list of pixels.
  makeSprites() {
    this.sprites = [0, 1].map(large => RoadriskFleet.TIERS.map((tier, place) =>
      this.sprite((large ? [3, 4, 5.4, 5.2, 5.8] : [1.5, 2.3, 4.6, 4.2, 5])[place], RoadriskMap.COLOURS[tier], tier)));
    this.ringSprites = Object.fromEntries(Object.entries(RoadriskMap.RINGS).map(([tier, colour]) => [tier, this.sprite(9, colour, "ring")]));
    this.markSprite = this.sprite(13, "#14202b", "mark");
  }

  sprite(radius, colour, shape) {
    const r = radius * this.ratio, half = Math.ceil(r + 1.6 * this.ratio), size = 2 * half + 1;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.translate(half + 0.5, half + 0.5);
    pen.beginPath();
    if (shape === "yellow") { pen.moveTo(0, -r); pen.lineTo(r, r * 0.8); pen.lineTo(-r, r * 0.8); pen.closePath(); }
    else if (shape === "orange") pen.rect(-r * 0.85, -r * 0.85, r * 1.7, r * 1.7);
    else if (shape === "red") { pen.moveTo(0, -r); pen.lineTo(r, 0); pen.lineTo(0, r); pen.lineTo(-r, 0); pen.closePath(); }
    else pen.arc(0, 0, r, 0, 7);
    if (shape === "ring" || shape === "mark") {
      pen.strokeStyle = colour; pen.lineWidth = (shape === "ring" ? 1.6 : 2.2) * this.ratio;
      if (shape === "mark") pen.setLineDash([5 * this.ratio, 3 * this.ratio]);
      pen.stroke();
    } else {
      if (r > 3.5 * this.ratio) { pen.strokeStyle = "rgba(255,255,255,.95)"; pen.lineWidth = 2.4 * this.ratio; pen.stroke(); }
      pen.fillStyle = colour; pen.fill();
    }
    const pixels = new Uint32Array(pen.getImageData(0, 0, size, size).data.buffer), dx = [], dy = [], word = [];
    for (let i = 0; i < pixels.length; i++) if (pixels[i] >>> 24 > 8) { dx.push(i % size - half); dy.push(Math.floor(i / size) - half); word.push(pixels[i]); }
    return { dx: Int16Array.from(dx), dy: Int16Array.from(dy), word: Uint32Array.from(word), offset: Int32Array.from(dx, (x, k) => dy[k] * this.width + x), half };
  }

  blit(sprite, px, py) {
    const { words, width, height } = this, { half, word } = sprite;
    if (px < half || py < half || px >= width - half || py >= height - half) {
      for (let k = 0; k < word.length; k++) {
        const x = px + sprite.dx[k], y = py + sprite.dy[k];
        if (x >= 0 && y >= 0 && x < width && y < height) words[y * width + x] = RoadriskMap.over(word[k], words[y * width + x]);
      }
      return;
    }
    const base = py * width + px, offset = sprite.offset;
    for (let k = 0; k < word.length; k++) {
      const source = word[k], at = base + offset[k];
      words[at] = source >>> 24 > 247 || words[at] === 0 ? source : RoadriskMap.over(source, words[at]);
    }
  }

  static over(source, target) {
    const alpha = source >>> 24;
    if (alpha > 247 || target >>> 24 === 0) return source;
    const rest = 255 - alpha, mix = shift => (((source >>> shift) & 255) * alpha + ((target >>> shift) & 255) * rest) / 255 | 0;
    return ((Math.max(alpha, target >>> 24) << 24) | (mix(16) << 16) | (mix(8) << 8) | mix(0)) >>> 0;
  }

  drawDots(clock) {
    const { fleet, scale, width, height, words } = this;
    const left = width / 2 - this.centreX * scale, top = height / 2 - this.centreY * scale;
    words.fill(0);
    const sprites = this.sprites[scale / this.least > 3 ? 1 : 0];
    const put = (slot, sprite) => {
      const share = fleet.share(slot, clock);
      const px = Math.round(left + (fleet.fromX[slot] + (fleet.x[slot] - fleet.fromX[slot]) * share) * scale);
      const py = Math.round(top + (fleet.fromY[slot] + (fleet.y[slot] - fleet.fromY[slot]) * share) * scale);
      if (px > -16 && py > -16 && px < width + 16 && py < height + 16) this.blit(sprite, px, py);
    };
    // The worst lie on top.
    for (let tier = 0; tier < 5; tier++) {
      if (!this.shown[tier]) continue;
      for (let i = 0; i < fleet.count; i++) if ((fleet.look[fleet.slots[i]] & 7) === tier) put(fleet.slots[i], sprites[tier]);
    }
    for (const [slot, severity] of this.rings) if (fleet.known[slot]) put(slot, this.ringSprites[severity]);
    if (this.selected >= 0 && fleet.known[this.selected]) put(this.selected, this.markSprite);
    this.dots.getContext("2d").putImageData(this.pixels, 0, 0);
  }

  // The vehicle nearest to a point, within a finger's breadth; the worse one where two are as near.
  nearest(px, py, clock, reach = 12) {
    const { fleet, scale, ratio } = this, left = this.width / 2 - this.centreX * scale, top = this.height / 2 - this.centreY * scale;
    let best = -1, least = (reach * ratio) ** 2;
    for (let i = 0; i < fleet.count; i++) {
      const slot = fleet.slots[i], tier = fleet.look[slot] & 7;
      if (!this.shown[tier]) continue;
      const [x, y] = fleet.place(slot, clock), away = (left + x * scale - px) ** 2 + (top + y * scale - py) ** 2 - tier * ratio;
      if (away < least) { least = away; best = slot; }
    }
    return best;
  }

  seenAt(slot, clock) {
    const [x, y] = this.fleet.place(slot, clock);
    return [((x - this.centreX) * this.scale + this.width / 2) / this.ratio, ((y - this.centreY) * this.scale + this.height / 2) / this.ratio];
  }
};
