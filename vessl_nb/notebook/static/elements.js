// What every live widget of ours builds its page with.

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(2).filter((child) => child != null && child !== ""));
  return element;
}

const RENEWAL = 10000;  // milliseconds between two hellos: a view that was silent for long is taken for gone

// What is said to a kernel at work waits there, and it takes nobody for gone meanwhile.
const isBusy = (model) => model.widget_manager?.kernel?.status === "busy";

// A kernel that is shut down tells its widgets nothing.
function isGone(model) {
  const kernel = model.widget_manager?.kernel;
  return kernel === null || kernel?.isDisposed || kernel?.status === "dead" || kernel?.status === "terminating";
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {  // not over plain http from another machine: then as it was done before there was a clipboard
    const area = h("textarea", { style: "position: fixed; opacity: 0" });
    area.value = text;
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return copied;
  }
}
