// The live board of a panel: plots on canvases, one big number, and a line that says what is going on. Data arrive as one
// block of float32 with a small index; whatever their rate, the board is redrawn at most once a frame of the screen.
// Colours have one meaning, that of ncv_lab.plotting, from where they come as variables of CSS such as --ncv-raw.

const MEANINGS = ["raw", "improved", "trained", "other", "pinned", "exact", "negative", "zero", "positive"];
const DASHES = [[7, 4], [2, 3], [8, 3, 2, 3], [12, 3], [2, 6]]; // of pinned curves
const MARKS = "①②③④⑤";
const RESTING = ["ready", "stopped", "error", "finished"]; // stages in which a panel does not work
const MARGIN = { left: 58, right: 18, top: 8, bottom: 36 };

const node = (tag, parent, options = {}) => parent.appendChild(Object.assign(document.createElement(tag), options));

function isDark(element) {
  const [r, g, b] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
  return 0.3 * r + 0.6 * g + 0.1 * b > 128; // light text stands on a dark ground
}

// The colours of the palette by their meaning, as they are on this ground.
const palette = (style) => Object.fromEntries(MEANINGS.map((name) => [name, style.getPropertyValue(`--ncv-${name}`).trim()]));

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

export function format(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e6)) return String(Number(value.toPrecision(digits)));
  const [factor, power] = value.toExponential(digits - 1).split("e");
  return `${Number(factor) === 1 ? "" : `${Number(factor)}·`}10${superscript(Number(power))}`;
}

function superscript(power) {
  return [...String(power)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
}

// The largest of 1, 2, 5, 10, ... that is not above x (down), or the smallest that is not below it.
export function round125(x, down) {
  const power = 10 ** Math.floor(Math.log10(x) + 1e-9), part = x / power;
  const steps = [1, 2, 5, 10];
  const found = down ? steps.findLast((m) => m <= part * (1 + 1e-9)) : steps.find((m) => m >= part * (1 - 1e-9));
  return Number((found * power).toPrecision(3));
}

// Ends of an axis that are round numbers around [low, high], so that they stay where they are while the data grow.
export function roundRange(low, high, log, integer) {
  if (integer) return [low - 0.5, high + 0.5];
  if (log) {
    const ends = [round125(low, true), round125(high, false)];
    return ends[0] < ends[1] ? ends : [round125(low * 0.9, true), ends[1]];
  }
  const step = round125((high - low || Math.abs(high) || 1) / 8, false);
  const ends = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  return ends[0] < ends[1] ? ends : [ends[0] - step, ends[1] + step];
}

// The kept ends of an axis if the new ones lie inside and fill a good part of it; else the new ones.
export function settle(kept, wanted, log) {
  const [low, high] = wanted, measure = (a, b) => (log ? Math.log(b / a) : b - a);
  if (!kept || low < kept[0] || high > kept[1]) return wanted;
  return measure(low, high) > 0.45 * measure(...kept) ? kept : wanted;
}

const FINE = [1, 2, 3, 4, 5, 6, 7, 8, 9];

// The numbers between low and high that are one of the factors times a power of ten, in every so many decades.
function logTicks(low, high, factors, every) {
  const found = [];
  for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k += every) {
    for (const m of factors) {
      const value = Number((m * 10 ** k).toPrecision(3));
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push(value);
    }
  }
  return found;
}

// A value with its error in units of the last digit, as ncv_lab writes it: 9.1(5).
export function withError(value, error) {
  if (!(Number.isFinite(value) && error > 0)) return format(value);
  const size = Math.max(Math.abs(value), error), power = size >= 1e-3 && size < 1e6 ? 0 : Math.floor(Math.log10(size));
  const [v, e] = [value / 10 ** power, error / 10 ** power];
  if (e < 1e-6 * Math.abs(v)) return format(value);
  let places = -Math.floor(Math.log10(e));
  if (Math.round(e * 10 ** (places + 1)) < 20) places += 1;
  const shown = Math.max(places, 0), unit = 10 ** Math.max(-places, 0);
  const rounded = Math.round(v / unit) * unit;
  return `${(places > 0 ? v : rounded).toFixed(shown)}(${Math.round(e * 10 ** places) * unit})${power ? `·10${superscript(power)}` : ""}`;
}

export function ticks(low, high, log, count, integer = false) {
  const found = [];
  if (log) {
    const every = Math.ceil((Math.log10(high / low) + 1) / count);
    const choices = [[FINE, 1], [[1, 2, 5], 1], [[1, 3], 1], [[1], 1], [[1], every]].map(([factors, step]) => logTicks(low, high, factors, step));
    const few = choices.findIndex((some) => some.length <= Math.max(count, 4));
    const enough = choices[few]?.length > 2 ? few : Math.max(few - 1, 0); // two ticks are too few to read an axis by
    return choices[enough].map((value) => [value, format(value)]);
  }
  const step = Math.max(round125((high - low) / count, false), integer ? 1 : 0);
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push([i * step, format(i * step)]);
  return found;
}

class Plot {
  constructor(spec, parent, redraw, pick) {
    this.spec = spec;
    this.figure = node("figure", parent, { className: "ncv-plot" });
    this.figure.style.setProperty("--span", spec.span);
    this.figure.style.setProperty("--narrow", spec.narrow || (spec.span > 7 ? spec.span : 6));
    this.figure.dataset.name = spec.title;
    this.caption = node("figcaption", this.figure);
    node("strong", this.caption, { textContent: spec.title });
    this.legend = node("span", this.caption, { className: "ncv-legend" });
    this.tip = node("div", this.figure, { className: "ncv-tip", textContent: spec.tooltip });
    this.tip.setAttribute("role", "tooltip");
    this.canvas = node("canvas", this.figure, { tabIndex: 0 });
    this.kept = {};
    if (spec.cloud) this.canvas.addEventListener("click", (event) => pick(this.nearest(event.offsetX / this.scale, event.offsetY / this.scale)));
    this.canvas.setAttribute("role", "img");
    this.cursor = null;
    this.scale = 1;
    this.canvas.addEventListener("pointermove", (event) => { this.cursor = event.offsetX / this.scale; redraw(); });
    this.canvas.addEventListener("pointerleave", () => { this.cursor = null; redraw(); });
    this.canvas.addEventListener("blur", () => { this.cursor = null; redraw(); });
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -8, ArrowRight: 8 }[event.key];
      if (!step) return;
      this.cursor = Math.min(Math.max((this.cursor ?? this.width / 2) + step, MARGIN.left), this.width - MARGIN.right);
      event.preventDefault();
      redraw();
    });
  }

  draw(data, colours, dark, style, scale) {
    const ratio = (window.devicePixelRatio || 1) * scale;
    this.scale = scale;
    [this.width, this.height] = [this.canvas.clientWidth / scale, this.canvas.clientHeight / scale];
    if (!this.width) return;
    const [w, h] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, this.width, this.height);
    Object.assign(this.pen, { font: `12px ${style.fontFamily}`, lineJoin: "round", lineCap: "butt" });
    Object.assign(this, { colours, ink: style.color, faint: dark ? "#ffffff22" : "#00000018" });
    const own = this.spec.series.map((series) => ({ ...series, ...data[series.key] }));
    this.series = [...own.flatMap((series) => this.pinned(series, data)), ...own].filter((series) => series.columns);
    const names = this.spec.cloud ? [] : this.series.filter((series) => series.columns[0].length);
    this.legend.replaceChildren();
    for (const series of names.length > 1 || this.spec.legend ? names : []) {
      const name = this.names?.[series.key] || series.name;
      const label = node("span", this.legend);
      label.style.color = colours[series.colour];
      const kind = series.mark ? "mark" : series.marker ? "dot" : series.dash ? "dashed" : series.thin ? "thin" : "line";
      node("i", label, { className: `ncv-swatch ${kind}`, textContent: series.mark || (series.marker ? "●" : "") });
      label.append(name);
    }
    if (!this.spec.image && !this.spec.cloud && !this.spec.heat && names.some((series) => series.columns[1].some((_, i) => this.hollow(series, i)))) {
      node("span", this.legend, { textContent: "○ compatible with 0" });
    }
    if (this.spec.image) this.drawImage();
    else if (this.spec.cloud) this.drawCloud();
    else if (this.spec.heat) this.drawHeat();
    else this.drawCurves();
    this.canvas.setAttribute("aria-label", this.describe());
  }

  // The pinned curves of a series: grey lines, each with dashes and a mark of its own.
  pinned(series, data) {
    return (this.pins || []).map((name, k) => ({
      key: `${series.key}@${k + 1}`, name, colour: "pinned", dashes: DASHES[k % DASHES.length], mark: MARKS[k],
      ...data[`${series.key}@${k + 1}`],
    }));
  }

  describe() {
    if (this.spec.heat) return `${this.spec.title}. ${this.spec.tooltip}`;
    const last = this.series.filter((s) => !this.spec.image && s.columns[0].length)
      .map((s) => `${s.name}: ${format(s.columns[1].at(-1))} at ${this.spec.x} = ${format(s.columns[0].at(-1))}`);
    return `${this.spec.title}. ${last.join("; ") || (this.series.length ? this.spec.tooltip : "no data yet")}`;
  }

  drawImage() {
    const image = this.series[0], { pen } = this;
    if (!image) return;
    const [rows, cols] = [image.columns.length, image.columns[0].length];
    const [across, down] = [this.width - 74, this.height - 28]; // the rest is for the words and the scale of colours
    const cell = Math.min(across / rows, down / cols);
    const size = (value) => (Number.isFinite(value) ? Math.abs(value) : 0);
    const limit = Math.max(...image.columns.flatMap((row) => [...row].map(size)), 1e-12);
    const [low, middle, high] = ["negative", "zero", "positive"].map((name) => rgb(this.colours[name]));
    const [left, top] = [22 + (across - rows * cell) / 2, 4 + (down - cols * cell) / 2];
    const shade = (part) => `rgb(${middle.map((m, k) => Math.round(m + Math.abs(part) * ((part < 0 ? low : high)[k] - m))).join()})`;
    image.columns.forEach((row, i) => row.forEach((value, j) => {
      if (!Number.isFinite(value)) return;
      pen.fillStyle = shade(value / limit);
      pen.fillRect(left + i * cell, top + (cols - 1 - j) * cell, cell + 0.5, cell + 0.5);
    }));
    this.text(this.spec.x, left + (rows * cell) / 2, top + cols * cell + 16, "center", this.ink, this.width - 10);
    if (this.spec.y) {
      pen.save();
      pen.translate(left - 8, top + (cols * cell) / 2);
      pen.rotate(-Math.PI / 2);
      this.text(this.spec.y, 0, 0, "center");
      pen.restore();
    }
    const bar = left + rows * cell + 8, tall = Math.min(cols * cell, 120), foot = top + (cols * cell + tall) / 2;
    for (let k = 0; k < 40; k++) {
      pen.fillStyle = shade(k / 19.5 - 1);
      pen.fillRect(bar, foot - ((k + 1) / 40) * tall, 8, tall / 40 + 0.5);
    }
    const end = format(limit, 2);
    [[`−${end}`, foot], ["0", foot - tall / 2 + 4], [end, foot - tall + 9]].forEach(([text, y]) => this.text(text, bar + 12, y, "left"));
    if (this.cursor === null) return;
    if (!this.spec.y) {
      this.box(["tiles: kernels W(t, x) of the first layer", "last tile: the field g on the configuration", "each over its largest number"], this.cursor);
      return;
    }
    const i = Math.min(rows - 1, Math.max(0, Math.floor((this.cursor - left) / cell)));
    this.box([`largest |φ| = ${format(limit)}`, `mean of slice ${i}: ${format(image.columns[i].reduce((a, b) => a + b, 0) / cols)}`], this.cursor);
  }

  range(axis) {
    const log = this.spec[`${axis}log`], column = axis === "x" ? 0 : 1, fixed = this.spec[`${axis}range`];
    if (fixed) return fixed;
    let [low, high] = [Infinity, -Infinity];
    for (const { columns, bars } of this.series) columns[column].forEach((value, i) => {
      const error = axis === "y" && columns.length > 2 && !log ? columns[2][i] || 0 : 0;
      const ends = bars && axis === "y" ? [0, value] : [value - error, value + error];
      for (const end of ends) if (Number.isFinite(end) && (!log || end > 0)) [low, high] = [Math.min(low, end), Math.max(high, end)];
    });
    if (low > high) {
      this.kept[axis] = null;
      return log ? [0.1, 10] : [0, 1];
    }
    if (axis === "y" && !log && low > 0 && low < 0.3 * high) low = 0;
    const wanted = roundRange(low, high, log, axis === "x" && this.spec.xinteger);
    this.kept[axis] = settle(this.kept[axis], wanted, log);
    return this.kept[axis];
  }

  // O - C against f, in units of sigma(O), with the histograms of O and O - f on the axis of O at its side.
  drawCloud() {
    const { pen, colours } = this, cloud = this.series[0], bottom = this.height - MARGIN.bottom, top = MARGIN.top;
    const left = 46, right = this.width - 8, wall = left + (right - left) * 0.7;
    if (!cloud || !cloud.columns[0].length) {
      this.text(this.empty(), this.width / 2, this.height / 2, "center");
      return;
    }
    const [f, O] = cloud.columns, learned = f.some((v) => v !== 0), most = Math.max(...O.map(Math.abs));
    const end = (this.kept.cloud = settle(this.kept.cloud, [0, Math.ceil(1.05 * most)], false))[1];
    const X = (v) => left + ((v + end) / (2 * end)) * (wall - left), Y = (v) => bottom + ((v + end) / (2 * end)) * (top - bottom);
    this.places = [...f].map((x, i) => [X(x), Y(O[i])]);
    pen.lineWidth = 1;
    for (const [value, text] of ticks(-end, end, false, 5)) {
      this.line(X(value), bottom, X(value), top, this.faint);
      this.line(left, Y(value), right, Y(value), this.faint);
      this.text(text, X(value), bottom + 15, "center");
      this.text(text, left - 5, Y(value) + 4, "right");
    }
    pen.strokeStyle = this.ink;
    pen.strokeRect(left, top, wall - left, bottom - top);
    this.text(this.spec.x, (left + wall) / 2, this.height - 6, "center");
    pen.save();
    pen.translate(12, (top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    this.text(this.spec.y, 0, 0, "center");
    pen.restore();
    pen.setLineDash([5, 4]);
    this.line(X(-end), Y(-end), X(end), Y(end), this.ink);
    pen.setLineDash([]);
    pen.fillStyle = learned ? colours.improved : colours.raw;
    pen.globalAlpha = 0.55;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, wall - left, bottom - top); // at first f may be larger than O
    pen.clip();
    for (const [x, y] of this.places) { pen.beginPath(); pen.arc(x, y, 2, 0, 2 * Math.PI); pen.fill(); }
    pen.restore();
    pen.globalAlpha = 1;
    if (this.chosen != null && this.places[this.chosen]) {
      pen.strokeStyle = this.ink;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(...this.places[this.chosen], 6, 0, 2 * Math.PI);
      pen.stroke();
    }
    const heights = (values) => {
      const found = new Array(41).fill(0);
      for (const v of values) if (Math.abs(v) <= end) found[Math.round(((v + end) / (2 * end)) * 40)]++;
      return found.map((n) => n / Math.max(...found, 1));
    };
    const tall = (bottom - top) / 41;
    const shown = [[O, "raw", 0.55], [O.map((v, i) => v - f[i]), "improved", 0.7]].slice(0, learned ? 2 : 1);
    shown.forEach(([values, colour, alpha]) => {
      pen.globalAlpha = alpha;
      pen.fillStyle = colours[colour];
      heights(values).forEach((h, i) => pen.fillRect(wall + 4, Y(-end + (i / 40) * 2 * end) - tall / 2, h * (right - wall - 6), tall));
    });
    pen.globalAlpha = 1;
    this.text("O", right - 4, top + 12, "right", colours.raw);
    if (learned) this.text("O − f", right - 4, top + 27, "right", colours.improved);
  }

  // A map of ratios with their numbers; the first row and the first column are the numbers on the axes.
  drawHeat() {
    const { pen, colours } = this, map = this.series[0], top = MARGIN.top, bottom = this.height - MARGIN.bottom;
    if (!map) {
      this.text(this.empty(), this.width / 2, this.height / 2, "center");
      return;
    }
    const across = [...map.columns].slice(1), up = [...map.columns[0]].slice(1), left = 52;
    const wide = (this.width - left - 10) / across.length, tall = (bottom - top) / up.length;
    const size = (ratio) => Math.log(Math.max(ratio, 1)), known = across.flatMap((column) => [...column].slice(1)).filter(Number.isFinite);
    const most = Math.max(...known.map(size), 1e-9), low = rgb(colours.zero), high = rgb(colours.improved);
    this.text(this.spec.x, left + (this.width - left - 10) / 2, this.height - 6, "center");
    pen.save();
    pen.translate(13, (top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    this.text(this.spec.y, 0, 0, "center");
    pen.restore();
    up.forEach((number, j) => this.text(format(number), left - 8, bottom - (j + 0.5) * tall + 4, "right"));
    across.forEach((column, i) => {
      this.text(format(column[0]), left + (i + 0.5) * wide, bottom + 15, "center");
      up.forEach((_, j) => {
        const ratio = column[j + 1], x = left + i * wide, y = bottom - (j + 1) * tall;
        if (!Number.isFinite(ratio)) {
          pen.setLineDash([3, 4]);
          pen.lineWidth = 1;
          pen.strokeStyle = this.faint;
          pen.strokeRect(x + 3, y + 3, wide - 6, tall - 6);
          pen.setLineDash([]);
          return;
        }
        const part = size(ratio) / most, shade = low.map((from, k) => Math.round(from + part * (high[k] - from)));
        pen.fillStyle = `rgb(${shade.join()})`;
        pen.fillRect(x + 1, y + 1, wide - 2, tall - 2);
        pen.font = `600 ${Math.max(12, Math.min(20, tall * 0.3, wide * 0.26))}px ${getComputedStyle(this.figure).fontFamily}`;
        const bright = 0.3 * shade[0] + 0.6 * shade[1] + 0.1 * shade[2] > 140;
        this.text(format(ratio, 3), x + wide / 2, y + tall / 2 + 6, "center", bright ? "#111111" : "#ffffff");
        pen.font = `12px ${getComputedStyle(this.figure).fontFamily}`;
        if (this.chosen?.[0] !== i || this.chosen?.[1] !== j) return;
        pen.lineWidth = 3;
        pen.strokeStyle = this.ink;
        pen.strokeRect(x + 2.5, y + 2.5, wide - 5, tall - 5);
      });
    });
  }

  // What stands where nothing can be drawn yet.
  empty() { return this.resting ? "no data yet" : "please wait …"; }

  nearest(x, y) {
    let best = null, distance = 20;
    (this.places || []).forEach(([px, py], i) => { const d = Math.hypot(px - x, py - y); if (d < distance) [best, distance] = [i, d]; });
    return best;
  }

  drawCurves() {
    const { pen, spec } = this, [x0, x1] = this.range("x"), [y0, y1] = this.range("y");
    const [right, top, bottom] = [this.width - MARGIN.right, MARGIN.top, this.height - MARGIN.bottom];
    const rows = ticks(y0, y1, spec.ylog, Math.max(3, (bottom - top) / 34));
    const left = Math.max(MARGIN.left, 32 + Math.max(0, ...rows.map(([, text]) => pen.measureText(text).width)));
    const scale = (low, high, from, to, log) => log
      ? (v) => from + ((Math.log(Math.max(v, 1e-300)) - Math.log(low)) / (Math.log(high) - Math.log(low))) * (to - from)
      : (v) => from + ((v - low) / (high - low)) * (to - from);
    const X = scale(x0, x1, left, right, spec.xlog), Y = scale(y0, y1, bottom, top, spec.ylog);
    pen.lineWidth = 1;
    for (const [value, text] of ticks(x0, x1, spec.xlog, Math.max(2, (right - left) / (spec.xinteger ? 30 : 52)), spec.xinteger)) {
      this.line(X(value), bottom, X(value), top, this.faint);
      this.text(text, Math.min(X(value), this.width - pen.measureText(text).width / 2), bottom + 15, "center");
    }
    for (const [value, text] of rows) {
      this.line(left, Y(value), right, Y(value), this.faint);
      this.text(text, left - 6, Y(value) + 4, "right");
    }
    pen.strokeStyle = this.ink;
    pen.strokeRect(left, top, right - left, bottom - top);
    this.text(spec.x, (left + right) / 2, this.height - 6, "center", this.ink, right - left + 24);
    pen.save();
    pen.translate(13, (top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    this.text(spec.y, 0, 0, "center", this.ink, bottom - top + 8);
    pen.restore();
    if (!this.series.length) this.text(this.empty(), (left + right) / 2, (top + bottom) / 2, "center");
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top);
    pen.clip();
    for (const series of this.series) this.drawSeries(series, X, Y, bottom);
    if (spec.ylog) this.markNegative(X, bottom);
    pen.restore();
    if (this.cursor !== null && this.series.length) this.hover(X, Y, top, bottom);
  }

  // Whether a point is compatible with 0: its error is larger than its value, or it lies above the line of no signal.
  hollow({ columns: [, ys, errors], marker }, i) {
    if (!marker || !this.spec.ylog) return false;
    return (errors !== undefined && marker === true && ys[i] < errors[i]) || (this.spec.signal > 0 && ys[i] > this.spec.signal);
  }

  // What is not positive has no place on a logarithmic axis: an open triangle at its foot says that it is there.
  markNegative(X, bottom) {
    for (const { columns: [xs, ys], colour } of this.series) xs.forEach((x, i) => {
      if (!(ys[i] <= 0)) return;
      this.pen.strokeStyle = this.colours[colour];
      this.pen.lineWidth = 1.5;
      this.pen.beginPath();
      this.pen.moveTo(X(x) - 5, bottom - 10);
      this.pen.lineTo(X(x) + 5, bottom - 10);
      this.pen.lineTo(X(x), bottom - 1);
      this.pen.closePath();
      this.pen.stroke();
    });
  }

  drawSeries(series, X, Y, bottom) {
    const { columns: [xs, ys, errors], colour, marker, dash, dashes, mark, bars, band, thin } = series;
    const { pen } = this, tint = this.colours[colour];
    Object.assign(pen, { strokeStyle: tint, fillStyle: tint, lineWidth: thin ? 1 : 2 });
    pen.setLineDash(dashes || (dash ? [6, 4] : []));
    if (bars) {
      const half = xs.length > 1 ? Math.max(1, (X(xs[1]) - X(xs[0])) * 0.45) : 6;
      pen.globalAlpha = 0.7;
      xs.forEach((x, i) => pen.fillRect(X(x) - half, Y(ys[i]), 2 * half, Y(0) - Y(ys[i])));
    } else if (band) {
      pen.globalAlpha = 0.3;
      pen.beginPath();
      xs.forEach((x, i) => pen.lineTo(X(x), Y(ys[i] + errors[i])));
      for (let i = xs.length - 1; i >= 0; i--) pen.lineTo(X(xs[i]), Y(ys[i] - errors[i]));
      pen.fill();
    } else if (!marker || marker === "line") {
      pen.globalAlpha = thin ? 0.45 : 1;
      pen.beginPath();
      let down = false;
      xs.forEach((x, i) => {
        if (!Number.isFinite(ys[i]) || (this.spec.ylog && !(ys[i] > 0))) { down = false; return; }
        if (down) pen.lineTo(X(x), Y(ys[i])); else pen.moveTo(X(x), Y(ys[i]));
        down = true;
      });
      pen.stroke();
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    if (mark && xs.length) this.text(mark, X(xs.at(-1)) - 3, Y(ys.at(-1)) - 5, "right", this.ink);
    if (!marker && (bars || band || xs.length > 1)) return;
    xs.forEach((x, i) => {
      if (!Number.isFinite(ys[i]) || (this.spec.ylog && !(ys[i] > 0))) return;
      if (errors && Number.isFinite(errors[i])) {
        pen.lineWidth = 1.5;
        const low = Number.isFinite(Y(ys[i] - errors[i])) && (!this.spec.ylog || ys[i] > errors[i]) ? Y(ys[i] - errors[i]) : bottom;
        this.line(X(x), low, X(x), Y(ys[i] + errors[i]), tint);
      }
      pen.beginPath();
      pen.arc(X(x), Y(ys[i]), 3.2, 0, 2 * Math.PI);
      if (this.hollow(series, i)) {
        pen.fillStyle = getComputedStyle(this.figure).getPropertyValue("--ncv-paper") || "#fff";
        pen.lineWidth = 1.5;
        pen.fill();
        pen.stroke();
        pen.fillStyle = tint;
      } else pen.fill();
    });
  }

  hover(X, Y, top, bottom) {
    const lines = [], heights = [];
    for (const { columns: [xs, ys, errors], name } of this.series) {
      let best = -1;
      xs.forEach((x, i) => { if (best < 0 || Math.abs(X(x) - this.cursor) < Math.abs(X(xs[best]) - this.cursor)) best = i; });
      if (best < 0 || Math.abs(X(xs[best]) - this.cursor) > 40) continue;
      if (!lines.length) { lines.push(`${this.spec.x} = ${format(xs[best])}`); this.line(X(xs[best]), top, X(xs[best]), bottom, this.ink); }
      lines.push(`${name}: ${errors ? withError(ys[best], errors[best]) : format(ys[best], 3)}`);
      heights.push(Y(ys[best]));
    }
    const above = Math.min(...heights) < (top + bottom) / 2; // then the box goes to the foot, and hides no curve
    if (lines.length) this.box(lines, this.cursor, above ? bottom - 17 * lines.length - 12 : top + 4);
  }

  box(lines, x, y = 14) {
    const { pen } = this, width = Math.max(...lines.map((line) => pen.measureText(line).width)) + 16;
    const left = Math.max(0, x + 12 + width > this.width ? Math.min(x - 12, this.width) - width : x + 12);
    pen.fillStyle = this.ink;
    pen.globalAlpha = 0.88;
    pen.beginPath();
    pen.roundRect(left, y, width, 17 * lines.length + 8, 5);
    pen.fill();
    pen.globalAlpha = 1;
    const paper = getComputedStyle(this.figure).getPropertyValue("--ncv-paper") || "#fff";
    lines.forEach((line, i) => this.text(line, left + 8, y + 17 + 17 * i, "left", paper));
  }

  line(x0, y0, x1, y1, colour) {
    this.pen.strokeStyle = colour;
    this.pen.beginPath();
    this.pen.moveTo(x0, y0);
    this.pen.lineTo(x1, y1);
    this.pen.stroke();
  }

  // A text that is wider than `most` is made narrower.
  text(text, x, y, align, colour = this.ink, most = undefined) {
    Object.assign(this.pen, { fillStyle: colour, textAlign: align });
    this.pen.fillText(text, x, y, most);
  }
}

function unpack(frame, data) {
  const numbers = new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)), found = {};
  for (const [key, [offset, rows, cols]] of Object.entries(frame)) {
    const row = (i) => numbers.subarray(offset + i * cols, offset + (i + 1) * cols);
    found[key] = { columns: Array.from({ length: rows }, (_, i) => row(i)) };
  }
  return found;
}

// How much room there is, in four steps; see plot_widget.css.
function room(width) {
  return width < 420 ? "one" : width < 600 ? "two" : width < 860 ? "narrow" : "wide";
}

// A code as a link where the panel is a page of its own, and as it is elsewhere.
function linkOf(code) {
  if (!document.body.dataset.voila) return code;
  history.replaceState(null, "", `#ncv=${code}`);
  return `${location.origin}${location.pathname}#ncv=${code}`;
}

// Names and values, changed in place, so that the pointer and the keyboard can rest on them while numbers change.
function listFacts(place, facts, formulas) {
  const names = Object.keys(facts), shown = [...place.children].map((pair) => pair.dataset.name);
  if (names.join() !== shown.join()) {
    place.replaceChildren();
    for (const name of names) {
      const pair = node("div", place);
      pair.dataset.name = name;
      node("span", pair, { textContent: name });
      node("span", pair);
      explain(pair, formulas[name]);
    }
  }
  names.forEach((name, i) => {
    const value = place.children[i].lastChild;
    if (value.textContent !== facts[name]) value.textContent = facts[name];
  });
}

// Both error bars drawn to scale, one below the other.
function drawBars(place, bars) {
  place.replaceChildren();
  const largest = Math.max(...bars.map((bar) => bar.error));
  for (const bar of bars) {
    const row = node("div", place, { className: "ncv-error-bar" });
    node("span", row, { textContent: bar.name });
    const track = node("span", row, { className: "ncv-track" });
    const line = node("span", track, { className: bar.kind });
    line.style.width = `${(100 * bar.error) / largest}%`;
    node("span", row, { textContent: bar.text });
  }
}

// What the browser keeps for the next visit; nothing, where it is not allowed to.
export const memory = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* then it is forgotten */ } },
};

// A formula that is shown while the pointer rests on an element, or the keyboard has come to it.
function explain(element, text) {
  if (!text || element.dataset.hint === text) return;
  Object.assign(element, { tabIndex: 0 }).dataset.hint = text;
  element.setAttribute("aria-description", text);
}

function hints(board) {
  const hint = node("div", board, { className: "ncv-hint", hidden: true });
  hint.setAttribute("role", "tooltip");
  const show = (event) => {
    const target = event.target.closest("[data-hint]");
    hint.hidden = !target;
    if (!target) return;
    hint.textContent = target.dataset.hint;
    const place = target.getBoundingClientRect(), whole = board.getBoundingClientRect();
    hint.style.top = `${place.bottom - whole.top + 4}px`;
    hint.style.left = `${Math.max(0, Math.min(place.left - whole.left, whole.width - hint.offsetWidth))}px`;
  };
  for (const name of ["pointerover", "focusin"]) board.addEventListener(name, show);
  for (const name of ["pointerleave", "focusout"]) board.addEventListener(name, () => { hint.hidden = true; });
}

const SIZES = [1, 1.2, 1.45];
const CORNERS = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"/></svg>';

// Buttons of the board: the tour, a link, opening, the size of the text, full screen.
export class Tools {
  constructor(parent, board, model, redraw) {
    Object.assign(this, { board, model, redraw });
    this.place = node("div", parent, { className: "ncv-tools" });
    this.place.setAttribute("role", "toolbar");
    const known = model.get("tools");
    if (known.includes("tour")) {
      this.tour = this.button("", "Six stations that show what is what", () => this.begin());
      this.tour.classList.add("ncv-enter");
    }
    if (known.includes("link")) this.button("Link", "Copy a link that opens this state and this number", () => model.send({ link: true }));
    if (known.includes("open")) {
      this.dialog();
      this.button("Open…", "Open a link, a saved state, or your own configurations", () => this.opened.showModal());
    }
    const text = this.button("A+", "Larger text, for a projector", () => this.enlarge());
    text.setAttribute("aria-label", text.title);
    this.button("", "Full screen", () => this.fill()).innerHTML = CORNERS;
    this.label();
  }

  button(name, tip, act) {
    const made = node("button", this.place, { type: "button", textContent: name, title: tip });
    made.addEventListener("click", act);
    return made;
  }

  get panel() { return this.board.closest(".ncv-panel") || this.board; }

  begin() {
    const kept = Number(memory.get("ncv-tour"));
    this.model.send({ tour: String(Number.isInteger(kept) ? kept : 0) });
  }

  label() {
    if (!this.tour) return;
    const kept = memory.get("ncv-tour");
    const words = { done: "Tour", null: "New here? Take the tour" };
    this.tour.textContent = words[kept] || `Go on with the tour (${Number(kept) + 1})`;
    this.tour.classList.toggle("ncv-first", kept === null);
  }

  size() {
    if (this.scale === undefined) this.scale = SIZES.find((size) => String(size) === memory.get("ncv-text")) || 1;
    this.panel.style.setProperty("--ncv-text", this.scale); // at every drawing, so that nothing that happens to the panel resets it
    return this.scale;
  }

  enlarge() {
    this.scale = SIZES[(SIZES.indexOf(this.scale) + 1) % SIZES.length];
    memory.set("ncv-text", this.scale);
    this.size();
    this.redraw();
  }

  fill() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.panel.requestFullscreen?.();
  }

  dialog() {
    this.opened = node("dialog", this.board, { className: "ncv-dialog" });
    this.opened.setAttribute("aria-label", "Open");
    const form = node("form", this.opened, { method: "dialog" });
    const text = node("label", form, { textContent: "A link or a code that somebody gave you" });
    const field = node("input", text, { type: "text", spellcheck: false });
    const choose = node("label", form, {
      textContent: "Or a file: a JSON file of this panel; or your own configurations, as Ensemble.save (.h5) or numpy.save (.npy) writes them",
    });
    const file = node("input", choose, { type: "file", accept: ".json,.h5,.hdf5,.npy" });
    const row = node("div", form, { className: "ncv-tools" });
    const open = node("button", row, { type: "submit", textContent: "Open" });
    node("button", row, { type: "button", textContent: "Cancel" }).addEventListener("click", () => this.opened.close());
    form.addEventListener("submit", () => {
      if (file.files.length) this.send(file.files[0]);
      else this.model.send({ open: field.value });
      field.value = file.value = "";
    });
    file.addEventListener("change", () => open.focus());
  }

  async send(file) {
    const size = 4_000_000, n = Math.max(1, Math.ceil(file.size / size));
    for (let i = 0; i < n; i++) {
      const part = await file.slice(i * size, (i + 1) * size).arrayBuffer();
      this.model.send({ file: file.name, last: i === n - 1 }, undefined, [new DataView(part)]);
    }
  }
}

// The station of the tour: what it says, its question and answer, and the frame around the part that it is about.
class Tour {
  constructor(board, model, tools) {
    Object.assign(this, { board, model, tools });
    this.card = node("section", board, { className: "ncv-tour", hidden: true, tabIndex: -1 });
    this.card.setAttribute("aria-label", "tour");
    this.card.setAttribute("aria-live", "polite");
    this.title = node("strong", this.card);
    this.text = node("p", this.card);
    this.question = node("p", this.card, { className: "ncv-question" });
    this.answer = node("p", this.card, { className: "ncv-answer" });
    const row = node("div", this.card, { className: "ncv-tools" });
    const step = (name, word) => {
      const button = node("button", row, { type: "button", textContent: name });
      button.addEventListener("click", () => model.send({ tour: word }));
      return button;
    };
    step("Back", "back");
    this.next = step("Next", "next");
    this.next.classList.add("ncv-first");
    step("Skip the tour", "skip");
    node("span", row, { className: "ncv-keys", textContent: "keys: ← → and Esc" });
    this.keys = (event) => this.press(event);
    document.addEventListener("keydown", this.keys, true);
  }

  press(event) {
    const word = { ArrowRight: "next", ArrowLeft: "back", Escape: "skip" }[event.key];
    const elsewhere = event.target.closest?.("input, select, textarea, canvas, dialog, [contenteditable=true]");
    if (!word || this.card.hidden || elsewhere || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.model.send({ tour: word });
  }

  show() {
    const now = this.model.get("tour"), open = now.title !== undefined, begins = open && this.card.hidden;
    if (open) memory.set("ncv-tour", now.number);
    else if (!this.card.hidden) memory.set("ncv-tour", "done");
    this.card.hidden = !open;
    this.board.classList.toggle("ncv-touring", open);
    this.tools.label();
    for (const lit of this.tools.panel.querySelectorAll(".ncv-lit")) lit.classList.remove("ncv-lit");
    if (!open) return;
    this.title.textContent = `${now.number + 1} of ${now.of}: ${now.title}`;
    this.text.textContent = now.text;
    this.question.textContent = now.question;
    this.answer.textContent = now.answer; // it has its room before it is shown, so that nothing jumps
    this.answer.style.visibility = now.answered ? "visible" : "hidden";
    this.next.textContent = !now.answered ? "Show the answer" : now.number + 1 < now.of ? "Next" : "Finish";
    const part = [...this.tools.panel.querySelectorAll("[data-name]")].find((other) => other.dataset.name === now.part);
    part?.classList.add("ncv-lit");
    part?.scrollIntoView({ block: "nearest" });
    if (begins) this.card.focus({ preventScroll: true });
  }

  remove() { document.removeEventListener("keydown", this.keys, true); }
}

function render({ model, el }) {
  const board = node("div", el, { className: "ncv-board" });
  const top = node("div", board, { className: "ncv-top" });
  node("p", top, { className: "ncv-intro", textContent: model.get("intro") });
  const tools = new Tools(top, board, model, () => redraw());
  const tour = new Tour(board, model, tools);
  const alert = node("div", board, { className: "ncv-error", hidden: true });
  alert.setAttribute("role", "alert");
  const pins = node("div", board, { className: "ncv-pins" });
  const grid = node("div", board, { className: "ncv-grid" });
  const card = node("section", grid, { className: "ncv-card" });
  card.setAttribute("aria-label", "result");
  card.dataset.name = "result";
  const head = node("div", card, { className: "ncv-part" }), meaning = node("div", card, { className: "ncv-part ncv-meaning" });
  const more = node("div", card, { className: "ncv-part ncv-more" });
  const caption = node("div", head, { className: "ncv-caption" });
  const large = node("div", head, { className: "ncv-large" });
  const number = node("span", large, { className: "ncv-number" }), plusminus = node("span", large, { className: "ncv-plusminus" });
  const claim = node("div", meaning, { className: "ncv-claim" }), bars = node("div", meaning, { className: "ncv-bars" });
  const note = node("div", meaning, { className: "ncv-note" });
  const facts = node("div", more, { className: "ncv-facts" });
  const status = node("div", more, { className: "ncv-status" });
  status.setAttribute("role", "status");
  const bar = node("div", node("div", more, { className: "ncv-bar" }));
  hints(board);
  let plots = [], data = {}, waiting = false, frames = 0, updates = 0;

  function draw() {
    waiting = false;
    const style = getComputedStyle(board), dark = isDark(board), scale = tools.size();
    tools.panel.classList.toggle("ncv-dark", dark);
    board.classList.toggle("ncv-dark", dark);
    board.dataset.room = room(board.clientWidth / scale);
    const colours = palette(style);
    for (const plot of plots) plot.draw(data, colours, dark, style, scale);
    board.dataset.frames = ++frames;
  }
  function redraw() {
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }
  function layOut() {
    for (const plot of plots) plot.figure.remove();
    card.style.setProperty("--span", model.get("card_span"));
    card.style.setProperty("--narrow", Math.max(model.get("card_span"), 6));
    grid.classList.toggle("ncv-strip", model.get("card_span") === 12);
    plots = model.get("plots").map((spec) => new Plot(spec, grid, redraw, pick));
    redraw();
  }
  function take() {
    data = unpack(model.get("frame"), model.get("data"));
    board.dataset.updates = ++updates;
    redraw();
  }
  function say() {
    const now = model.get("readout");
    caption.textContent = now.caption || "";
    number.textContent = now.number || "";
    plusminus.textContent = now.plusminus || "";
    note.textContent = now.note || "";
    drawBars(bars, now.bars || []);
    claim.textContent = now.claim || "";
    listFacts(facts, now.facts || {}, model.get("formulas"));
    if (status.textContent !== now.status) status.textContent = now.status || "";
    bar.style.width = `${100 * (now.progress || 0)}%`;
    board.dataset.stage = now.stage || "";
    board.dataset.waiting = !RESTING.includes(now.stage) && !now.progress && now.number === "–";
    for (const plot of plots) Object.assign(plot, { names: now.names, chosen: now.chosen, pins: now.pins, resting: RESTING.includes(now.stage) });
    showPins(now.pins || []);
    alert.textContent = now.error || "";
    alert.hidden = !now.error;
    redraw();
  }
  // One button for each pinned curve, which takes it away.
  function showPins(names) {
    if (pins.dataset.names === names.join("\n")) return;
    pins.dataset.names = names.join("\n");
    pins.replaceChildren();
    names.forEach((name, k) => {
      const chip = node("button", pins, { textContent: `${MARKS[k]} ${name} ✕`, title: "take this pinned curve away" });
      chip.addEventListener("click", () => model.send({ unpin: k }));
    });
    redraw();
  }
  function copy(text) {
    const byHand = () => {
      const area = node("textarea", board, { value: text });
      area.select();
      document.execCommand("copy");
      area.remove();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).catch(byHand);
    else byHand();
  }
  const showTour = () => tour.show();
  const fragment = () => (model.get("tools").includes("open") && location.hash.startsWith("#ncv=") ? location.hash : "");
  const follow = () => { if (fragment()) model.send({ open: fragment() }); };
  function pick(point) {
    if (point !== null) model.send({ point });
  }
  function hear(message, buffers) {
    if (message.copy !== undefined) copy(message.copy);
    else if (message.link !== undefined) copy(linkOf(message.link));
    else save(message, buffers);
  }
  function save(message, buffers) {
    const link = node("a", el, { href: URL.createObjectURL(new Blob(buffers, { type: message.type })), download: message.name });
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  // While a panel works, its page says that it is still there; without a sign for long, the work pauses.
  const alive = () => { if (!RESTING.includes(board.dataset.stage)) model.send({ alive: true }); };
  const pulse = setInterval(alive, 5000);
  document.addEventListener("visibilitychange", alive);
  const size = new ResizeObserver(redraw), theme = new MutationObserver(redraw);
  size.observe(board);
  theme.observe(document.body, { attributes: true });
  model.on("change:plots", layOut);
  model.on("change:data", take);
  model.on("change:readout", say);
  model.on("change:tour", showTour);
  window.addEventListener("hashchange", follow);
  model.on("msg:custom", hear);
  for (const [element, name] of [[large, "number"], [claim, "claim"], [bars, "bars"]]) explain(element, model.get("formulas")[name]);
  layOut();
  take();
  say();
  tour.show();
  model.send({ shown: true, fragment: fragment() });
  return () => {
    clearInterval(pulse);
    document.removeEventListener("visibilitychange", alive);
    size.disconnect();
    theme.disconnect();
    tour.remove();
    window.removeEventListener("hashchange", follow);
    model.off("msg:custom", hear);
    model.off("change:tour", showTour);
  };
}

export default { render };
