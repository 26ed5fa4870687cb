// Asks the server, and listens to what it says has changed.

/** What the server answers to a question; an error says what the server said. */
export async function ask(path, parameters = {}) {
  return answerOf(await fetch(`${path}?${queryOf(parameters)}`));
}

/** Ask the server to change something. */
export async function send(path, body) {
  const headers = { "Content-Type": "application/json" };
  return answerOf(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** A query; of a list, each value. */
export function queryOf(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) query.append(name, String(one));
  }
  return query;
}

async function answerOf(response) {
  const type = response.headers.get("content-type") ?? "";
  const answer = type.startsWith("application/json") ? await response.json() : await response.text();
  if (response.ok) return answer;
  throw new Error(answer.error ?? answer);
}

/** Listen to the server's events; the browser connects again by itself where the server comes back. */
export function listenToServer(listeners) {
  const source = new EventSource("/api/events");
  for (const [kind, listener] of Object.entries(listeners.events))
    source.addEventListener(kind, (event) => listener(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    listeners.lost();
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(() => listenToServer(listeners), 2000);
  });
}
