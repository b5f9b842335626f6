// The fleet of the live page: frames of `features.live.fleet` decoded into typed arrays by slot. No object exists per vehicle.
window.RoadriskFleet = class {
  static TIERS = ["grey", "blue", "yellow", "orange", "red"];
  static TRADES = ["freight", "hazmat", "passenger", "long_distance_coach"];
  static GLIDE_MS = 900;

  constructor() { this.reset(); }

  reset() {
    this.run = 0; this.number = 0; this.at = 0; this.heardAt = 0; this.count = 0; this.room = 0; this.frames = 0;
    this.slots = new Uint32Array(0);
    this.grow(1024);
  }

  grow(room) {
    const larger = (kind, old) => { const made = new kind(room); if (old) made.set(old); return made; };
    this.fromX = larger(Float64Array, this.fromX && this.room ? this.fromX : null); this.fromY = larger(Float64Array, this.room ? this.fromY : null);
    this.x = larger(Float64Array, this.room ? this.x : null); this.y = larger(Float64Array, this.room ? this.y : null);
    this.movedAt = larger(Float64Array, this.room ? this.movedAt : null);
    this.last = larger(Uint32Array, this.room ? this.last : null); this.due = larger(Uint32Array, this.room ? this.due : null);
    this.speed = larger(Uint8Array, this.room ? this.speed : null); this.heading = larger(Uint8Array, this.room ? this.heading : null);
    this.look = larger(Uint8Array, this.room ? this.look : null); this.known = larger(Uint8Array, this.room ? this.known : null);
    this.room = room;
  }

  // Take a frame in. Kilometres east and south on a locally flat province; a vehicle glides from where it is seen to where it is.
  apply(buffer, clock, glide) {
    const view = new DataView(buffer), length = view.getUint32(4, true);
    if (view.getUint32(0, false) !== 0x52524631) throw new Error("no frame");
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    const kinds = { u4: Uint32Array, i4: Int32Array, u2: Uint16Array, i2: Int16Array, u1: Uint8Array, f4: Float32Array };
    const columns = {};
    let at = 8 + length;
    for (const [name, kind] of head.columns) { columns[name] = new kinds[kind](buffer, at, head.n); at += columns[name].byteLength; }
    if (head.run !== this.run) { this.reset(); this.run = head.run; }
    const slots = columns.slot;
    let most = 0;
    for (let i = 0; i < head.n; i++) if (slots[i] > most) most = slots[i];
    if (most >= this.room) this.grow(Math.max(most + 1, Math.ceil(this.room * 1.5)));
    let furthest = 0, fresh = false;
    for (let i = 0; i < head.n; i++) {
      const slot = slots[i], x = RoadriskFleet.east(columns.lon_e6[i]), y = RoadriskFleet.south(columns.lat_e6[i]);
      if (!this.known[slot]) {
        this.known[slot] = 1; fresh = true;
        this.fromX[slot] = x; this.fromY[slot] = y;
      } else {
        const share = this.share(slot, clock);
        this.fromX[slot] += (this.x[slot] - this.fromX[slot]) * share; this.fromY[slot] += (this.y[slot] - this.fromY[slot]) * share;
        const gone = Math.max(Math.abs(x - this.fromX[slot]), Math.abs(y - this.fromY[slot]));
        // A jump over half the province is a correction and no journey.
        if (gone > 60 || !glide) { this.fromX[slot] = x; this.fromY[slot] = y; } else if (gone > furthest) furthest = gone;
      }
      this.x[slot] = x; this.y[slot] = y; this.movedAt[slot] = clock;
      this.last[slot] = columns.last_s[i]; this.due[slot] = columns.due_s[i]; this.speed[slot] = columns.speed_kmh[i];
      this.heading[slot] = columns.heading[i]; this.look[slot] = columns.look[i];
    }
    if (fresh) this.list();
    this.number = head.number; this.at = head.at_s; this.heardAt = clock; this.frames += 1;
    return furthest;
  }

  list() {
    let n = 0;
    for (let slot = 0; slot < this.room; slot++) n += this.known[slot];
    this.slots = new Uint32Array(n);
    n = 0;
    for (let slot = 0; slot < this.room; slot++) if (this.known[slot]) this.slots[n++] = slot;
    this.count = n;
  }

  share(slot, clock) { return Math.min(Math.max((clock - this.movedAt[slot]) / RoadriskFleet.GLIDE_MS, 0), 1); }

  place(slot, clock) {
    const share = this.share(slot, clock);
    return [this.fromX[slot] + (this.x[slot] - this.fromX[slot]) * share, this.fromY[slot] + (this.y[slot] - this.fromY[slot]) * share];
  }

  counts() {
    const found = [0, 0, 0, 0, 0];
    for (let i = 0; i < this.count; i++) found[this.look[this.slots[i]] & 7] += 1;
    return found;
  }

  // Slots of a tier in the order in which their limits are reached.
  urgent(shown, most) {
    const found = [];
    for (let i = 0; i < this.count; i++) {
      const slot = this.slots[i], tier = this.look[slot] & 7;
      if (tier > 0 && shown[tier] && (tier > 1 || this.due[slot])) found.push(slot);
    }
    found.sort((a, b) => (this.look[b] & 7) - (this.look[a] & 7) || (this.due[a] || 4e9) - (this.due[b] || 4e9) || a - b);
    return found.slice(0, most);
  }

  static east(lonE6) { return (lonE6 / 1e6 - 115.7) * 111.2 * 0.8885; }
  static south(latE6) { return (27.4 - latE6 / 1e6) * 111.2; }
};
