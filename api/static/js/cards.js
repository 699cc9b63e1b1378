// The column of tasks: a card each, with the words that it was read from, patched as events tell.

import { cardBody } from "/static/js/card.js";
import { Failure, get, request } from "/static/js/http.js";

const MOST = 200;

const CHANGES = {
  accept: (task) => ["POST", `/api/tasks/${task.id}/review`, { decision: "accepted" }],
  reject: (task) => ["POST", `/api/tasks/${task.id}/review`, { decision: "rejected" }],
  done: (task) => ["PATCH", `/api/tasks/${task.id}`, { status: "done" }],
};

/** Keep the cards in `list`; `onCount` is told how many there are after each change. */
export function taskCards(list, { onCount }) {
  const cards = new Map();
  const asked = new Set();

  /** Show a task as it now is; an older version than the one shown changes nothing. Answers whether it is a new card. */
  function show(task, evidence, { below = false, arriving = false } = {}) {
    const known = cards.get(task.id);
    if (known) {
      if (task.version < known.task.version) return false;
      known.task = task;
      known.evidence = merged(known.evidence, evidence);
      draw(known);
      return false;
    }
    const card = { task, evidence: evidence ?? [], element: document.createElement("li"), failure: "", busy: false, open: false };
    card.element.id = `task-${task.id}`;
    card.element.tabIndex = -1;
    if (arriving) card.element.classList.add("arriving");
    cards.set(task.id, card);
    draw(card);
    list[below ? "append" : "prepend"](card.element);
    if (!below) trim();
    onCount(cards.size);
    return true;
  }

  function draw(card) {
    const focused = card.element.contains(document.activeElement) ? document.activeElement.dataset.action : undefined;
    const { task } = card;
    const away = task.review === "rejected" || task.status === "cancelled" || task.merged_into !== null;
    card.element.classList.toggle("away", away);
    card.element.classList.toggle("done", task.status === "done");
    card.element.classList.toggle("urgent", task.priority === "critical" && !away && task.status !== "done");
    card.element.replaceChildren(cardBody(card, away));
    if (focused) (card.element.querySelector(`[data-action="${focused}"]`) ?? card.element).focus({ preventScroll: true });
  }

  function trim() {
    while (cards.size > MOST) {
      const last = list.lastElementChild;
      if (last.contains(document.activeElement)) return;
      cards.delete(last.id.slice("task-".length));
      last.remove();
    }
  }

  async function change(card, action) {
    const [method, path, body] = CHANGES[action](card.task);
    card.busy = true;
    card.failure = "";
    draw(card);
    try {
      const answer = await request(method, path, { body, version: card.task.version });
      if (answer?.id === card.task.id && answer.version >= card.task.version) card.task = answer;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      card.failure = await told(card, error);
    } finally {
      card.busy = false;
      draw(card);
    }
  }

  /** Say why a change failed; after a conflict the card shows what the others made of the task. */
  async function told(card, error) {
    if (error.status !== 409 && error.status !== 412) return error.message;
    try {
      const fresh = await get(`/api/tasks/${card.task.id}`);
      if (fresh.version >= card.task.version) card.task = fresh;
    } catch (second) {
      if (!(second instanceof Failure)) throw second;
      return second.message;
    }
    return "Somebody changed this task meanwhile; this is how it is now.";
  }

  /** Ask for a card's task and evidence anew: an edit's event does not say what the quoted words are now. */
  async function refresh(id) {
    if (!cards.has(id) || asked.has(id)) return;
    asked.add(id);
    try {
      const task = await get(`/api/tasks/${id}`);
      if (cards.has(id)) show(task, task.evidence);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    } finally {
      asked.delete(id);
    }
  }

  list.addEventListener("click", (click) => {
    const button = click.target.closest("button[data-action]");
    const card = cards.get(button?.closest("li")?.id.slice("task-".length));
    if (!card || card.busy) return;
    if (button.dataset.action === "open") {
      card.open = !card.open;
      draw(card);
    } else {
      void change(card, button.dataset.action);
    }
  });

  return {
    show,
    refresh,
    clear() {
      cards.clear();
      list.replaceChildren();
      onCount(0);
    },
    task: (id) => cards.get(id)?.task,
  };
}

/** An edit brings the message's new words: the newest evidence of a message and relation counts. */
function merged(known, fresh) {
  if (!fresh?.length) return known;
  const key = ({ message, relation }) => `${message}/${relation}`;
  const seen = new Map([...known, ...fresh].map((piece) => [key(piece), piece]));
  return [...seen.values()];
}
