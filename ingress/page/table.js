// One question to every document of a space, a few at a time, as a table that can be saved.

import { announce, byId, element, showSentence } from "./dom.js";
import { Asked, Stopped } from "./question.js";
import { json, pause } from "./api.js";
import { save } from "./original.js";
import { showPassage } from "./reader.js";
import { spaces } from "./spaces.js";
import { count } from "./words.js";

const AT_ONCE = 2;
const A_PAGE = 50;
const LISTED = 200;
const UNREACHABLE_MS = 5000;

let run = null;
let page = 0;

/** Connect the section; once. */
export function startTable() {
  byId("table-form").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  byId("table-stop").addEventListener("click", () => run.stop());
  byId("table-save").addEventListener("click", saveCsv);
  byId("table-next").addEventListener("click", () => turn(1));
  byId("table-back").addEventListener("click", () => turn(-1));
  spaces.onChange((names) => spaces.fillToAsk(byId("table-space"), names));
}

async function start() {
  const query = byId("table-question").value.trim();
  if (!query) return showSentence(byId("table-error"), "Write a question first.");
  showSentence(byId("table-error"), "");
  page = 0;
  run = new Run(query, byId("table-space").value, byId("table-name").value);
  const current = run;
  try {
    showState();
    await current.go(showState);
    announce(`${count(current.done)} documents were asked.`);
  } catch (refused) {
    showSentence(byId("table-error"), refused.message);
  } finally {
    current.isOver = true;
    showState();
  }
}

/** One pass over the documents of a space. */
class Run {
  constructor(query, space, name) {
    Object.assign(this, { query, space, name, rows: [], done: 0, waits: "", isOver: false });
    this.running = new Set();
    this.isStopped = false;
  }

  async go(onChange) {
    this.onChange = onChange;
    await this.#list();
    const rows = this.rows.values();
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#askAll(rows)));
  }

  stop() {
    this.isStopped = true;
    for (const asked of this.running) asked.stop();
  }

  async #list() {
    let cursor = "";
    do {
      const wanted = new URLSearchParams({ space: this.space, name: this.name, cursor, limit: LISTED });
      const found = await json(`api/documents?${wanted}`);
      this.rows.push(...found.documents.filter(({ version }) => version).map(({ id, name }) => ({ id, name })));
      cursor = found.cursor ?? "";
      this.onChange();
    } while (cursor && !this.isStopped);
  }

  /** Takes its next document from the same rows as its neighbour. */
  async #askAll(rows) {
    for (const row of rows) {
      if (this.isStopped) return;
      await this.#ask(row);
      if (row.error || row.answer !== undefined) this.done += 1;
      this.onChange();
    }
  }

  /** Ask one document; while the system does not answer at all, wait for it and do not go through the others. */
  async #ask(row) {
    do await this.#tried(row);
    while (row.isUnreachable && !this.isStopped);
  }

  async #tried(row) {
    row.isUnreachable = false;
    const asked = new Asked({ query: this.query, documents: [row.id], class: "batch" }, this);
    this.running.add(asked);
    try {
      // Only what the table shows is kept.
      const { answer, citations = [], answerable, support } = await asked.answer();
      const [citation] = citations;
      Object.assign(row, { answer, citation, answerable, support });
    } catch (error) {
      row.isUnreachable = error.kind === "unreachable";
      if (row.isUnreachable) await this.#waitFor(error);
      else if (!(error instanceof Stopped)) row.error = error.message;
    } finally {
      this.running.delete(asked);
    }
  }

  async #waitFor(error) {
    this.waits = error.message;
    this.onChange();
    await pause(UNREACHABLE_MS);
    this.waits = "";
  }

  onRefused(seconds, refused) {
    this.waits = seconds ? `${refused.title}: going on by itself in ${seconds} s.` : "";
    this.onChange();
  }

  onAccepted() {}
  onPlace() {}
  onEvidence() {}
  onPiece() {}
  onRestart() {}
}

function showState() {
  const { rows, done, isOver, isStopped, waits } = run;
  byId("table-start").hidden = !isOver;
  byId("table-stop").hidden = isOver;
  byId("table-save").hidden = !rows.length;
  byId("table-progress").hidden = false;
  byId("table-bar").max = Math.max(rows.length, 1);
  byId("table-bar").value = done;
  byId("table-sum").textContent = rows.length || !isOver ? `${count(done)} of ${count(rows.length)} documents. ${isStopped && isOver ? "Stopped." : waits}` : "There is no document that could be asked.";
  byId("table-scroll").hidden = !rows.length;
  const pages = Math.ceil(rows.length / A_PAGE);
  byId("table-pages").hidden = pages < 2;
  byId("table-page").textContent = `Page ${count(page + 1)} of ${count(pages)}`;
  byId("table-back").disabled = page === 0;
  byId("table-next").disabled = page + 1 >= pages;
  drawRows(rows.slice(page * A_PAGE, (page + 1) * A_PAGE));
}

function turn(by) {
  page += by;
  showState();
}

/** Rows are made once and changed only where their document was answered since. */
function drawRows(rows) {
  const body = byId("table-rows");
  for (const row of rows) if (!row.drawn || row.drawnAs !== stateOf(row)) draw(row);
  const elements = rows.map(({ drawn }) => drawn);
  if (elements.length !== body.children.length || elements.some((one, n) => one !== body.children[n])) {
    for (const row of run.rows) if (row.drawn && !rows.includes(row)) row.drawn = null;
    body.replaceChildren(...elements);
  }
}

function draw(row) {
  const cells = [
    element("th", { scope: "row", text: row.name }),
    answerCell(row),
    element("td", {}, row.citation ? pageButton(row) : ""),
    element("td", { text: typeof row.support === "number" ? `${Math.round(row.support * 100)}%` : "" }),
  ];
  row.drawnAs = stateOf(row);
  if (row.drawn) row.drawn.replaceChildren(...cells);
  else row.drawn = element("tr", {}, ...cells);
}

const stateOf = ({ answer, error }) => (error ? "failed" : answer === undefined ? "open" : "answered");

function answerCell({ answer, error, answerable }) {
  if (error) return element("td", { class: "failed", text: error });
  if (answer === undefined) return element("td", { class: "hint", text: "…" });
  const doubt = answerable === false ? element("span", { class: "badge doubt", text: "Does not seem to say" }) : null;
  return element("td", { class: "text" }, doubt, answer);
}

function pageButton({ citation, name }) {
  const open = () => {
    location.hash = "#ask";
    setTimeout(() => showPassage(citation));
  };
  const text = citation.page ? count(citation.page) : "Open";
  return element("button", { type: "button", class: "link", text, "aria-label": `Open the passage of ${name}`, onclick: open });
}

function saveCsv() {
  const lines = [["document", "answer", "page", "quote", "support", "seems answered", "error"]];
  for (const { name, answer, citation, support, answerable, error } of run.rows) {
    lines.push([name, answer, citation?.page, citation?.quote, support?.toFixed(2), answerable, error]);
  }
  // With a byte order mark, by which spreadsheets know UTF-8.
  const text = `\ufeff${lines.map((cells) => cells.map(cellOf).join(",")).join("\r\n")}\r\n`;
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  save(address, "answers.csv");
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A cell of CSV (RFC 4180). A spreadsheet would run what begins like a formula: it gets an apostrophe before it. */
export function cellOf(value) {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
