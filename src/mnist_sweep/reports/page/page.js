"use strict";
(() => {
  const values = JSON.parse(document.getElementById("values").textContent);
  const byId = (id) => document.getElementById(id);
  const night = matchMedia("(prefers-color-scheme: dark)");

  // Charts name their colours as CSS variables, so day, night and print need no drawing again.
  function draw(place) {
    place.dataset.drawn = "";
    if (!window.vegaEmbed) {
      place.textContent = "The script that draws this chart could not be made when the page was written.";
      return;
    }
    const spec = { ...values.charts[place.dataset.chart], config: values.config, datasets: values.datasets };
    const options = { mode: "vega-lite", actions: false, renderer: "svg" };
    options.tooltip = { theme: night.matches ? "dark" : "light" };
    vegaEmbed(place, spec, options).catch((error) => {
      place.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(error);
    });
  }

  function drawVisible() {
    for (const place of document.querySelectorAll(".chart:not([data-drawn])")) {
      if (!place.closest("[hidden]")) draw(place);
    }
  }

  function chooseMetric() {
    for (const part of document.querySelectorAll(".by-metric")) part.hidden = part.dataset.metric !== byId("metric").value;
    drawVisible();
  }

  function drawHeat() {
    const [x, y, metric] = ["heat-x", "heat-y", "heat-metric"].map((id) => byId(id).value);
    const spec = values.charts.heat;
    const [mean, count] = spec.transform[0].aggregate;
    spec.transform = [{ aggregate: [{ ...mean, field: metric }, count], groupby: [...new Set([x, y])] }];
    for (const [channel, axis] of [["x", x], ["y", y]]) {
      const { field, title, sort } = values.axes[axis];
      Object.assign(spec.encoding[channel], { field, title, sort });
    }
    const { title, scale, format } = values.metrics[metric];
    Object.assign(spec.layer[0].encoding.color, { title, scale });
    spec.layer[0].encoding.color.legend.format = format;
    spec.layer[1].encoding.text.format = format;
    spec.height = values.axes[y].height;
    const place = byId("chart-heat");
    const words = (id) => byId(id).selectedOptions[0].text;
    spec.description = `Mean ${words("heat-metric")} by ${words("heat-x")} and ${words("heat-y")}.`;
    place.setAttribute("aria-label", spec.description);
    place.style.minHeight = `${spec.height}px`;
    draw(place);
  }

  const collator = new Intl.Collator("en", { numeric: true });
  function compare(a, b) {
    const [left, right] = [a, b].map((text) => parseFloat(text.replaceAll(",", "")));
    return /^-?[\d.,]+( |$)/.test(a) && /^-?[\d.,]+( |$)/.test(b) ? left - right : collator.compare(a, b);
  }

  function sortBy(header) {
    const [table, column] = [header.closest("table"), header.cellIndex];
    const descends = header.ariaSort ? header.ariaSort === "ascending" : header.dataset.first === "descending";
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descends ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [row.cells[column].textContent, row]);
    rows.sort(([a], [b]) => (descends ? compare(b, a) : compare(a, b)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  for (const button of document.querySelectorAll("#ranking thead button")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }
  byId("all")?.addEventListener("click", () => {
    byId("ranking").classList.remove("few");
    byId("few").remove();
  });
  byId("metric")?.addEventListener("change", chooseMetric);
  for (const id of ["heat-x", "heat-y", "heat-metric"]) byId(id)?.addEventListener("change", drawHeat);

  // What the reader had chosen, and where they were, when the page loads itself again.
  const key = `mnist-sweep ${location.pathname}`;
  function remember() {
    const chosen = [...document.querySelectorAll("select")].map((select) => [select.id, select.value]);
    try {
      sessionStorage.setItem(key, JSON.stringify({ chosen, at: scrollY }));
    } catch {} // a browser may keep nothing for pages from a disk
  }
  function recall() {
    let was;
    try {
      was = JSON.parse(sessionStorage.getItem(key));
      sessionStorage.removeItem(key);
    } catch {}
    if (!was) return;
    for (const [id, value] of was.chosen) {
      const option = [...(byId(id)?.options ?? [])].find((one) => one.value === value);
      if (option) option.selected = true;
    }
    if (byId("metric")) chooseMetric();
    if (byId("heat-x")) drawHeat();
    scrollTo(0, was.at);
  }

  byId("written").textContent = `Written ${document.lastModified}.`;
  if (values.refresh_s) {
    byId("written").append(` Trainings are running: this page loads itself again every ${values.refresh_s} seconds.`);
    setTimeout(() => {
      remember();
      location.reload();
    }, values.refresh_s * 1000);
  }
  recall();
  drawVisible();
})();
