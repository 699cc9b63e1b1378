// The page: reads what is there, follows what comes, and draws it once per animation frame.

import { taskCards } from "/static/js/cards.js";
import { counters } from "/static/js/counters.js";
import { Failure, get, request } from "/static/js/http.js";
import { follow } from "/static/js/socket.js";
import { messageStream } from "/static/js/stream.js";

const PAGE = 50;
const STILL_SHOWN = 200;
const RETRY = 3_000;
const HIDDEN_TAB = 1_000;
const MOST_WAITING = 20_000;

const at = (id) => document.getElementById(id);
const figures = counters({ messages: at("count-messages"), tasks: at("count-tasks"), noise: at("count-noise"), rate: at("count-rate") });
const tasks = taskCards(at("cards"), { onCount: (count) => (empty = count === 0) });
const stream = messageStream(at("messages"), { taskOf: tasks.task });

let empty = true;
let waiting = [];
let loaded = false;
let reading = 0;
let frame = null;
let cursor = null;

async function load() {
  const mine = (reading += 1);
  loaded = false;
  waiting = [];
  try {
    const [made, said] = await Promise.all([get(`/api/tasks?limit=${PAGE}`), get(`/api/messages?limit=${PAGE}`), figures.load()]);
    if (mine !== reading) return undefined;
    tasks.clear();
    stream.clear();
    for (const item of made.items) tasks.show(item, item.evidence, { below: true });
    for (const item of said.items.toReversed()) stream.show({ ...item, ...verdictOf(item) });
    cursor = made.next_cursor;
    at("older").hidden = !cursor;
    fail("load-failure", "");
    loaded = true;
    draw();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.status === 401) return signIn();
    fail("load-failure", `${error.message} Trying again…`);
    if (mine === reading) setTimeout(load, RETRY);
  }
  return undefined;
}

const verdictOf = ({ verdict }) => ({ category: verdict?.category, reason: verdict?.reason });

/** Keep an event for the next frame; a page that is hopelessly behind reads the lists anew instead. */
function take(event) {
  if (waiting.length >= MOST_WAITING) return void load();
  waiting.push(event);
  if (loaded) schedule();
  return undefined;
}

function schedule() {
  frame ??= document.hidden ? setTimeout(draw, HIDDEN_TAB) : requestAnimationFrame(draw);
}

/** Draw what waits; of a burst, the messages that would be pushed out of the page at once are only counted. */
function draw() {
  frame = null;
  if (!loaded) return;
  const events = waiting;
  waiting = [];
  const sum = { messages: 0, tasks: 0, noise: 0 };
  const arrived = [];
  let processed = events.filter(({ type }) => type === "message.processed").length;
  for (const event of events) {
    if (event.type === "message.processed" && (processed -= 1) >= STILL_SHOWN) count(event, sum);
    else apply(event, sum, arrived);
  }
  if (events.length) figures.add(sum);
  announce(arrived);
  at("empty").hidden = !empty;
}

function count(event, sum) {
  sum.messages += 1;
  if (event.data.category === "noise") sum.noise += 1;
}

function apply(event, sum, arrived) {
  const { type, data } = event;
  if (type === "message.processed" || type === "message.edited") {
    const edited = type === "message.edited";
    const fresh = stream.show({ id: event.message, ...data, edited, deleted: false }, { arriving: true });
    if (fresh && !edited) count(event, sum);
    if (edited) for (const id of data.tasks) void tasks.refresh(id);
  } else if (type === "message.deleted") {
    stream.deleted(event.message);
  } else if (data.task) {
    const created = type === "task.created";
    if (!created && !tasks.task(data.task.id)) return;
    const fresh = tasks.show(data.task, data.evidence, { arriving: true });
    if (created && fresh) {
      sum.tasks += 1;
      arrived.push(data.task);
    }
    stream.relink((data.evidence ?? []).map(({ message }) => message));
  }
}

function announce(arrived) {
  if (arrived.length === 0) return;
  const [{ number, title }] = arrived;
  at("announce").textContent = arrived.length === 1 ? `New task ${number}: ${title}` : `${arrived.length} new tasks`;
}

function fail(id, text) {
  at(id).textContent = text;
  at(id).hidden = !text;
}

function signIn() {
  for (const element of document.querySelectorAll("#main, .views, .counters")) element.hidden = true;
  at("signin").hidden = false;
  live("signed out");
  at("token").focus();
}

function live(state) {
  at("live").dataset.state = state.replace(" ", "-");
  at("live-text").textContent = state;
}

async function allowed() {
  try {
    await get("/api/stats");
  } catch (error) {
    return error.status !== 401;
  }
  return true;
}

async function older() {
  try {
    const more = await get(`/api/tasks?limit=${PAGE}&cursor=${encodeURIComponent(cursor)}`);
    for (const item of more.items) tasks.show(item, item.evidence, { below: true });
    cursor = more.next_cursor;
    at("older").hidden = !cursor;
    fail("load-failure", "");
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    fail("load-failure", error.message);
  }
}

async function send(event) {
  event.preventDefault();
  const field = at("try-text");
  const text = field.value.trim();
  if (!text) return;
  try {
    await request("POST", "/api/messages", { body: { source: "page", external_id: token(), author: "you", text } });
    field.value = "";
    fail("try-failure", "");
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    fail("try-failure", error.message);
  }
}

/** A name that nobody else uses; crypto.randomUUID is missing on plain HTTP away from localhost. */
const token = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

function choose(view) {
  at("main").dataset.view = view;
  for (const button of document.querySelectorAll(".views button")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
}

/** Follow a link from a message to its task, which a narrow page keeps in its other view. */
function visit(event) {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  choose("tasks");
  const card = document.getElementById(link.hash.slice(1));
  card?.scrollIntoView({ block: "center" });
  card?.focus({ preventScroll: true });
}

document.addEventListener("visibilitychange", () => {
  if (waiting.length && loaded) draw();
});
for (const button of document.querySelectorAll(".views button")) button.addEventListener("click", () => choose(button.dataset.view));
at("messages").addEventListener("click", visit);
at("older").addEventListener("click", older);
at("try").addEventListener("submit", send);
at("curl").textContent = `curl ${location.origin}/api/messages \\
  -H "Authorization: Bearer $(cat .local/token)" \\
  --json '{"source": "hello", "external_id": "1",
    "text": "Login crashes on Safari. Anna, can you look by Friday?"}'`;

if (await allowed()) follow({ onFresh: load, onEvent: take, onState: live, onRefused: signIn, allowed });
else signIn();
