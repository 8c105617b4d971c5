// The list of documents: a page of it at a time, found by name or by text, asked about and deleted.

import { announce, afterPause, byId, element, showSentence } from "./dom.js";
import { askAbout } from "./ask.js";
import { json, request } from "./api.js";
import { spaces } from "./spaces.js";
import { startUploads } from "./uploads.js";
import { count, counted, size } from "./words.js";
import { showPassage } from "./reader.js";
import { whereOf } from "./answer.js";

const A_PAGE = 50;
const HITS = 20;
const LOOKS_EVERY_MS = 3000;
const MOVING = ["queued", "reading", "erasing"];
const STATES = { queued: "Waiting", reading: "Reading", ready: "Ready", failed: "Failed", erasing: "Deleting", erased: "Deleted" };

/** Cursors of the pages before this one, and of the next. */
let before = [];
let cursor = "";
let next = "";
let timer = 0;
let asked = 0;
let isOpen = false;

/** Connect the section; once. */
export function startDocuments() {
  const found = afterPause(fromTheStart);
  for (const id of ["list-find", "list-space", "list-by"]) byId(id).addEventListener("input", found);
  byId("list-form").addEventListener("submit", (event) => event.preventDefault());
  byId("list-next").addEventListener("click", () => turn([...before, cursor], next));
  byId("list-back").addEventListener("click", () => turn(before.slice(0, -1), before.at(-1)));
  spaces.onChange((found) => {
    spaces.fill(byId("list-space"), found);
    showRights();
  });
  byId("list-space").addEventListener("change", showRights);
  startUploads(() => byId("list-space").value, afterPause(() => isOpen && load(), 500));
  document.addEventListener("visibilitychange", () => isOpen && !document.hidden && load());
}

/** The section was opened or left. */
export function documentsOpened(open) {
  isOpen = open;
  clearTimeout(timer);
  if (open) load();
}

const mayWrite = () => spaces.of(byId("list-space").value).mayWrite;

function showRights() {
  byId("drop").hidden = !mayWrite();
  byId("list-reads").hidden = mayWrite();
}

function fromTheStart() {
  [before, cursor] = [[], ""];
  load();
}

async function turn(pagesBefore, to) {
  [before, cursor] = [pagesBefore, to];
  await load();
  byId("title-documents").scrollIntoView();
}

async function load() {
  clearTimeout(timer);
  const number = (asked += 1);
  const text = byId("list-find").value.trim();
  const inTexts = byId("list-by").value === "text" && text;
  try {
    const show = await (inTexts ? hits(text) : documents(text));
    if (number !== asked) return;
    showSentence(byId("list-error"), "");
    show();
  } catch (refused) {
    if (number === asked) showSentence(byId("list-error"), refused.message);
  }
}

async function documents(name) {
  const wanted = new URLSearchParams({ space: byId("list-space").value, name, cursor, limit: A_PAGE });
  const page = await json(`api/documents?${wanted}`);
  return () => {
    next = page.cursor ?? "";
    const first = before.length * A_PAGE + 1;
    byId("list-sum").textContent = sumOf(page, name);
    fill(page.documents.map(rowOf));
    byId("list-pages").hidden = !next && !before.length;
    byId("list-back").disabled = !before.length;
    byId("list-next").disabled = !next;
    byId("list-page").textContent = `${count(first)} to ${count(first + page.documents.length - 1)} of ${count(page.total)}`;
    if (page.documents.some(({ state }) => MOVING.includes(state))) lookAgain();
  };
}

function lookAgain() {
  clearTimeout(timer);
  timer = setTimeout(() => (isOpen && !document.hidden ? load() : null), LOOKS_EVERY_MS);
}

function sumOf({ total, pages_without_text: empty }, name) {
  if (!total) return name ? `No name begins with “${name}”.` : "No documents yet. Drop some above: they can be asked about once they are read.";
  const without = empty ? ` ${counted(empty, "page")} of them without text.` : "";
  return `${counted(total, "document")}.${without}`;
}

async function hits(query) {
  const body = JSON.stringify({ query, space: byId("list-space").value, limit: HITS });
  const found = await json("api/search", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  return () => {
    byId("list-sum").textContent = found.hits.length ? `${counted(found.hits.length, "passage")}, best first.` : "No passage says anything like it.";
    byId("list-pages").hidden = true;
    fill(found.hits.map(hitOf));
  };
}

/** Rows in place of the former ones; who was in a row by keyboard stays in it. */
function fill(rows) {
  const focused = document.activeElement?.dataset?.key;
  byId("list").replaceChildren(...rows);
  if (focused) byId("list").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function rowOf(document) {
  const { id, name, state, detail } = document;
  const ask = () => {
    askAbout(id, name);
    location.hash = "#ask";
  };
  const open = () => openText(document);
  const title = element("button", { type: "button", class: "link name", text: name, onclick: open, "data-key": `open ${id}` });
  title.disabled = !document.version;
  const remove = element("button", { type: "button", class: "quiet", text: "Delete", "aria-label": `Delete ${name}` });
  remove.dataset.key = `delete ${id}`;
  remove.addEventListener("click", () => confirmDelete(document));
  remove.disabled = state === "erasing";
  remove.hidden = !mayWrite();
  const question = element("button", { type: "button", class: "quiet", text: "Ask", "aria-label": `Ask about ${name}`, onclick: ask });
  question.disabled = !document.version;
  question.dataset.key = `ask ${id}`;
  return element(
    "li",
    {},
    element("div", { class: "what" }, title, element("span", { class: "hint", text: knownOf(document) })),
    element("span", { class: `badge ${state}`, text: STATES[state] ?? state }),
    element("div", { class: "row-actions" }, question, remove),
    detail ? element("p", { class: "why", text: detail }) : null,
  );
}

function knownOf({ pages, pages_read: read, pages_without_text: empty, size_bytes: bytes, changed_ms: changed, redactions }) {
  const secrets = Object.values(redactions ?? {}).reduce((sum, number) => sum + number, 0);
  const parts = [
    pages ? counted(pages, "page") : read ? `${counted(read, "page")} so far` : "",
    empty?.length ? `${count(empty.length)} without text` : "",
    bytes ? size(bytes) : "",
    secrets ? `${counted(secrets, "secret")} taken out` : "",
    changed ? new Date(changed).toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" }) : "",
  ];
  return parts.filter(Boolean).join(" · ");
}

function openText({ id, version, name, pages }) {
  location.hash = "#ask";
  // After the section has changed, which moves the focus.
  setTimeout(() => showPassage({ document: id, version, name, page: pages ? 1 : null, start: 0, end: 0, quote: "" }));
}

function hitOf(hit) {
  const best = hit.sentences?.[0] ?? hit;
  const quote = [...hit.text].slice(best.start - hit.start, best.end - hit.start).join("");
  const open = () => {
    location.hash = "#ask";
    setTimeout(() => showPassage({ ...hit, page: best.page || hit.page, start: best.start, end: best.end, quote }));
  };
  const title = element("button", { type: "button", class: "link name", text: whereOf(hit), onclick: open });
  return element("li", { class: "hit" }, element("div", { class: "what" }, title, element("q", { text: quote })));
}

function confirmDelete({ id, name }) {
  const dialog = byId("delete-dialog");
  byId("delete-what").textContent = `“${name}” is erased: its text, what it is found by, the original, and answers that quote it. This can’t be undone.`;
  dialog.returnValue = "";
  dialog.addEventListener("close", () => dialog.returnValue === "delete" && erase(id, name), { once: true });
  dialog.showModal();
}

async function erase(id, name) {
  try {
    const { state } = await (await request(`api/documents/${id}`, { method: "DELETE" })).json();
    announce(`${name} is ${state === "erased" ? "deleted" : "being deleted"}.`);
    spaces.refresh();
    await load();
    byId("list-find").focus();
  } catch (refused) {
    showSentence(byId("list-error"), refused.message);
  }
}
