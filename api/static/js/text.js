// Text to nodes: what came from a message is only ever set as text, never parsed as HTML.

/** Make an element; children are nodes or strings, strings become text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Cut a long text down to the neighbourhood of its first mark.
 *
 * Spans count code points, as Python does; JavaScript counts UTF-16 units, so the text is taken apart first.
 * Answers the code points that are left, the marks moved to fit, and whether something was cut before or after.
 */
export function excerpt(text, marks, size) {
  const points = Array.from(text);
  if (points.length <= size * 1.25) return { points, marks, before: false, after: false };
  const first = Math.min(points.length, ...marks.map((mark) => mark.start));
  let start = first < size * 0.7 || marks.length === 0 ? 0 : first - Math.floor(size / 4);
  while (start > 0 && start < first && !/\s/u.test(points[start - 1])) start += 1;
  let end = Math.min(points.length, start + size);
  while (end < points.length && end > start + size / 2 && !/\s/u.test(points[end])) end -= 1;
  const moved = marks
    .filter((mark) => mark.end > start && mark.start < end)
    .map((mark) => ({ ...mark, start: Math.max(0, mark.start - start), end: Math.min(end, mark.end) - start }));
  return { points: points.slice(start, end), marks: moved, before: start > 0, after: end < points.length };
}

/** Turn code points and marks ({start, end, kind}) into text and <mark> nodes; where marks overlap the first one wins. */
export function marked(points, marks) {
  const kinds = new Array(points.length).fill(null);
  for (const { start, end, kind } of marks) {
    for (let i = Math.max(0, start); i < Math.min(end, points.length); i += 1) kinds[i] ??= kind;
  }
  const nodes = [];
  for (let from = 0, to = 0; from < points.length; from = to) {
    while (to < points.length && kinds[to] === kinds[from]) to += 1;
    const piece = points.slice(from, to).join("");
    nodes.push(kinds[from] === null ? piece : make("mark", { class: kinds[from] }, piece));
  }
  return nodes;
}

/** Fold white space and clip, for one line in a list. */
export function clipped(text, size) {
  const points = Array.from(text.replace(/\s+/gu, " ").trim());
  return points.length > size ? `${points.slice(0, size).join("")}…` : points.join("");
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });

const read = (format, iso) => {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? "" : format.format(date);
};

/** 14:05 here. */
export const clock = (iso) => read(CLOCK, iso);
/** Thu 19 Nov, 14:05 here. */
export const moment = (iso) => read(MOMENT, iso);
/** A date without a time (a due date) is the same day everywhere. */
export const day = (iso) => read(DAY, iso);
