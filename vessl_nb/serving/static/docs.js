"use strict";
// Relative to the page, so that it is right behind a proxy's prefix; without what fetch does not take in an address.
const here = new URL(location.href);
here.pathname = here.pathname.replace(/\/+$/, "");
here.search = here.hash = here.username = here.password = "";
const target = new URL("predict", here).href.replaceAll("'", "%27");
for (const place of document.querySelectorAll(".url")) place.textContent = target;
document.getElementById("jupyter").hidden = !/\/proxy\/(absolute\/)?\d+\/predict$/.test(target);
for (const link of document.querySelectorAll("a.address")) link.href = new URL(link.getAttribute("href"), here).href;

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {  // a page that did not come by https, from another machine
      getSelection().selectAllChildren(source);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Press Ctrl + C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

const form = document.getElementById("try");
const said = document.getElementById("said");
const answer = document.getElementById("answer");
const submit = form.querySelector("[type=submit]");
const {body, file, token, example, how} = form.elements;
let pending = null;
let shownUrl = "";
form.hidden = false;

const isFile = () => !body || how?.value === "file";
function showHow() {
  for (const entry of form.querySelectorAll("[data-how]")) entry.hidden = (entry.dataset.how === "file") !== isFile();
}
form.addEventListener("change", event => {
  if (event.target === example) body.value = document.getElementById(example.value).textContent;
  showHow();
});
form.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!pending) form.requestSubmit();
  }
});
form.addEventListener("submit", event => {
  event.preventDefault();
  if (pending) pending.abort();
  else send();
});
showHow();

async function send() {
  const chosen = isFile() ? file.files[0] : null;
  if (isFile() && !chosen) {
    say("Choose a file first.", true);
    file.focus();
    return;
  }
  const headers = {"content-type": chosen ? chosen.type || "application/octet-stream" : "application/json"};
  if (token?.value) headers.authorization = `Bearer ${token.value}`;
  pending = new AbortController();
  submit.textContent = "Stop";
  answer.hidden = true;
  say("Waiting for the answer …");
  const started = performance.now();
  try {
    const response = await fetch(target, {method: "POST", headers, body: chosen ?? body.value, signal: pending.signal});
    const blob = await response.blob();
    const took = performance.now() - started;
    const type = response.headers.get("content-type") ?? "";
    const version = response.headers.get("vessl-version");
    const facts = [`${response.status} ${response.statusText}`.trim(), `${took.toFixed(took < 100 ? 1 : 0)} ms`,
      `${blob.size.toLocaleString("en")} bytes`, type, version && `from ${version}`];
    say(facts.filter(Boolean).join(" · "), !response.ok);
    await show(blob, type);
  } catch (error) {
    const stopped = error.name === "AbortError";
    say(stopped ? "Stopped: the answer was not waited for." : "No answer: the server cannot be reached from here.", true);
  } finally {
    pending = null;
    submit.textContent = "Send";
  }
}

function say(text, isBad = false) {
  said.textContent = text;
  said.classList.toggle("bad", isBad);
}

async function show(blob, type) {
  URL.revokeObjectURL(shownUrl);
  answer.replaceChildren();
  answer.hidden = false;
  if (/^image\/(png|jpeg|gif|webp)/.test(type)) {
    const image = new Image();
    image.alt = "The answer, an image";
    image.src = shownUrl = URL.createObjectURL(blob);
    answer.append(image);
  } else if (/json|^text\//.test(type)) {
    const text = document.createElement("pre");
    text.tabIndex = 0;
    text.textContent = readable(await blob.slice(0, 200_000).text(), type);
    answer.append(text);
    if (blob.size > 200_000) answer.append(download(blob, "The rest is not shown: save it all"));
  } else {
    answer.append(download(blob, "Save the answer"));
  }
}

function readable(text, type) {
  // Digits that JavaScript's numbers cannot hold would come out as others.
  if (!/json/.test(type) || /\d{16}/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function download(blob, words) {
  const link = document.createElement("a");
  link.href = shownUrl = URL.createObjectURL(blob);
  link.download = "answer";
  link.textContent = words;
  return link;
}
