// The live stream: one WebSocket that resumes where it broke off, backs off with jitter, and says how it is.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
const OFFLINE_AFTER = 4;

/**
 * Follow the events of this server until the page goes away.
 *
 * onFresh() is called when everything must be read anew: at the first connection and after a resync.
 * onEvent(event) gets each event once, in the order of positions. onState is told connecting, connected,
 * reconnecting or offline. onRefused() is called instead of a further try when `allowed` says that we are signed out.
 */
export function follow({ onFresh, onEvent, onState, onRefused, allowed }) {
  let position = null;
  let epoch = null;
  let failures = 0;
  let socket = null;
  let timer = null;

  function address() {
    const url = new URL("/ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (position !== null) url.search = new URLSearchParams({ after: position, epoch }).toString();
    return url;
  }

  function connect() {
    clearTimeout(timer);
    timer = null;
    socket = new WebSocket(address());
    socket.addEventListener("message", ({ data, target }) => {
      if (target === socket) take(JSON.parse(data));
    });
    socket.addEventListener("close", ({ target }) => {
      if (target === socket) again();
    });
  }

  function take(frame) {
    if (frame.type === "hello") {
      if (epoch !== null && frame.epoch !== epoch) return startOver();
      failures = 0;
      onState("connected");
      if (position === null) {
        ({ epoch, position } = frame);
        onFresh();
      }
    } else if (frame.type === "resync") {
      startOver();
    } else if (frame.type === "event" && frame.position > position) {
      position = frame.position;
      onEvent(frame.event);
    }
    return undefined;
  }

  function startOver() {
    position = null;
    epoch = null;
    const old = socket;
    socket = null;
    old.close();
    connect();
  }

  async function again() {
    socket = null;
    failures += 1;
    onState(!navigator.onLine || failures >= OFFLINE_AFTER ? "offline" : "reconnecting");
    if (failures > 1 && !(await allowed())) return onRefused();
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1));
    timer = setTimeout(connect, delay * (0.5 + Math.random() / 2));
    return undefined;
  }

  addEventListener("online", () => {
    if (timer !== null) connect();
  });
  onState("connecting");
  connect();
}
