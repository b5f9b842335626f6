// Moves of a lever are sent as they are made, and the result of the newest one is shown. Without this file a button sends them.
(() => {
  "use strict";
  const form = document.getElementById("levers"), result = document.getElementById("result"), failed = document.getElementById("failed");
  if (!form || !result || !window.fetch) return;
  document.getElementById("compute").hidden = true;
  const written = value => Math.abs(value) >= 1000 || Number.isInteger(value)
    ? value.toLocaleString("en-US", { maximumFractionDigits: 0 }) : String(Number(value.toPrecision(4)));
  const shown = input => {
    const text = written(Number(input.value)).replace("-", "\u2212");
    form.querySelector(`output[for="${input.id}"]`).value = text;
    input.setAttribute("aria-valuetext", `${text} ${input.dataset.unit}`.trim());
    // A slider keeps a number in less than full precision.
    const off = Math.abs(Number(input.value) - Number(input.dataset.recorded)), width = Number(input.max) - Number(input.min);
    input.closest(".lever").classList.toggle("moved", off > 1e-9 * width);
  };
  // A place between two numbers of three figures is no number that anybody would name.
  const rounded = input => {
    const step = (Number(input.max) - Number(input.min)) / 200, digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const value = Number(Number(input.value).toFixed(Math.min(digits, 12)));
    if (input.step === "any") input.value = String(Math.min(Math.max(value, Number(input.min)), Number(input.max)));
  };
  let under_way = false, again = false;
  const send = async () => {
    if (under_way) { again = true; return; }
    under_way = true;
    try {
      do {
        again = false;
        const begun = performance.now();
        const answer = await fetch(form.action, {
          method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "X-Fragment": "result" }, redirect: "error",
        });
        if (!answer.ok) throw new Error(String(answer.status));
        result.innerHTML = await answer.text();
        result.dataset.ms = String(Math.round(performance.now() - begun));
        failed.hidden = true;
      } while (again);
    } catch {
      failed.hidden = false;
    } finally {
      under_way = false;
    }
  };
  form.addEventListener("input", event => { rounded(event.target); shown(event.target); send(); });
  form.addEventListener("submit", event => { event.preventDefault(); send(); });
  form.querySelectorAll("input[type=range]").forEach(input => {
    shown(input);
    input.addEventListener("dblclick", () => { input.value = input.dataset.recorded; shown(input); send(); });
  });
  document.getElementById("reset").addEventListener("click", event => {
    event.preventDefault();
    form.querySelectorAll("input[type=range]").forEach(input => { input.value = input.dataset.recorded; shown(input); });
    send();
  });
})();
