"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const shown = {};

// "$accent" and "$accent/0.2" are colours of the page, which change with light and dark
function colour(text) {
  const [, name, alpha] = text.match(/^\$(\w+)(?:\/([\d.]+))?$/);
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  if (alpha === undefined) return hex;
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

// what people named themselves is never a colour
const words = new Set(["x", "y", "z", "text", "name", "customdata"]);

function painted(value) {
  if (typeof value === "string") return /^\$\w+(\/[\d.]+)?$/.test(value) ? colour(value) : value;
  if (Array.isArray(value)) return value.every((v) => typeof v === "number") ? value : value.map(painted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, words.has(key) ? inner : painted(inner)]);
  return Object.fromEntries(entries);
}

function layoutOf(chart, width) {
  const given = chart.layout;
  const layout = {
    font: { family: getComputedStyle(document.body).fontFamily, size: width < 480 ? 11 : 13, color: "$ink" },
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    dragmode: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: "$card", bordercolor: "$line", font: { color: "$ink" }, align: "left" },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", xanchor: "left" },
    margin: { l: 56, r: 12, t: 36, b: 48 },
    ...given,
  };
  for (const key of Object.keys(given).filter((name) => /^[xy]axis\d*$/.test(name))) {
    const axis = { gridcolor: "$line", linecolor: "$line", zeroline: false, automargin: true, fixedrange: true };
    layout[key] = { ...axis, ...given[key], title: { standoff: 8, ...given[key].title } };
  }
  return painted(layout);
}

function draw(name) {
  const chart = figures[name][shown[name] || 0];
  const place = document.getElementById(name);
  const config = { displayModeBar: false, responsive: true };
  return Plotly.react(place, painted(chart.data), layoutOf(chart, place.clientWidth), config);
}

function leaf(bar) {
  const name = bar.dataset.for;
  const charts = figures[name];
  const [pick, place] = [bar.querySelector("select"), bar.querySelector(".place")];
  charts.forEach((chart) => pick.add(new Option(chart.title)));
  const show = (index) => {
    shown[name] = (index + charts.length) % charts.length;
    pick.selectedIndex = shown[name];
    place.textContent = `${shown[name] + 1} of ${charts.length}`;
    return draw(name);
  };
  pick.addEventListener("change", () => show(pick.selectedIndex));
  bar.querySelector(".previous").addEventListener("click", () => show(shown[name] - 1));
  bar.querySelector(".next").addEventListener("click", () => show(shown[name] + 1));
  show(0);
  return (step) => show(shown[name] + step);
}

const turns = [...document.querySelectorAll(".leaf")].map(leaf);
for (const name of Object.keys(figures)) if (!(name in shown)) draw(name);

// the arrows of the keyboard leaf through the first figure that has leaves, except where they choose from a list
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !turns.length || event.target.matches("select, input, textarea")) return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  turns[0](step);
});
dark.addEventListener("change", () => Object.keys(figures).forEach(draw));
