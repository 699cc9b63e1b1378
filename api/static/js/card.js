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
    ...evidence.map((piece) => quote(piece, task, card.open)),
    foot(card, away),
  );
}

function head(task) {
  const state = stateOf(task);
  return make(
    "ul",
    { class: "head" },
    make("li", { class: "number" }, `#${task.number}`),
    make("li", { class: `chip ${task.category}` }, task.category),
    make("li", { class: `priority ${task.priority}` }, task.priority),
    task.assignee && make("li", { class: "who" }, task.assignee),
    task.due && make("li", { class: "due" }, "due ", make("time", { datetime: task.due }, day(task.due))),
    ...task.labels.map((label) => make("li", { class: "label" }, label)),
    state && make("li", { class: `state ${state.replace(/\W/g, "-")}` }, state),
  );
}

function stateOf(task) {
  if (task.review === "rejected") return "not a task";
  if (task.merged_into !== null) return "merged";
  if (task.status in WORDS) return WORDS[task.status];
  return task.review === "unreviewed" ? null : task.review;
}

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

/** The words that the task stands on; those that a field was read from are marked as that field's. */
function marksOf(piece, task) {
  const kind = (span) => (isSpan(task.provenance.due, span) ? "due" : isSpan(task.provenance.assignee, span) ? "assignee" : "why");
  const marks = (piece.spans ?? []).map(([start, end]) => ({ start, end, kind: piece.relation === "origin" ? kind([start, end]) : "why" }));
  return [...marks.filter((mark) => mark.kind !== "why"), ...marks.filter((mark) => mark.kind === "why")];
}

const isSpan = (given, [start, end]) => given?.span?.[0] === start && given.span[1] === end;

function reason(task) {
  const source = task.provenance.category ?? Object.values(task.provenance)[0];
  if (!source) return null;
  const percent = Math.round((source.confidence ?? task.confidence) * 100);
  return make(
    "p",
    { class: "reason" },
    make("meter", { min: 0, max: 100, value: percent, "aria-label": "confidence" }),
    make("b", {}, `${percent}%`),
    make("span", {}, source.reason || `decided by ${source.actor}`),
  );
}

function foot(card, away) {
  const { task, busy } = card;
  const button = (action, label, kind) =>
    make("button", { type: "button", class: kind, "data-action": action, "aria-disabled": busy ? "true" : null }, label);
  const open = !away && task.status !== "done";
  const buttons = [];
  if (open && task.review === "unreviewed") buttons.push(button("accept", "Accept", "good"), button("reject", "Not a task", null));
  if (open) buttons.push(button("done", "Done", null));
  return make(
    "footer",
    {},
    reason(task),
    buttons.length ? make("div", { class: "actions" }, ...buttons) : null,
    card.failure ? make("p", { class: "failure", role: "alert" }, card.failure) : null,
  );
}
