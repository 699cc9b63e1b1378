// Requests to this page's own server; the only place that knows how it answers.

/** A request that did not succeed; status 0 when no answer came. */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const TIMEOUT = 15_000;

async function problem(response) {
  try {
    const { detail, title } = await response.json();
    if (typeof detail === "string" && detail) return detail;
    if (typeof title === "string" && title) return title;
  } catch {
    // not a problem document: the status has to do
  }
  return `The server answered ${response.status}.`;
}

/** Ask for JSON; `body` is sent as JSON, `version` as If-Match. Raises Failure. */
export async function request(method, path, { body, version } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (version !== undefined) headers["if-match"] = `"${version}"`;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new Failure(0, "The server could not be reached.");
  }
  if (!response.ok) throw new Failure(response.status, await problem(response));
  return response.status === 204 ? null : response.json();
}

export const get = (path) => request("GET", path);
