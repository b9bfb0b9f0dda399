// Charts over the theme's Chart.js. A canvas names the JSON it shows: that JSON may be swapped by
// HTMX, the canvas stays and is drawn anew, so that nothing flickers.
(() => {
  "use strict";

  const drawn = new Map();

  const color = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";

  const TONES = {
    good: "--lm-chart-good",
    bad: "--lm-chart-bad",
    warn: "--lm-chart-warn",
    info: "--lm-chart-info",
    faint: "--lm-chart-faint",
    accent: "--lm-chart-accent",
  };

  const datasets = (wanted) =>
    wanted.series.map((series) => ({
      label: series.name,
      data: series.values,
      backgroundColor: color(TONES[series.tone] || TONES.accent),
      borderColor: color(TONES[series.tone] || TONES.accent),
      borderWidth: wanted.type === "line" ? 2 : 0,
      borderRadius: 2,
      pointRadius: 0,
      pointHitRadius: 12,
      tension: 0.25,
      maxBarThickness: 22,
    }));

  const options = (wanted) => {
    const axis = (more) => ({
      stacked: Boolean(wanted.stacked),
      beginAtZero: true,
      border: { display: false },
      grid: { color: color("--lm-line"), drawTicks: false },
      ticks: { color: color("--lm-faint"), maxRotation: 0, padding: 6, ...more },
    });
    const across = wanted.sideways;
    const value = (number) => `${wanted.prefix || ""}${number}${wanted.suffix || ""}`;
    const numbers = axis({ maxTicksLimit: 5, callback: value, precision: wanted.whole ? 0 : undefined });
    const names = { ...axis({ autoSkip: !across, maxTicksLimit: 6 }), grid: { display: false } };
    return {
      animation: false,
      maintainAspectRatio: false,
      indexAxis: across ? "y" : "x",
      interaction: { mode: "index", intersect: false },
      scales: { x: across ? numbers : names, y: across ? names : numbers },
      plugins: {
        legend: {
          display: wanted.series.length > 1,
          align: "end",
          labels: { boxWidth: 8, boxHeight: 8, color: color("--lm-faint"), usePointStyle: true },
        },
        tooltip: {
          callbacks: {
            label: (at) => ` ${at.dataset.label}: ${value(at.formattedValue)}`,
          },
        },
      },
    };
  };

  const draw = (canvas, anew) => {
    const source = document.getElementById(canvas.dataset.chart);
    if (!source || typeof Chart === "undefined") {
      return;
    }
    const text = source.textContent;
    const known = drawn.get(canvas);
    if (known && known.text === text && !anew) {
      return;
    }
    const wanted = JSON.parse(text);
    if (known) {
      known.chart.data = { labels: wanted.labels, datasets: datasets(wanted) };
      known.chart.options = options(wanted);
      known.chart.update("none");
      known.text = text;
      return;
    }
    Chart.defaults.font.family = "Inter";
    const chart = new Chart(canvas, {
      type: wanted.type,
      data: { labels: wanted.labels, datasets: datasets(wanted) },
      options: options(wanted),
    });
    drawn.set(canvas, { chart, text });
  };

  const all = (anew) => {
    for (const [canvas, known] of drawn) {
      if (!canvas.isConnected) {
        known.chart.destroy();
        drawn.delete(canvas);
      }
    }
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
      draw(canvas, anew);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    all(false);
    document.body.addEventListener("htmx:afterSettle", () => all(false));
    new MutationObserver(() => all(true)).observe(document.documentElement, {
      attributeFilter: ["class"],
    });
  });
})();
