// One task as a card: what is to be done above, why we think so below.

import { day, excerpt, make, marked, moment } from "/static/js/text.js";

const EXCERPT = 300;
const WORDS = { in_progress: "in progress", blocked: "blocked", done: "done", cancelled: "cancelled" };
const RELATIONS = { reply: "answered by", edit: "edited to", duplicate: "reported again" };

/** Draw a card's inside. `away` says that nobody needs to do this any more. */
export function cardBody(card, away) {
  const { task, evidence } = card;
  return make(
    "article",
    { "aria-label": `Task ${task.number}: ${task.title}` },
    head(task),
    make("h3", {}, task.title),
    facts(task),
    ...evidence.map((piece) => quote(piece, task, card.open)),
    why(task),
    foot(card, away),
  );
}

function head(task) {
  const state = stateOf(task);
  return make(
    "p",
    { class: "head" },
    make("span", { class: "number" }, `#${task.number}`),
    make("span", { class: `chip ${task.category}` }, task.category),
    make("span", { class: `priority ${task.priority}` }, task.priority),
    state && make("span", { class: `state ${state.replace(/\W/g, "-")}` }, state),
  );
}

function stateOf(task) {
  if (task.review === "rejected") return "not a task";
  if (task.merged_into !== null) return "merged";
  if (task.status in WORDS) return WORDS[task.status];
  return task.review === "unreviewed" ? null : task.review;
}

function facts(task) {
  const items = [];
  if (task.assignee) items.push(fact("who", "for", task.assignee));
  if (task.due) items.push(make("li", { class: "due" }, make("span", { class: "hidden" }, "due "), make("time", { datetime: task.due }, day(task.due))));
  for (const label of task.labels) items.push(fact("label", "label", label));
  return items.length ? make("ul", { class: "facts" }, ...items) : null;
}

const fact = (kind, name, value) => make("li", { class: kind }, make("span", { class: "hidden" }, `${name} `), value);

function quote(piece, task, open) {
  const marks = marksOf(piece, task);
  const shown = excerpt(piece.text ?? "", marks, open ? Infinity : EXCERPT);
  const cut = shown.before || shown.after;
  return make(
    "figure",
    { class: piece.relation },
    make(
      "blockquote",
      {},
      shown.before ? "… " : null,
      ...marked(shown.points, shown.marks),
      shown.after ? " …" : null,
      cut || (open && Array.from(piece.text ?? "").length > EXCERPT * 1.25)
        ? make("button", { type: "button", class: "link", "data-action": "open", "aria-expanded": String(open) }, open ? "show less" : "show all")
        : null,
    ),
    make(
      "figcaption",
      {},
      RELATIONS[piece.relation] ? make("em", {}, `${RELATIONS[piece.relation]} `) : null,
      make("b", {}, piece.author_name ?? piece.author ?? "somebody"),
      make("span", { class: `channel ${piece.channel}` }, piece.channel),
      make("time", { datetime: piece.sent_at }, moment(piece.sent_at)),
    ),
  );
}

/** The words that decided, and, in the message that the task was born from, those that its fields were read from. */
function marksOf(piece, task) {
  const marks = [];
  if (piece.relation === "origin") {
    for (const field of ["due", "assignee"]) {
      const span = task.provenance[field]?.span;
      if (span && task[field] !== null) marks.push({ start: span[0], end: span[1], kind: field });
    }
  }
  for (const [start, end] of piece.spans ?? []) marks.push({ start, end, kind: "why" });
  return marks;
}

function why(task) {
  const source = task.provenance.category ?? Object.values(task.provenance)[0];
  if (!source?.reason && !source) return null;
  const percent = Math.round((source.confidence ?? task.confidence) * 100);
  return make(
    "p",
    { class: "why" },
    make("meter", { min: 0, max: 100, value: percent, "aria-label": "confidence" }),
    make("span", { class: "percent" }, `${percent}%`),
    source.reason || `decided by ${source.by}`,
  );
}

function foot(card, away) {
  const { task, busy } = card;
  const button = (action, label, kind) =>
    make("button", { type: "button", class: kind, "data-action": action, "aria-disabled": busy ? "true" : null }, label);
  const open = !away && task.status !== "done";
  const buttons = [];
  if (open && task.review === "unreviewed") buttons.push(button("accept", "Accept", "good"), button("reject", "Not a task", ""));
  if (open) buttons.push(button("done", "Done", "quiet"));
  const failure = card.failure ? make("p", { class: "failure", role: "alert" }, card.failure) : null;
  return buttons.length || failure ? make("footer", {}, ...buttons, failure) : null;
}
