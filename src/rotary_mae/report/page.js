"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
// index of the current chart by the name of its figure
const current = {};

// "$accent" and "$accent/0.2" are variables of page.css, which differ between the light and the dark theme
function colour(text) {
  const [, name, alpha] = text.match(/^\$(\w+)(?:\/([\d.]+))?$/);
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  if (alpha === undefined) return hex;
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

// values of these keys come from the user's data and are never colours
const DATA_KEYS = new Set(["x", "y", "z", "text", "name", "customdata"]);

function withColours(value) {
  if (typeof value === "string") return /^\$\w+(\/[\d.]+)?$/.test(value) ? colour(value) : value;
  if (Array.isArray(value)) return value.every((v) => typeof v === "number") ? value : value.map(withColours);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, DATA_KEYS.has(key) ? inner : withColours(inner)]);
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
  return withColours(layout);
}

function draw(name) {
  const chart = figures[name][current[name] || 0];
  const element = document.getElementById(name);
  const config = { displayModeBar: false, responsive: true };
  return Plotly.react(element, withColours(chart.data), layoutOf(chart, element.clientWidth), config);
}

// connects the list and the buttons of a figure with several charts; returns a function that moves by some charts
function setUpChooser(bar) {
  const name = bar.dataset.for;
  const charts = figures[name];
  const [list, count] = [bar.querySelector("select"), bar.querySelector(".count")];
  charts.forEach((chart) => list.add(new Option(chart.title)));
  const show = (index) => {
    current[name] = (index + charts.length) % charts.length;
    list.selectedIndex = current[name];
    count.textContent = `${current[name] + 1} of ${charts.length}`;
    return draw(name);
  };
  list.addEventListener("change", () => show(list.selectedIndex));
  bar.querySelector(".previous").addEventListener("click", () => show(current[name] - 1));
  bar.querySelector(".next").addEventListener("click", () => show(current[name] + 1));
  show(0);
  return (step) => show(current[name] + step);
}

const moves = [...document.querySelectorAll(".chooser")].map(setUpChooser);
for (const name of Object.keys(figures)) if (!(name in current)) draw(name);

// the arrow keys move through the first figure with several charts, except inside a list or a text field
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !moves.length || event.target.matches("select, input, textarea")) return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  moves[0](step);
});
dark.addEventListener("change", () => Object.keys(figures).forEach(draw));
