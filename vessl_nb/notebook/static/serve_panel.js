// A server's panel in the browser: it draws what Python says, and asks Python for everything; it asks the server nothing.

const MOST_SENT = 8_000_000;  // bytes of a file: what a notebook's own server lets through in one message is not much more
const PATIENCE = 1500;  // milliseconds before a silent kernel is spoken of

// Where the page knows what stands before the path, and Python does not.
function addressOf(path) {
  if (!path || /^https?:/.test(path)) return path;
  if (path.startsWith("/")) return location.origin + path;
  const base = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}").baseUrl;
  return base ? new URL(base + path, location.origin).href : "";
}

function lineOf({ line, said }) {
  const runs = [[]];
  line.forEach((y, x) => y == null ? runs.push([]) : runs.at(-1).push([(x * 2 + 1), (22 - y * 0.2).toFixed(1)]));
  const drawn = runs.filter((run) => run.length).map((run) => run.length > 1
    ? `<polyline points="${run.map((point) => point.join(",")).join(" ")}"/>`
    : `<circle cx="${run[0][0]}" cy="${run[0][1]}" r="1.5"/>`);
  const image = h("span", { class: "vs-line", role: "img", "aria-label": said, title: said });
  image.innerHTML = `<svg viewBox="0 0 120 24" width="120" height="24" aria-hidden="true">${drawn.join("")}</svg>`;
  return image;
}

function render({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  const id = (name) => `vs-${view}-${name}`;
  let waiting = null;
  let revealed = null;  // the calls with the token, as long as they are asked for
  let address = "";  // of the file that the last answer was
  let isInSight = true;
  let filled = null;  // the example that stands in the form, and whose it is

  const title = h("strong", { id: id("title") });
  const state = h("span", { class: "vs-state", role: "status" });
  const power = button("Stop", () => send({ do: model.get("shown").state === "answers" ? "stop" : "start" }));
  const facts = h("dl", { class: "vs-facts" });
  const which = h("select", { "aria-label": "Example to fill in", onchange: () => fill(+which.value) });
  const takes = h("p", { class: "vs-dim", id: id("takes") });
  const body = h("textarea", { rows: "7", spellcheck: "false", id: id("body"), "aria-describedby": id("takes") });
  const file = h("input", { type: "file", id: id("file") });
  const asFile = h("input", { type: "radio", name: id("how"), value: "file", onchange: drawHow });
  const asJson = h("input", { type: "radio", name: id("how"), value: "json", onchange: drawHow });
  const how = h("fieldset", {}, h("legend", {}, "Send"), h("label", {}, asFile, "a file"), h("label", {}, asJson, "JSON"));
  const jsonEntry = h("div", {}, h("div", { class: "vs-bar" }, h("label", { for: id("body") }, "JSON to send"), which), body);
  const fileEntry = h("div", {}, h("label", { for: id("file") }, "File to send"), file);
  const submit = h("button", { type: "submit" }, "Send");
  const answer = h("div", { class: "vs-answer", role: "status" });
  const form = h("form", { class: "vs-try", "aria-label": "Try it", onsubmit: (event) => { event.preventDefault(); ask(); } },
    h("h4", {}, "Try it"), takes, how, jsonEntry, fileEntry, h("div", { class: "vs-bar" }, submit), answer);
  const calls = h("div", { class: "vs-calls" });
  const rows = h("tbody");
  const numbers = h("table", { class: "vs-numbers", hidden: true },
    h("caption", {}, "The last minute"), rows);
  const logText = h("pre", { tabindex: "0", "aria-label": "The last lines of the log" });
  const log = h("details", { class: "vs-log", ontoggle: () => send({ do: "log", open: log.open, view }) },
    h("summary", {}, "Log"), logText);
  const said = h("div", { class: "vs-said", role: "status" });
  const root = h("section", { class: "vessl-serve", "data-lm-suppress-shortcuts": "true", hidden: true, "aria-labelledby": id("title"),
      onkeydown: (event) => event.stopPropagation() },  // the notebook has commands of its own for most keys
    h("div", { class: "vs-bar vs-head" }, title, state, power), facts,
    h("div", { class: "vs-sides" }, form, calls), numbers, log, said);
  el.append(root);

  function button(label, onclick, name) {
    return h("button", { type: "button", onclick, "aria-label": name }, label);
  }

  function tell(message, buffers) {
    try {
      model.send(message, undefined, buffers);
    } catch {  // its kernel is gone: there is nobody to tell
    }
  }

  function send(message, buffers) {
    if (isGone(model)) return leave();
    tell(message, buffers);
    waiting ??= setTimeout(() => speak("The kernel is busy. This is done as soon as it is free."), PATIENCE);
  }

  function arrive() {
    clearTimeout(waiting);
    waiting = null;
    if (!root.hidden) return;
    // Only a kernel that answers is live; until then, and in a saved page, the static face stands.
    root.hidden = false;
    el.classList.add("vnb-live");
    if (!isInSight || document.hidden) attend();
  }

  // The server is asked for its numbers only while somebody may look at them.
  function attend() {
    if (!root.hidden) tell({ do: isInSight && !document.hidden ? "hello" : "bye", view });
  }

  function speak(text, failed) {
    said.replaceChildren(h("span", { class: failed ? "vs-failed" : "" }, text));
  }

  function copies(text, name) {
    return button("Copy", async () => speak(await copy(text) ? `Copied: ${name}.` : `Copy it from here: ${text}`), `Copy ${name}`);
  }

  function drawHow() {
    const isFile = asFile.checked;
    jsonEntry.hidden = isFile;
    fileEntry.hidden = !isFile;
  }

  function fill(place) {
    body.value = model.get("shown").form.examples[place] ?? "";
    body.rows = Math.min(Math.max(body.value.split("\n").length + 1, 4), 14);
  }

  async function ask() {
    const { form: taken } = model.get("shown");
    if (!asFile.checked) return begin({ do: "send", kind: "application/json", body: body.value });
    const [chosen] = file.files;
    if (!chosen) return drawAnswer({ status: "Choose a file first.", failed: true });
    if (chosen.size > MOST_SENT) {
      const size = (chosen.size / 1e6).toFixed(1);
      return drawAnswer({ status: `${chosen.name} has ${size} MB, and through the notebook 8 MB can be sent. Send it with curl.`, failed: true });
    }
    const fits = taken.raw.includes(chosen.type) || !taken.raw.length;
    begin({ do: "send", kind: fits && chosen.type ? chosen.type : taken.raw.at(-1) ?? "application/octet-stream" },
      [await chosen.arrayBuffer()]);
  }

  function begin(message, buffers) {
    submit.disabled = true;
    answer.replaceChildren(h("span", { class: "vs-dim" }, "Sent. Waiting for the answer."));
    send(message, buffers);
  }

  function drawAnswer({ status, failed, text, note, problem, fields, kind, picture }, buffers = []) {
    submit.disabled = false;
    if (address) URL.revokeObjectURL(address);
    address = buffers.length ? URL.createObjectURL(new Blob([buffers[0]], { type: kind })) : "";
    answer.replaceChildren(
      h("p", { class: failed ? "vs-failed" : "vs-status" }, status),
      ...(problem ? [h("p", {}, problem)] : []),
      ...(fields?.length ? [h("ul", {}, fields.map(([where, why]) => h("li", {}, h("code", {}, where), `: ${why}`)))] : []),
      ...(picture ? [h("img", { src: address, alt: "The answer, a picture" })] : []),
      ...(text ? [h("pre", { tabindex: "0", "aria-label": "The answer" }, text)] : []),
      ...(note ? [h("p", { class: "vs-dim" }, note)] : []),
      ...(address ? [h("a", { href: address, download: `answer.${kind.split("/").at(-1).replace("octet-stream", "bin")}` }, "Save the answer")] : []));
  }

  function drawFacts({ url, proxied, facts: more }) {
    const entry = (name, ...content) => [h("dt", {}, name), h("dd", {}, content)];
    const places = [["Address", url], ["On the hub", addressOf(proxied).replace(/\/$/, "")]].filter(([, place]) => place);
    facts.replaceChildren(
      ...places.flatMap(([name, place]) => entry(name, h("code", {}, `${place}/predict`), " ",
        copies(`${place}/predict`, name === "Address" ? "the address" : "the address on the hub"), " ",
        h("a", { href: `${place}/docs`, target: "_blank", rel: "noreferrer" }, "docs"))),
      ...more.flatMap(([name, words, isWrong]) => entry(name, h("span", { class: isWrong ? "vs-failed" : "" }, words))));
  }

  function drawCalls() {
    const { calls: masked, token } = model.get("shown");
    if (!Object.keys(masked).length) revealed = null;
    calls.hidden = !Object.keys(masked).length;
    const asks = (name) => button("Copy", () => send({ do: "copy", what: name }), `Copy ${name}`);
    const reveals = button(revealed ? "Hide the token" : "Show the token", () => {
      if (!revealed) return send({ do: "reveal" });
      revealed = null;
      drawCalls();
    });
    calls.replaceChildren(h("h4", {}, "Call it"), ...(token ? [h("div", { class: "vs-bar" }, reveals)] : []),
      ...Object.entries(revealed ?? masked).map(([name, call]) => h("div", { class: "vs-call" },
        h("div", { class: "vs-bar" }, h("span", {}, name), token ? asks(name) : copies(call, name)),
        h("pre", { tabindex: "0", "aria-label": `Call it with ${name}` }, call))));
  }

  function drawForm({ takes: words, examples, json, raw, leftOut }, key) {
    takes.textContent = [words && `It takes ${words}.`, leftOut && `${leftOut} of its examples are too large to be shown here.`].filter(Boolean).join(" ");
    how.hidden = !(json && raw.length);
    if (filled === null) (raw.length ? asFile : asJson).checked = true;
    file.accept = raw.includes("application/octet-stream") || raw.includes("*/*") ? "" : raw.join(",");
    which.hidden = examples.length < 2;
    which.replaceChildren(...examples.map((_, place) => h("option", { value: place }, `Example ${place + 1}`)));
    // What the user wrote is not written over when another version takes over.
    if (filled === null || (filled.key !== key && body.value === filled.text)) {
      fill(0);
      filled = { key, text: body.value };
    }
    drawHow();
  }

  function draw() {
    const shown = model.get("shown");
    title.textContent = shown.reference;
    if (state.textContent !== shown.words) state.textContent = shown.words;
    state.className = `vs-state vs-${shown.state}`;
    power.textContent = shown.state === "answers" || shown.state === "stopping" ? "Stop" : "Start again";
    power.disabled = shown.state === "stopping" || shown.state === "starting";
    drawFacts(shown);
    drawCalls();
    form.hidden = !shown.form;
    if (shown.form) drawForm(shown.form, shown.version);
    if (shown.state !== "answers") numbers.hidden = true;
  }

  function drawNumbers(drawn) {
    numbers.hidden = false;
    rows.replaceChildren(...drawn.rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.name),
      h("td", {}, lineOf(row)), row.values.map((value, place) => h("td", { class: place && row.failed ? "vs-failed" : "" }, value)))));
  }

  async function onMessage(message, buffers) {
    arrive();
    if (message.numbers) drawNumbers(message.numbers);
    if (message.answer) drawAnswer(message.answer, buffers);
    if ("log" in message) {
      const isAtEnd = logText.scrollTop + logText.clientHeight >= logText.scrollHeight - 4;
      logText.textContent = message.log || "It has written nothing.";
      if (isAtEnd) logText.scrollTop = logText.scrollHeight;
    }
    if (message.revealed) {
      revealed = message.revealed;
      drawCalls();
    }
    if (message.copy) speak(await copy(message.copy) ? `Copied: ${message.what}, with the token.` : "It cannot be copied here. Show the token, and copy it by hand.");
  }

  function onSaid() {
    const { text, failed } = model.get("said");
    if (text) speak(text, failed);
  }

  function leave() {
    root.hidden = true;
    el.classList.remove("vnb-live");
  }

  function greet() {
    leave();
    submit.disabled = false;
    tell({ do: "hello", view });
  }

  model.on("change:shown", draw);
  model.on("change:said", onSaid);
  model.on("msg:custom", onMessage);
  model.on("comm_live_update", greet);  // a kernel that was started anew does not answer
  const sight = new IntersectionObserver((entries) => {
    isInSight = entries.at(-1).isIntersecting;
    attend();
  });
  sight.observe(el);
  document.addEventListener("visibilitychange", attend);
  const renewal = setInterval(() => {
    if (isGone(model)) leave();
    else if (isInSight && !document.hidden && !isBusy(model)) attend();
  }, RENEWAL);
  draw();
  greet();
  return () => {
    sight.disconnect();
    clearInterval(renewal);
    document.removeEventListener("visibilitychange", attend);
    clearTimeout(waiting);
    if (address) URL.revokeObjectURL(address);
    tell({ do: "bye", view });
  };
}

export default { render };
