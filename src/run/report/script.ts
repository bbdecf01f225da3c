/**
 * The cross-hair: pointer or arrow keys over a chart show every series' value there. The report is whole
 * without it.
 */
export const SCRIPT = `
for (const svg of document.querySelectorAll("figure .plot svg")) {
  const series = JSON.parse(svg.nextElementSibling.textContent);
  const figure = svg.closest("figure");
  const stops = [...new Set(series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
  let hair, tip, at = stops.length - 1;
  const hide = () => { hair?.remove(); tip?.remove(); hair = tip = undefined; };
  const show = (x) => {
    hide();
    hair = svg.appendChild(document.createElementNS(svg.namespaceURI, "line"));
    for (const [k, v] of Object.entries({ x1: x, x2: x, y1: 14, y2: 296, class: "hair" })) hair.setAttribute(k, v);
    tip = figure.appendChild(document.createElement("div"));
    tip.className = "tip";
    tip.setAttribute("role", "status");
    const table = tip.appendChild(document.createElement("table"));
    for (const s of series) {
      let point;
      for (const p of s.points) if (p[0] <= x + 0.5) point = p;
      if (!point) continue;
      const row = table.insertRow();
      const name = row.appendChild(document.createElement("th"));
      const swatch = name.appendChild(document.createElement("span"));
      swatch.className = "swatch c" + s.color;
      name.append(s.name);
      row.insertCell().textContent = point[3];
      row.insertCell().textContent = point[2];
    }
    const box = svg.getBoundingClientRect(), frame = figure.getBoundingClientRect();
    const left = box.left - frame.left + (x / 640) * box.width;
    tip.style.top = box.top - frame.top + 8 + "px";
    if (x > 320) tip.style.right = frame.width - left + 10 + "px";
    else tip.style.left = left + 10 + "px";
  };
  const nearest = (x) => stops.reduce((best, s, i) => (Math.abs(s - x) < Math.abs(stops[best] - x) ? i : best), 0);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    at = nearest(((event.clientX - box.left) / box.width) * 640);
    show(stops[at]);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    at = Math.min(Math.max(at + step, 0), stops.length - 1);
    show(stops[at]);
  });
}
`;
