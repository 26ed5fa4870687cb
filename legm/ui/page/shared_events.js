// A shared worker: the one connection to the server's events that all tabs have, since a browser opens only six
// connections to a server, and each tab's own stream would keep one.

const RECONNECT_PAUSE = 2000; // ms
const KINDS = ["runs", "experiments"];

/** Pass the server's events on to each tab; one that comes late is told at once what the others were told at first. */
function shareEvents() {
  /** @type {Set<MessagePort>} */
  const tabs = new Set();
  /** @type {EventSource | null} */
  let source = null;
  /** @type {{instance: string, versions: Record<string, number>} | null} */
  let hello = null; // with the newest versions; null without a connection

  const tell = (/** @type {string} */ kind, /** @type {any} */ data) => {
    for (const tab of tabs) tab.postMessage({ kind, data });
  };
  const connect = () => {
    const made = new EventSource(new URL("../api/events", location.href));
    source = made;
    made.addEventListener("hello", (event) => {
      hello = JSON.parse(event.data);
      tell("hello", hello);
    });
    for (const kind of KINDS)
      made.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        if (kind === "experiments" && hello) hello = { ...hello, versions: { ...hello.versions, ...data } };
        tell(kind, data);
      });
    made.addEventListener("error", () => {
      if (source !== made) return;
      hello = null;
      tell("lost", null);
      if (made.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
      disconnect();
      setTimeout(() => {
        if (tabs.size && !source) connect();
      }, RECONNECT_PAUSE);
    });
  };
  const disconnect = () => {
    source?.close();
    source = null;
    hello = null;
  };
  const join = (/** @type {MessagePort} */ tab) => {
    tabs.add(tab);
    if (!source) connect();
    else if (hello) tab.postMessage({ kind: "hello", data: hello });
  };
  const leave = (/** @type {MessagePort} */ tab) => {
    tabs.delete(tab);
    if (!tabs.size) disconnect();
  };
  addEventListener("connect", (event) => {
    const [tab] = /** @type {MessageEvent} */ (event).ports;
    tab.addEventListener("message", ({ data }) => (data === "leave" ? leave(tab) : join(tab)));
    tab.start();
  });
}

shareEvents();
