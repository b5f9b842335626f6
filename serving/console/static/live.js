// The live page: one stream feeds the map, the alerts and the vehicle that is looked at. Without this file table and list still work.
(() => {
  "use strict";
  const $ = id => document.getElementById(id), live = $("live");
  if (!live || !window.EventSource || !window.fetch) return;
  const { root, token } = live.dataset, words = JSON.parse(live.dataset.words), language = live.dataset.language;
  const canvas = $("map"), fleet = new RoadriskFleet();
  const map = new RoadriskMap($("map-box"), $("map-roads"), canvas, fleet);
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const get = path => fetch(path, { headers: { "X-Fragment": "live" }, redirect: "manual" }).then(answer => {
    if (answer.type === "opaqueredirect") { ended(); throw new Error("ended"); }
    if (!answer.ok) throw new Error(String(answer.status));
    return answer;
  });
  const parsed = html => new DOMParser().parseFromString(html, "text/html");

  // ---- the stream ----
  let source = null, over = false, seen = "", again = 0;
  const ended = () => { over = true; $("lost").hidden = false; if (source) source.close(); };
  const connect = () => {
    if (over || document.hidden) return;
    source = new EventSource(`${root}/stream?seen=${encodeURIComponent(seen)}`);
    source.onmessage = () => {};
    for (const name of ["whole", "fleet"]) source.addEventListener(name, event => {
      seen = event.lastEventId; again = 0;
      const bytes = Uint8Array.from(atob(event.data), sign => sign.charCodeAt(0)), clock = performance.now();
      if (name === "whole") fleet.reset();
      map.moved(fleet.apply(bytes.buffer, clock, name === "fleet" && !still.matches && !document.hidden), clock);
      told();
    });
    source.addEventListener("state", event => { again = 0; state(JSON.parse(event.data)); });
    source.addEventListener("alerts", event => { seen = event.lastEventId; heard(JSON.parse(event.data)); });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      // An answer that was no stream: the session may be over, or the service is being started anew.
      again = Math.min(again + 1, 6);
      setTimeout(() => get(`${root}/alerts`).then(connect, () => { if (!over) setTimeout(connect, 1000 * again); }), 1000 * again);
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && source) { source.close(); source = null; } else if (!document.hidden && (!source || source.readyState === 2)) connect();
  });

  let now = "here";
  const state = found => {
    now = found.state;
    $("state").className = `pill pill-${found.state}`;
    $("state-words").textContent = words[`state_${found.state}`];
    $("clock").textContent = found.at;
    $("replay").hidden = !found.replay;
    $("away").hidden = found.state === "here" || (found.state === "slow" && fleet.count > 0);
    $("away-start").hidden = found.state !== "absent";
    if (found.state !== "here") $("away-title").textContent = words[`away_${found.state}`];
    $("nobody").hidden = found.state !== "here" || fleet.count > 0;
    fleet.at = found.at_s;
  };
  let counted = 0;
  const told = () => {
    canvas.dataset.vehicles = String(fleet.count); canvas.dataset.frames = String(fleet.frames);
    $("nobody").hidden = now !== "here" || fleet.count > 0;
    if (performance.now() - counted < 250 && fleet.frames > 1) return;
    counted = performance.now();
    fleet.counts().forEach((n, place) => { document.querySelector(`[data-count="${RoadriskFleet.TIERS[place]}"]`).textContent = n.toLocaleString("en-US"); });
    place_tip();
  };

  // ---- the map ----
  get(`${root}/map`).then(answer => answer.json()).then(found => map.setProvince(found)).catch(() => {});
  const at = event => { const box = canvas.getBoundingClientRect(); return [(event.clientX - box.left) * map.ratio, (event.clientY - box.top) * map.ratio]; };
  const pointers = new Map();
  let far = 0, pinch = 0;
  canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); pointers.set(event.pointerId, at(event)); if (pointers.size === 1) far = 0; pinch = 0; });
  canvas.addEventListener("pointermove", event => {
    const here = at(event), was = pointers.get(event.pointerId);
    if (!was) { hover(here); return; }
    if (pointers.size === 1) { map.pan(here[0] - was[0], here[1] - was[1]); far += Math.hypot(here[0] - was[0], here[1] - was[1]); }
    pointers.set(event.pointerId, here);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], wide = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (pinch) map.zoom(wide / pinch, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      pinch = wide; far = 99;
    }
  });
  const up = event => {
    const was = pointers.get(event.pointerId);
    pointers.delete(event.pointerId); pinch = 0;
    if (was && event.type === "pointerup" && far < 6 * map.ratio && !pointers.size) {
      const slot = map.nearest(...at(event), performance.now(), event.pointerType === "touch" ? 22 : 12);
      if (slot >= 0) pick(slot);
    }
  };
  canvas.addEventListener("pointerup", up); canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("wheel", event => { event.preventDefault(); map.zoom(Math.exp(-event.deltaY * 0.0016), ...at(event)); }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const step = 60 * map.ratio;
    const keys = {
      ArrowLeft: () => map.pan(step, 0), ArrowRight: () => map.pan(-step, 0), ArrowUp: () => map.pan(0, step), ArrowDown: () => map.pan(0, -step),
      "+": () => map.zoom(1.5), "=": () => map.zoom(1.5), "-": () => map.zoom(1 / 1.5), 0: () => map.showWhole(),
      n: () => next(1), p: () => next(-1), N: () => next(1), P: () => next(-1), Enter: () => { if (tipped >= 0) pick(tipped); },
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault(); keys[event.key]();
  });
  $("zoom-in").addEventListener("click", () => map.zoom(1.6)); $("zoom-out").addEventListener("click", () => map.zoom(1 / 1.6)); $("zoom-whole").addEventListener("click", () => map.showWhole());
  let tipped = -1, asked = null;
  const hover = here => {
    asked = here;
    requestAnimationFrame(() => {
      if (asked !== here) return;
      tipped = here ? map.nearest(...here, performance.now()) : -1;
      canvas.classList.toggle("over", tipped >= 0);
      place_tip();
    });
  };
  const about = slot => {
    const look = fleet.look[slot], doing = look >> 5 & 1 ? "rest" : ["stop", "drive", "offline"][look >> 3 & 3];
    const parts = [words[`trade_${RoadriskFleet.TRADES[look >> 6]}`]];
    if ((look & 7) === 0) { parts.push(fill(words.silent, { n: Math.max(Math.round((fleet.at - fleet.last[slot]) / 60), 1) })); return parts.join(" · "); }
    parts.push(words[`doing_${doing}`]);
    if (doing === "drive") {
      parts.push(`${fleet.speed[slot]} km/h`);
      const left = fleet.due[slot] ? (fleet.due[slot] - fleet.at) / 60 : -1;
      if (fleet.due[slot]) parts.push(left <= 0 ? words.reached : left < 90 ? fill(words.left, { n: Math.floor(left) }) : fill(words.left_h, { n: (left / 60).toFixed(1) }));
    }
    return parts.join(" · ");
  };
  const place_tip = () => {
    const tip = $("tip");
    tip.hidden = tipped < 0;
    if (tipped < 0) return;
    tip.textContent = about(tipped);
    const [x, y] = map.seenAt(tipped, performance.now()), wide = $("map-box").clientWidth;
    tip.style.left = `${Math.min(Math.max(x, 90), wide - 90)}px`; tip.style.top = `${y}px`;
    tip.classList.toggle("below", y < 60);
  };
  map.onview = () => place_tip();
  let turn = -1;
  const next = by => {
    const found = fleet.urgent(map.shown, 200);
    if (!found.length) return;
    turn = (turn + by + found.length) % found.length;
    tipped = found[turn];
    map.flyTo(...fleet.place(tipped, performance.now()), 3);
    say(about(tipped));
  };
  document.querySelectorAll(".tile").forEach(tile => tile.addEventListener("click", () => {
    const place = RoadriskFleet.TIERS.indexOf(tile.dataset.tier), on = tile.getAttribute("aria-pressed") === "true";
    tile.setAttribute("aria-pressed", String(!on));
    const chosen = [...document.querySelectorAll(".tile[aria-pressed=true]")].map(one => RoadriskFleet.TIERS.indexOf(one.dataset.tier));
    map.shown = RoadriskFleet.TIERS.map((_, k) => !chosen.length || chosen.includes(k));
    turn = -1; map.redraw();
  }));

  // ---- alerts ----
  let saidAt = -1e9, waiting = null, pendingNews = [];
  const say = text => { $("news").textContent = text; };
  // New alerts are told politely, together, and at most every ten seconds.
  const announce = () => {
    if (waiting || !pendingNews.length) return;
    waiting = setTimeout(() => {
      waiting = null; saidAt = performance.now();
      const last = pendingNews[pendingNews.length - 1];
      say(fill(words.news, { n: pendingNews.length, what: last[language] }));
      pendingNews = [];
    }, Math.max(saidAt + 10000 - performance.now(), 300));
  };
  const list = $("alert-list"), filter = $("filter");
  let listing = null;
  const heard = found => {
    pendingNews.push(...found.new); announce();
    if (!listing) listing = setTimeout(() => { listing = null; relist(); }, 700);
  };
  const asking = () => `?${new URLSearchParams(new FormData(filter))}`;
  const relist = async () => {
    try {
      const fresh = parsed(await (await get(`${root}/alerts${asking()}`)).text()).body, top = fresh.firstElementChild;
      for (const one of filter.querySelectorAll("[data-group]")) one.textContent = top.dataset[one.dataset.group];
      const old = list.querySelector(".alert-list"), made = fresh.querySelector(".alert-list");
      if (old && made) {
        // What somebody is filling in stays as it is.
        const busy = new Map([...old.querySelectorAll(".alert")].filter(one => one.querySelector("details[open]")).map(one => [one.id, one]));
        const had = new Set([...old.querySelectorAll(".alert")].map(one => one.id));
        for (const one of [...made.children]) { if (busy.has(one.id)) one.replaceWith(busy.get(one.id)); else if (!had.has(one.id)) one.classList.add("arrived"); }
        for (const [id, one] of busy) if (![...made.children].some(held => held.id === id)) made.prepend(one);
      }
      list.replaceChildren(...fresh.childNodes);
      rings();
    } catch { /* The next event asks again. */ }
  };
  const rings = () => {
    map.rings = new Map([...list.querySelectorAll(".alert[data-open='1'][data-slot]")].reverse().map(one => [Number(one.dataset.slot), one.dataset.severity]));
    map.redraw();
  };
  filter.addEventListener("change", () => { list.replaceChildren(...list.childNodes); history.replaceState(null, "", asking()); relist(); });
  let official = "";
  list.addEventListener("toggle", event => {
    const field = event.target.open && event.target.querySelector("input[name=by]");
    if (field && !field.value) field.value = official;
  }, true);
  list.addEventListener("submit", async event => {
    const form = event.target;
    event.preventDefault();
    const failed = $("step-failed"), button = form.querySelector("button");
    official = form.elements.by.value; button.disabled = true;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "X-Fragment": "live" }, redirect: "error" });
      if (!answer.ok) { const said = await answer.json(); throw new Error(`${said.detail}. ${said.remedy}`); }
      failed.hidden = true;
      form.closest("details").open = false;
      say(words.kept);
      await relist();
    } catch (error) {
      failed.textContent = words.failed + error.message; failed.hidden = false;
    } finally { button.disabled = false; }
  });

  // ---- one vehicle ----
  let address = "", looking = null;
  const pick = async slot => {
    try {
      const answer = await fetch(`${root}/pick`, { method: "POST", body: new URLSearchParams({ form_token: token, run: fleet.run, slot }), headers: { "X-Fragment": "live" }, redirect: "error" });
      if (answer.ok) open((await answer.json()).address, slot);
    } catch { /* The map says by its state that the service is away. */ }
  };
  const open = async (where, slot) => {
    address = where; map.selected = Number(slot ?? -1); map.rest = null;
    await look();
    const title = $("vehicle-title");
    if (title) { title.focus({ preventScroll: true }); $("vehicle").scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" }); }
  };
  const look = async () => {
    clearTimeout(looking);
    if (!address || over) return;
    const mine = address;
    try {
      const fresh = parsed(await (await get(mine)).text()).body;
      if (mine !== address) return;
      const focused = document.activeElement && document.activeElement.id === "vehicle-title";
      $("vehicle-body").replaceChildren(...fresh.childNodes);
      $("vehicle").hidden = false;
      if (focused) $("vehicle-title").focus({ preventScroll: true });
      const facts = $("vehicle-facts");
      if (facts) {
        map.selected = Number(facts.dataset.slot);
        map.rest = facts.dataset.restLon ? [RoadriskFleet.east(1e6 * facts.dataset.restLon), RoadriskFleet.south(1e6 * facts.dataset.restLat)] : null;
        map.viewChanged();
      }
    } catch { /* Asked again below. */ }
    if (mine === address) looking = setTimeout(look, document.hidden ? 10000 : 2000);
  };
  document.addEventListener("click", event => {
    const link = event.target.closest && event.target.closest("a.to-vehicle");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const held = link.dataset.slot ?? link.closest("[data-slot]")?.dataset.slot;
    if (held !== undefined && fleet.known[held]) map.flyTo(...fleet.place(Number(held), performance.now()), 4);
    open(link.getAttribute("href"), held);
  });

  // ---- the table ----
  const table = $("table-body"), chosen = $("table-filter");
  const tabled = async () => {
    try { table.replaceChildren(...parsed(await (await get(`${root}/table?${new URLSearchParams(new FormData(chosen))}`)).text()).body.childNodes); } catch { /* Later again. */ }
  };
  chosen.addEventListener("submit", event => { event.preventDefault(); tabled(); });
  chosen.addEventListener("change", tabled);
  setInterval(() => { if (!over && !document.hidden && now === "here" && !table.contains(document.activeElement)) tabled(); }, 10000);

  rings();
  connect();
})();
