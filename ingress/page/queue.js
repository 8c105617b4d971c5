// The state of the system: one request every few seconds, none while nobody looks at the tab.

import { byId, element } from "./dom.js";
import { addressOf } from "./api.js";
import { count, counted } from "./words.js";

const EVERY_MS = 3000;

let timer = 0;

/** Begin to look; once. */
export function startQueue() {
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
  look();
}

async function look() {
  clearTimeout(timer);
  show(await health());
  if (!document.hidden) timer = setTimeout(look, EVERY_MS);
}

async function health() {
  try {
    return await (await fetch(addressOf("health"))).json();
  } catch {
    return { status: "unreachable" };
  }
}

function show(found) {
  const { text, kind } = inShort(found);
  byId("pill").className = `pill ${kind}`;
  if (byId("pill-text").textContent !== text) byId("pill-text").textContent = text;
  byId("queue-note").textContent = noteOf(found);
  const workers = found.workers ?? [];
  byId("queue-figures").replaceChildren(...(found.queue_capacity ? figures(found, workers) : []));
  byId("queue-workers").replaceChildren(...workers.map(workerRow));
}

function inShort({ status, queue_depth: depth, queue_capacity: capacity, workers = [] }) {
  if (status === "unreachable") return { text: "Not reachable", kind: "bad" };
  if (status === "unhealthy") return { text: "Not ready", kind: "bad" };
  if (!workers.length) return { text: "No worker", kind: "bad" };
  if (depth >= capacity) return { text: "Queue full", kind: "busy" };
  return { text: depth ? `${count(depth)} of ${count(capacity)} taken` : "Ready", kind: depth ? "busy" : "good" };
}

function noteOf({ status, detail, library, workers = [] }) {
  if (status === "unreachable") return "The system does not answer. This page goes on looking.";
  if (status === "unhealthy") return detail;
  if (!workers.length) return "No worker is running: questions wait until one is.";
  if (library && library.status !== "ok") return "The library does not answer: pasted text can be asked about, documents can’t.";
  return "A question takes a place when it is accepted and gives it back with its answer. When all are taken, the next is refused at once, with the time to come back; this page does so by itself.";
}

function figures({ queue_depth: depth, queue_capacity: capacity, refused, rate_limit: rate }, workers) {
  const sumOf = (name) => workers.reduce((sum, worker) => sum + worker[name], 0);
  // A worker holds more jobs than it has slots, to choose from: those are waiting still.
  const [slots, busy, perMinute] = [sumOf("slots"), sumOf("busy"), sumOf("jobs_per_s") * 60];
  const found = [
    ["Places taken", `${count(depth)} of ${count(capacity)}`, depth, capacity],
    ["Being answered", `${count(busy)} of ${count(slots)} at a time`, busy, slots],
    ["Rate", perMinute ? `${perMinute < 10 ? perMinute.toFixed(1) : count(Math.round(perMinute))} a minute` : "–"],
  ];
  if (refused !== undefined) found.push(["Refused since the start", count(refused)]);
  if (rate?.limit) found.push(["Requests of one client", `${count(rate.limit)} in ${count(rate.window_s)} s`]);
  return found.map(([name, value, part, whole]) =>
    element(
      "div",
      {},
      element("dt", { text: name }),
      element("dd", { text: value }),
      whole ? element("dd", { class: "bar" }, element("meter", { min: 0, max: whole, value: part, "aria-label": name })) : null,
    ),
  );
}

function workerRow({ model, slots, busy, tokens_per_s: speed, error, tuning }) {
  const parts = [`${count(busy)} of ${counted(slots, "slot")} busy`];
  if (speed >= 0.5) parts.push(`${count(Math.round(speed))} tokens a second`);
  if (tuning?.state === "running") parts.push(`being tuned, ${Math.round(tuning.done * 100)}%`);
  return element(
    "li",
    {},
    element("div", { class: "what" }, element("span", { class: "name", text: model }), element("span", { class: "hint", text: parts.join(" · ") })),
    error ? element("p", { class: "why", text: error }) : null,
  );
}
