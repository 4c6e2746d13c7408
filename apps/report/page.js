"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // A legend entry shows and hides its series.
  for (const button of document.querySelectorAll("[data-toggle]")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const part of button.closest(".chart").querySelectorAll("[data-series]")) {
        if (part.dataset.series === button.dataset.toggle) part.style.display = on ? "" : "none";
      }
    });
  }

  // The values at the pointer, or where the arrow keys have moved to.
  const short = (value) => value === null || value === undefined ? "-" : String(Number(value.toPrecision(4)));
  function values(data, x) {
    const lines = data.series.map((series) => {
      let best = 0;
      series.x.forEach((at, i) => { if (Math.abs(at - x) < Math.abs(series.x[best] - x)) best = i; });
      return series.name + "  " + short(series.y[best]);
    });
    return [data.x + " " + short(x), ...lines].join("\n");
  }
  for (const box of document.querySelectorAll(".chart")) {
    const source = box.querySelector("script");
    const chart = box.querySelector("svg");
    if (!source || !chart) continue;
    const data = JSON.parse(source.textContent);
    const xs = [...new Set(data.series.flatMap((series) => series.x))].sort((a, b) => a - b);
    if (xs.length === 0) continue;
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "status");
    tip.hidden = true;
    box.append(tip);
    const cursor = document.createElementNS(chart.namespaceURI, "line");
    cursor.setAttribute("class", "cursor");
    let at = -1;
    const unit = (x) => data.from[1] + (x - data.from[0]) * (data.to[1] - data.from[1]) / (data.to[0] - data.from[0]);
    const show = (index) => {
      at = Math.max(0, Math.min(xs.length - 1, index));
      const place = unit(xs[at]);
      for (const [name, value] of [["x1", place], ["x2", place], ["y1", 34], ["y2", 230]]) cursor.setAttribute(name, value);
      chart.append(cursor);
      tip.textContent = values(data, xs[at]);
      tip.hidden = false;
      const scale = chart.clientWidth / chart.viewBox.baseVal.width;
      const left = place * scale + 12;
      tip.style.top = chart.offsetTop + 24 + "px";
      tip.style.left = Math.max(0, left + tip.offsetWidth > box.clientWidth ? place * scale - tip.offsetWidth - 12 : left) + "px";
    };
    const hide = () => { tip.hidden = true; cursor.remove(); at = -1; };
    chart.addEventListener("pointermove", (event) => {
      const bounds = chart.getBoundingClientRect();
      const place = (event.clientX - bounds.left) / bounds.width * chart.viewBox.baseVal.width;
      let best = 0;
      xs.forEach((x, i) => { if (Math.abs(unit(x) - place) < Math.abs(unit(xs[best]) - place)) best = i; });
      show(best);
    });
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("blur", hide);
    chart.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      const step = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(at < 0 && step === 1 ? 0 : at + step);
    });
  }
})();
