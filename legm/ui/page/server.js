// Asks the server, and listens to what it says has changed.

/**
 * What the server answers to a question; an error says what the server said.
 * @param {string} path
 * @param {Record<string, any>} parameters
 */
export async function ask(path, parameters = {}) {
  return answerOf(await fetch(`${addressOf(path)}?${queryOf(parameters)}`));
}

/**
 * Ask the server to change something.
 * @param {string} path
 * @param {any} body
 */
export async function send(path, body) {
  const headers = { "Content-Type": "application/json" };
  return answerOf(await fetch(addressOf(path), { method: "POST", headers, body: JSON.stringify(body) }));
}

/**
 * The whole address of what the server has, which may be below a path of a proxy; without the user whom a browser
 * has in the page's own address.
 * @param {string} path
 */
function addressOf(path) {
  return location.origin + location.pathname + path;
}

/**
 * A query; of a list, each value.
 * @param {Record<string, any>} parameters
 */
export function queryOf(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) query.append(name, String(one));
  }
  return query;
}

/** @param {Response} response */
async function answerOf(response) {
  const type = response.headers.get("content-type") ?? "";
  const answer = type.startsWith("application/json") ? await response.json() : await response.text();
  if (response.ok) return answer;
  throw new Error(answer.error ?? answer);
}

/** @typedef {{events: Record<string, (data: any) => unknown>, lost: () => void}} ServerListeners */

/**
 * Listen to the server's events, by the connection that all tabs share where the browser has shared workers; the
 * browser connects again by itself where the server comes back.
 * @param {ServerListeners} listeners
 */
export function listenToServer(listeners) {
  try {
    listenToSharedEvents(listeners);
  } catch {
    listenToOwnEvents(listeners); // shared workers are not there, or not allowed
  }
}

/** @param {ServerListeners} listeners */
function listenToSharedEvents(listeners) {
  const worker = new SharedWorker(addressOf("page/shared_events.js"), { name: "legm", type: "module" });
  worker.port.addEventListener("message", ({ data: { kind, data } }) => {
    if (kind === "lost") listeners.lost();
    else listeners.events[kind]?.(data);
  });
  worker.port.start();
  const join = () => worker.port.postMessage("join");
  const leave = () => worker.port.postMessage("leave");
  const joinAgain = (/** @type {PageTransitionEvent} */ event) => {
    if (event.persisted) join(); // the browser has kept the page while another one was shown
  };
  addEventListener("pagehide", leave);
  addEventListener("pageshow", joinAgain);
  const listenAlone = () => {
    removeEventListener("pagehide", leave);
    removeEventListener("pageshow", joinAgain);
    listenToOwnEvents(listeners);
  };
  worker.addEventListener("error", listenAlone, { once: true });
  join();
}

/** @param {ServerListeners} listeners */
function listenToOwnEvents(listeners) {
  const source = new EventSource(addressOf("api/events"));
  for (const [kind, listener] of Object.entries(listeners.events))
    source.addEventListener(kind, (event) => listener(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    listeners.lost();
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(() => listenToOwnEvents(listeners), 2000);
  });
}
