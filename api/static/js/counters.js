// The figures in the header: exact from the server, and counted on between two answers.

import { Failure, get } from "/static/js/http.js";

const MINUTE = 60_000;
const QUIET = 3_000;
const NUMBER = new Intl.NumberFormat("en-GB");

/** Show `messages`, `tasks`, `noise` and the `rate` in these elements. */
export function counters(elements) {
  const counts = { messages: null, tasks: null, noise: null };
  let arrivals = [];
  let ticking = null;
  let refreshing = null;

  function draw() {
    const { messages, tasks, noise } = counts;
    elements.messages.textContent = messages === null ? "–" : NUMBER.format(messages);
    elements.tasks.textContent = tasks === null ? "–" : NUMBER.format(tasks);
    elements.noise.textContent = messages ? `${Math.round((100 * noise) / messages)}%` : "–";
    elements.rate.textContent = NUMBER.format(arrivals.reduce((sum, [, many]) => sum + many, 0));
  }

  function tick() {
    const since = Date.now() - MINUTE;
    arrivals = arrivals.filter(([at]) => at > since);
    if (arrivals.length === 0) {
      clearInterval(ticking);
      ticking = null;
    }
    draw();
  }

  async function load() {
    Object.assign(counts, await get("/api/stats"));
    draw();
  }

  /** Events do not say what an edit made of the figures: once it is quiet, the server's replace those counted here. */
  function refreshWhenQuiet() {
    clearTimeout(refreshing);
    refreshing = setTimeout(async () => {
      try {
        await load();
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
      }
    }, QUIET);
  }

  return {
    load,
    /** Count what arrived with one frame. */
    add({ messages, tasks, noise }) {
      if (messages > 0) {
        arrivals.push([Date.now(), messages]);
        ticking ??= setInterval(tick, 1_000);
      }
      counts.messages += messages;
      counts.tasks += tasks;
      counts.noise += noise;
      draw();
      refreshWhenQuiet();
    },
  };
}
