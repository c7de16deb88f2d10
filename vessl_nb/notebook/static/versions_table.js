// The versions table in the browser: it draws the page that Python made, and asks Python for everything else.

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const SHOWN = { current: "Not archived", archived: "Archived", all: "All" };
const BELOW = ", below the table.";
const PATIENCE = 1500;  // milliseconds before a silent kernel is spoken of

function ago(moment) {
  const seconds = (new Date(moment) - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  return unit ? RELATIVE.format(Math.trunc(seconds / length), unit) : "just now";
}

function sparkline({ line, said }) {
  const points = line.map((y, x) => `${((x * 68) / (line.length - 1) + 2).toFixed(1)},${(15 - y * 0.13).toFixed(1)}`);
  const image = h("span", { class: "vt-line", role: "img", "aria-label": said, title: said });
  image.innerHTML = `<svg viewBox="0 0 72 17" width="72" height="17" aria-hidden="true"><polyline points="${
    points.join(" ")}"/><circle cx="${points.at(-1).split(",")[0]}" cy="${points.at(-1).split(",")[1]}" r="2"/></svg>`;
  return image;
}

const dim = (text) => h("span", { class: "vt-dim" }, text);

// Where a name is long its end tells versions apart.
const nameOf = ({ key, revision }) => (key.length > 60 ? `…${key.slice(-60)}` : key) + revision;

const CELLS = {
  version: (row) => [nameOf(row), row.notes.map((note) => h("span", { class: "vt-note" }, note)),
    row.about ? h("small", { class: "vt-about", title: row.about }, row.about) : ""],
  aliases: (row) => [row.aliases.map((alias) => h("span", { class: "vt-chip" }, alias)), row.hidden ? dim(`+${row.hidden}`) : ""],
  created: (row) => h("time", { datetime: row.created, title: row.created.replace("T", " ").replace("Z", " UTC") },
    ago(row.created)),
  runner: (row) => row.runner || dim("not servable"),
  check: (row) => row.check ? h("span", { class: `vt-${row.check}` }, row.check) : dim(row.runner ? "not checked" : ""),
  more: (row) => row.more,
  size: (row) => [row.size, h("small", {}, row.added)],
  requirements: (row) => row.needs || dim("none"),
};

// What JupyterLab and Notebook 7 give a widget of the notebook it stands in; VS Code and others give nothing like it.
const notebookOf = (model) => model.widget_manager?.context?.model?.sharedModel;

function insertBelow(model, source) {
  const notebook = notebookOf(model);
  const id = model.get("standing");
  const holds = (cell) => cell.cell_type === "code" && JSON.stringify(cell.toJSON().outputs).includes(id);
  const place = notebook.cells.findIndex(holds);
  if (place < 0) return false;
  notebook.insertCell(place + 1, { cell_type: "code", source });
  return true;
}

function render({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  const id = (name) => `vt-${view}-${name}`;
  let current = null;  // the key of the row that arrow keys move from
  let panel = { keys: [] };
  let waiting = null;
  let typing = null;
  let position = "first";  // where the focus goes when another page comes

  const search = h("input", { type: "search", placeholder: "Search, or accuracy>0.9", "aria-label": "Search versions",
    title: "Words, and comparisons with tags and fields: champion, accuracy>0.9, runner=Iris, size>10MB, created>=2026-11",
    oninput: () => { clearTimeout(typing); typing = setTimeout(() => ask({ search: search.value, page: 0 }), 120); } });
  const show = h("select", { "aria-label": "Which versions", onchange: () => ask({ show: show.value, page: 0 }) },
    Object.entries(SHOWN).map(([value, label]) => h("option", { value }, label)));
  const counted = h("span", { class: "vt-counted", role: "status" });
  const title = h("strong", { id: id("title") });
  const head = h("tr");
  const body = h("tbody", { onkeydown: onRowKey });
  const table = h("table", { role: "grid", "aria-labelledby": id("title"), "aria-multiselectable": "true" },
    h("thead", {}, head), body);
  const empty = h("p", { class: "vt-empty" });
  const before = button("Previous", () => ask({ page: model.get("page").page - 1 }), "Previous page");
  const after = button("Next", () => ask({ page: model.get("page").page + 1 }), "Next page");
  const place = h("span", { class: "vt-counted" });
  const size = h("select", { "aria-label": "Rows on a page", onchange: () => ask({ size: +size.value, page: 0 }) });
  const said = h("div", { class: "vt-said", role: "status" });
  const detail = h("section", { class: "vt-panel", tabindex: "-1", hidden: true });
  const root = h("div", { class: "vessl-versions", "data-lm-suppress-shortcuts": "true", hidden: true, onkeydown: onKey },
    h("div", { class: "vt-bar" }, title, counted, h("div", { class: "vt-find" }, search, show)),
    h("div", { class: "vt-scroll" }, table), empty,
    h("div", { class: "vt-bar vt-pages" }, before, place, after, h("label", {}, size, " rows"),
      h("span", { class: "vt-help" }, "Arrow keys move, Enter opens, Space selects a second to compare, Escape closes.")),
    said, detail);
  el.append(root);

  function button(label, onclick, name) {
    return h("button", { type: "button", onclick, "aria-label": name }, label);
  }

  function ask(what) {
    send({ do: "query", ...what });
  }

  function send(message) {
    if (isGone(model)) return leave();
    tell(message);
    root.setAttribute("aria-busy", "true");
    waiting ??= setTimeout(() => speak("The kernel is busy. This is done as soon as it is free."), PATIENCE);
  }

  function arrive() {
    clearTimeout(waiting);
    waiting = null;
    root.removeAttribute("aria-busy");
    if (!root.hidden) return;
    // Only a kernel that answers is live; until then, and in a saved page, the static table stands.
    root.hidden = false;
    el.classList.add("vnb-live");
  }

  function speak(text, { undo, failed } = {}) {
    const words = h("span", { class: failed ? "vt-failed" : "" }, text);
    said.replaceChildren(words, ...(undo ? [button("Undo", () => send({ do: "unarchive", key: undo }))] : []));
  }

  function select(keys) {
    send({ do: "select", keys });
  }

  function toggle(key) {
    const { selected } = model.get("page");
    select(selected.includes(key) ? selected.filter((other) => other !== key) : [...selected, key]);
  }

  function focusRow(row) {
    if (!row) return;
    for (const other of body.rows) other.tabIndex = other === row ? 0 : -1;
    current = row.dataset.key;
    row.focus();
  }

  function turn(step) {
    const { page, pages } = model.get("page");
    if (page + step < 0 || page + step >= pages) return;
    position = step > 0 ? "first" : "last";
    current = null;
    ask({ page: page + step });
  }

  function onRowKey(event) {
    const row = event.target;
    if (row.parentElement !== body) return;  // in a cell, its own keys hold
    const moves = {
      ArrowDown: () => row.nextElementSibling ? focusRow(row.nextElementSibling) : turn(1),
      ArrowUp: () => row.previousElementSibling ? focusRow(row.previousElementSibling) : turn(-1),
      Home: () => focusRow(body.rows[0]),
      End: () => focusRow(body.rows[body.rows.length - 1]),
      PageDown: () => turn(1),
      PageUp: () => turn(-1),
      Enter: () => select([row.dataset.key]),
      " ": () => toggle(row.dataset.key),
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moves[event.key]();
  }

  function onKey(event) {
    event.stopPropagation();  // the notebook has commands of its own for most keys
    if (event.key !== "Escape" || !model.get("page").selected.length) return;
    event.preventDefault();
    if (detail.contains(document.activeElement)) focusRow([...body.rows].find((row) => row.dataset.key === current));
    select([]);
  }

  function choice({ label, choices }) {
    const list = h("select", { class: "vt-more", "aria-label": `${label}: choose one to show and sort by`,
      onchange: () => ask({ sort: `tags.${list.value}`, descending: true, page: 0 }) },
      h("option", { value: "", disabled: true, selected: true }, label), choices.map((name) => h("option", { value: name }, name)));
    return list;
  }

  function drawHead({ columns, sort, descending }) {
    const cells = columns.map((column) => {
      const sorted = column.key === sort;
      const label = [column.label, h("span", { class: "vt-arrow", "aria-hidden": "true" }, sorted ? descending ? "↓" : "↑" : "")];
      const control = column.choices ? choice(column) : column.sorts
        ? h("button", { type: "button", "data-sort": column.key, title: `Sort by ${column.label}`, onclick: () => ask({
            sort: column.key, page: 0, descending: sorted ? !descending : column.key !== "runner" && column.key !== "aliases",
          }) }, label)
        : h("span", { class: "vt-label" }, label);
      return h("th", { scope: "col", class: column.number ? "vt-number" : "",
        "aria-sort": column.sorts ? sorted ? descending ? "descending" : "ascending" : "none" : null },
        control, column.line ? sparkline(column) : null);
    });
    const focused = head.contains(document.activeElement) && document.activeElement.dataset.sort;
    head.replaceChildren(h("th", { scope: "col", class: "vt-pick" }, h("span", { class: "vt-hidden" }, "Selected")), ...cells);
    if (focused) head.querySelector(`[data-sort="${CSS.escape(focused)}"]`)?.focus();
  }

  function drawRow(row, { columns, selected, page, size }, index) {
    const isSelected = selected.includes(row.key);
    const pick = h("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${nameOf(row)}`, onchange: () => toggle(row.key) });
    pick.checked = isSelected;
    const tags = [...row.tags];  // in the order of their columns
    const cells = columns.map((column, at) => {
      const content = CELLS[column.key] ? CELLS[column.key](row) : tags.shift();
      return h(at ? "td" : "th", { scope: at ? null : "row", class: column.number ? "vt-number" : "" }, content);
    });
    return h("tr", { "data-key": row.key, tabindex: "-1", "aria-selected": `${isSelected}`, "aria-rowindex": page * size + index + 2,
      class: row.notes.includes("archived") ? "vt-archived" : "", onclick: (event) => onClick(event, row.key) }, h("td", { class: "vt-pick" }, pick), cells);
  }

  function onClick(event, key) {
    if (event.target.closest("input, details, a") || String(getSelection())) return;
    current = key;
    if (event.ctrlKey || event.metaKey || event.shiftKey) toggle(key);
    else select([key]);
  }

  function draw() {
    const page = model.get("page");
    title.textContent = page.title;
    if (counted.textContent !== page.counted) counted.textContent = page.counted;
    if (document.activeElement !== search) search.value = page.search;
    show.value = page.show;
    size.replaceChildren(...page.sizes.map((value) => h("option", { value, selected: value === page.size }, `${value}`)));
    place.textContent = `Page ${(page.page + 1).toLocaleString("en")} of ${page.pages.toLocaleString("en")}`;
    before.disabled = page.page === 0;
    after.disabled = page.page + 1 >= page.pages;
    drawHead(page);
    const focused = body.contains(document.activeElement);
    body.replaceChildren(...page.rows.map((row, index) => drawRow(row, page, index)));
    empty.textContent = page.empty;
    const rows = [...body.rows];
    const row = rows.find((row) => row.dataset.key === current) ?? (position === "last" ? rows.at(-1) : rows[0]);
    position = "first";
    if (row) row.tabIndex = 0;
    if (focused) focusRow(row);
  }

  function actions({ keys: [key], title, code, archived }) {
    const alias = h("input", { type: "text", size: "18", "aria-label": `Alias to point at ${title}`, placeholder: "alias, such as champion", required: true });
    const copies = (text) => async () => speak(await copy(text) ? `Copied: ${text}` : `Copy it from here: ${text}`);
    const inserts = () => insertBelow(model, code) ? speak("Inserted a cell below this one that loads it.") : copies(code)();
    return h("div", { class: "vt-bar" },
      button("Copy reference", copies(title)),
      notebookOf(model) ? button("Insert code that loads it", inserts) : button("Copy code that loads it", copies(code)),
      h("form", { onsubmit: (event) => {
        event.preventDefault();
        send({ do: "alias", key, alias: alias.value.trim() });
        alias.value = "";
      } }, alias, h("button", { type: "submit" }, "Set alias")),
      archived ? button("Take back from the archive", () => send({ do: "unarchive", key }))
        : button("Archive", () => send({ do: "archive", key })));
  }

  function open(message) {
    const isSame = message.keys.join() === panel.keys.join() && message.archived === panel.archived && !detail.hidden;
    panel = message;
    detail.hidden = !panel.keys.length;
    if (detail.hidden) {
      if (said.textContent.endsWith(BELOW)) speak("");
      return detail.replaceChildren();
    }
    const what = panel.keys.length > 1 ? "Comparison of" : "Details of";
    detail.setAttribute("aria-label", `${what} ${panel.title}`);
    const content = h("div", { class: "vt-content" }, panel.error ? h("p", { class: "vt-failed" }, panel.error) : null);
    if (panel.html) content.innerHTML = panel.html;  // made by vessl_nb's faces, which escape what users wrote
    if (isSame) return detail.lastElementChild.replaceWith(content);
    detail.replaceChildren(...(panel.code ? [actions(panel)] : []),
      h("div", { class: "vt-close" }, button("Close", () => select([]), "Close details")), content);
    speak(`${what} ${panel.title}${BELOW}`);
  }

  function onMessage(message) {
    arrive();
    if (message.panel) open(message.panel);
  }

  function onSaid() {
    const { text, ...more } = model.get("said");
    if (text) speak(text, more);
  }

  function leave() {
    root.hidden = true;
    el.classList.remove("vnb-live");
  }

  function greet() {
    leave();
    tell({ do: "hello", view });
  }

  function tell(message) {
    try {
      model.send(message);
    } catch {  // its kernel is gone: there is nobody to tell
    }
  }

  model.on("change:page", draw);
  model.on("change:said", onSaid);
  model.on("msg:custom", onMessage);
  model.on("comm_live_update", greet);  // a kernel that was started anew does not answer
  const clock = setInterval(() => { for (const time of body.querySelectorAll("time")) time.textContent = ago(time.dateTime); }, 30000);
  const stay = () => {
    if (isGone(model)) leave();
    else if (!root.hidden && !isBusy(model)) tell({ do: "hello", view });
  };
  const renewal = setInterval(stay, RENEWAL);
  document.addEventListener("visibilitychange", stay);  // a page out of sight has slow clocks
  draw();
  greet();
  return () => {
    clearInterval(clock);
    clearInterval(renewal);
    document.removeEventListener("visibilitychange", stay);
    clearTimeout(waiting);
    tell({ do: "bye", view });
  };
}

export default { render };
