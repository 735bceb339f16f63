// One control of a panel: a row with its name, a slider or a list, and a field with the value; an explanation below it.

let count = 0;

const node = (tag, parent, options = {}) => parent.appendChild(Object.assign(document.createElement(tag), options));

function isDark(element) {
  const [r, g, b] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
  return 0.3 * r + 0.6 * g + 0.1 * b > 128; // light text stands on a dark ground
}

// What was typed, as a number if it is one; else as it is, so that Python can say what is wrong with it.
export function read(text) {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}

export function shown(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(10))) : String(value);
}

// The numbers that a slider moves over, by their place.
function scale(model) {
  const options = model.get("options"), low = model.get("min"), step = model.get("step");
  if (options.length) return { last: options.length - 1, at: (i) => options[i], place: (value) => nearest(options, value) };
  const round = (value) => Number(value.toPrecision(12));
  return {
    last: Math.round((model.get("max") - low) / step),
    at: (i) => round(low + i * step),
    place: (value) => Math.round((value - low) / step),
  };
}

function nearest(options, value) {
  let best = 0;
  options.forEach((option, i) => { if (Math.abs(option - value) < Math.abs(options[best] - value)) best = i; });
  return best;
}

function slider(row, name, take) {
  const range = node("input", row, { type: "range", min: 0, step: 1 });
  range.setAttribute("aria-label", name);
  range.addEventListener("input", () => take(Number(range.value)));
  return range;
}

function place(range, numbers, value) {
  range.max = numbers.last;
  if (typeof value === "number") range.value = numbers.place(value);
  range.setAttribute("aria-valuetext", shown(value));
}

// Each kind fills the row and returns a function that shows the value of the model.
const KINDS = {
  slider(model, row, set) {
    const name = model.get("name");
    const range = slider(row, name, (i) => set(scale(model).at(i)));
    const field = node("input", row, { type: "text", spellcheck: false });
    field.setAttribute("aria-label", `${name}, as a number`);
    field.addEventListener("change", () => set(read(field.value)));
    return () => {
      place(range, scale(model), model.get("value"));
      field.value = shown(model.get("value"));
    };
  },
  range(model, row, set) {
    const name = model.get("name"), both = node("span", row, { className: "ncv-both" });
    const text = node("span", row);
    const first = slider(both, `${name}, first`, (i) => move(0, i)), last = slider(both, `${name}, last`, (i) => move(1, i));
    const move = (which, i) => {
      const value = [...model.get("value")];
      value[which] = scale(model).at(i);
      set(value);
    };
    return () => {
      const value = model.get("value");
      place(first, scale(model), value[0]);
      place(last, scale(model), value[1]);
      text.textContent = value.map(shown).join(" to ");
    };
  },
  text(model, row, set) {
    const field = node("input", row, { type: "text", className: "ncv-wide", spellcheck: false });
    field.setAttribute("aria-label", model.get("name"));
    field.addEventListener("change", () => set(read(field.value)));
    const list = node("datalist", row, { id: `ncv-list-${++count}` });
    if (model.get("options").length) field.setAttribute("list", list.id);
    for (const option of model.get("options")) node("option", list, { value: option });
    return () => { field.value = shown(model.get("value")); };
  },
  choice(model, row, set) {
    const list = node("select", row, { className: "ncv-wide" });
    list.setAttribute("aria-label", model.get("name"));
    const sentences = model.get("sentences"), labels = model.get("labels") || {};
    for (const option of model.get("options")) node("option", list, { value: option, textContent: labels[option] || option, title: sentences[option] || "" });
    list.addEventListener("change", () => set(list.value));
    const see = node("span", row, { className: "ncv-see" });
    see.setAttribute("aria-live", "polite");
    return () => {
      list.value = model.get("value");
      see.textContent = sentences[list.value] || "";
    };
  },
  tick(model, row, set) {
    const box = node("input", row, { type: "checkbox" });
    box.setAttribute("aria-label", model.get("name"));
    box.addEventListener("change", () => set(box.checked));
    return () => { box.checked = model.get("value"); };
  },
};

function render({ model, el }) {
  const control = node("div", el, { className: "ncv-control" });
  control.dataset.name = model.get("name");
  const row = node("div", control, { className: "ncv-row" });
  const label = node("label", row, { textContent: model.get("label") || model.get("name") });
  const set = (value) => { model.set("value", value); model.save_changes(); show(); };
  const show = KINDS[model.get("kind")](model, row, set);
  const tip = node("div", control, { className: "ncv-tip", id: `ncv-tip-${++count}`, textContent: model.get("explanation") });
  tip.setAttribute("role", "tooltip");
  for (const input of row.querySelectorAll("input, select")) {
    input.setAttribute("aria-describedby", tip.id);
    input.id ||= `ncv-input-${++count}`;
  }
  label.htmlFor = row.querySelector("input, select").id;
  const able = () => {
    control.dataset.disabled = model.get("disabled");
    for (const input of row.querySelectorAll("input, select")) input.disabled = model.get("disabled");
  };
  const tint = () => control.classList.toggle("ncv-dark", isDark(row));
  const theme = new MutationObserver(tint);
  theme.observe(document.body, { attributes: true });
  for (const name of ["value", "options", "min", "max"]) model.on(`change:${name}`, show);
  model.on("change:disabled", able);
  show();
  able();
  requestAnimationFrame(tint);
  return () => theme.disconnect();
}

export default { render };
