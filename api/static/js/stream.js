// The column of messages: everything that came in, newest first, noise dimmed.

import { clipped, clock, make } from "/static/js/text.js";

const MOST = 200;
const CLIP = 220;

/** Keep the stream in `list`, at most 200 messages; `taskOf` finds a task that is shown, by its id. */
export function messageStream(list, { taskOf }) {
  const shown = new Map();

  /** Show a message as it now is; one that is there already is changed in its place. Answers whether it is new. */
  function show(message, { arriving = false } = {}) {
    const known = shown.get(message.id);
    const element = known?.element ?? make("li", { class: arriving ? "arriving" : null });
    shown.set(message.id, { element, message: { ...known?.message, ...message } });
    draw(message.id);
    if (known) return false;
    list.prepend(element);
    while (list.childElementCount > MOST) drop(list.lastElementChild);
    return true;
  }

  function drop(element) {
    shown.delete(Number(element.dataset.id));
    element.remove();
  }

  function draw(id) {
    const { element, message } = shown.get(id);
    const category = message.deleted ? "deleted" : (message.category ?? "waiting");
    element.dataset.id = String(id);
    element.classList.toggle("noise", category === "noise" || category === "deleted");
    element.replaceChildren(
      make(
        "p",
        { class: "head" },
        make("b", {}, message.author_name ?? message.author ?? "somebody"),
        make("span", { class: `channel ${message.channel}` }, message.conversation ? clipped(message.conversation, 28) : message.channel),
        message.edited && !message.deleted ? make("span", { class: "edited" }, "edited") : null,
        category === "noise" ? chip(category, message) : null,
        make("time", { datetime: message.sent_at }, clock(message.sent_at)),
      ),
      body(message),
    );
    if (category !== "noise") element.append(make("p", { class: "verdict" }, chip(category, message), ...(message.tasks ?? []).map(link)));
  }

  const chip = (category, { reason }) => make("span", { class: `chip ${category}`, title: reason ?? null }, category);

  function link(id) {
    const task = taskOf(id);
    return task ? make("a", { href: `#task-${id}` }, `task #${task.number}`) : null;
  }

  function body(message) {
    if (message.deleted) return make("p", { class: "text" }, make("i", {}, "deleted by its author"));
    const lang = message.language && message.language !== "und" ? message.language : null;
    return make("p", { class: "text", lang, dir: "auto" }, clipped(message.text ?? "", CLIP) || "(no words)");
  }

  return {
    show,
    /** Mark a message as taken back; one that is not shown stays so. */
    deleted(id) {
      const known = shown.get(id);
      if (known) show({ ...known.message, deleted: true });
    },
    /** Draw those messages again that gave rise to these tasks, so that they link to them. */
    relink(ids) {
      for (const id of ids) if (shown.has(id)) draw(id);
    },
    clear() {
      shown.clear();
      list.replaceChildren();
    },
  };
}
