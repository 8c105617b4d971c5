// The passage behind a citation: a stretch of a document's text around it, highlighted, its page named.
// Offsets are code points, as in the API; JavaScript's strings count otherwise, so texts are cut as arrays of them.

import { announce, byId, element, showSentence } from "./dom.js";
import { json } from "./api.js";
import { openOriginal } from "./original.js";

const AROUND = 1500;
const STEP = 4000;
const MOST = 24000;

/** Below this width the passage covers the rest (style.css): then nothing behind it can be reached. */
const NARROW = matchMedia("(max-width: 71.99rem)");

let shown = null;
let cameFrom = null;

/** Open what a citation points to; `pasted` is the text that it counts in where it names no document. */
export async function showPassage(citation, pasted) {
  cameFrom = document.activeElement;
  const passage = citation.document ? new StoredText(citation) : new PastedText(citation, pasted);
  shown = passage;
  open(citation);
  try {
    await passage.load();
    if (shown === passage) fill(passage);
    if (citation.document) await offerOriginal(passage);
  } catch (refused) {
    if (shown === passage) showSentence(byId("reader-error"), refused.message);
  }
}

function cover() {
  const covers = Boolean(shown) && NARROW.matches && !byId("view-ask").hidden;
  for (const behind of document.querySelectorAll(".top, #view-ask > .column")) behind.inert = covers;
}

/** Close it, and go back to the mark that opened it. */
export function closeReader() {
  shown = null;
  cover();
  byId("reader").classList.remove("open");
  byId("reader-close").hidden = true;
  byId("reader-scroll").hidden = true;
  byId("reader-original").hidden = true;
  byId("reader-title").textContent = "The passage";
  byId("reader-place").textContent = "Choose a numbered mark of an answer: what it rests on opens here.";
  byId("reader-text").replaceChildren();
  showSentence(byId("reader-error"), "");
  cameFrom?.focus?.();
  cameFrom = null;
}

/** Connect the reader's own buttons; once. */
export function startReader() {
  byId("reader-close").addEventListener("click", closeReader);
  NARROW.addEventListener("change", cover);
  window.addEventListener("hashchange", () => setTimeout(cover));
  byId("reader").addEventListener("keydown", (event) => event.key === "Escape" && shown && closeReader());
  byId("reader-before").addEventListener("click", () => more("before"));
  byId("reader-after").addEventListener("click", () => more("after"));
  byId("reader-original").addEventListener("click", async () => {
    showSentence(byId("reader-error"), "");
    const { document: id, name, page } = shown.citation;
    const problem = await openOriginal({ id, name: shown.name || name, page, mediaType: shown.mediaType });
    showSentence(byId("reader-error"), problem);
  });
}

function open(citation) {
  byId("reader").classList.add("open");
  byId("reader-close").hidden = false;
  byId("reader-original").hidden = true;
  byId("reader-scroll").hidden = true;
  byId("reader-title").textContent = citation.name || (citation.document ? "The passage" : "Pasted text");
  byId("reader-place").textContent = citation.page ? `Page ${citation.page}` : "";
  showSentence(byId("reader-error"), "");
  cover();
  byId("reader").focus({ preventScroll: true });
}

function fill(passage) {
  byId("reader-title").textContent = passage.name;
  byId("reader-place").textContent = placeOf(passage);
  byId("reader-scroll").hidden = false;
  draw(passage);
  centre(byId("reader-text").querySelector("mark"));
  announce(`${passage.name}, ${placeOf(passage)}: ${passage.citation.quote}`);
}

/** Scrolls the passage alone: the answer beside it stays where it is. */
function centre(mark) {
  const frame = byId("reader-scroll");
  frame.scrollTop = 0;
  if (!mark) return;
  const into = mark.getBoundingClientRect().top - frame.getBoundingClientRect().top;
  frame.scrollTop = into - frame.clientHeight / 3;
}

function placeOf({ citation, pageCount }) {
  if (citation.page) return pageCount > 1 ? `Page ${citation.page} of ${pageCount}` : `Page ${citation.page}`;
  return `Characters ${citation.start + 1} to ${citation.end}`;
}

/** The window of text, cut where pages begin and where the citation does. */
function draw(passage) {
  const { start, end } = passage.citation;
  const cuts = passage.pages.filter(([, at]) => at >= passage.start && at < passage.end);
  const parts = [];
  let at = passage.start;
  let label = null;
  for (const [number, from] of [...cuts, [null, passage.end]]) {
    const stretch = element("div", { class: "stretch" }, ...passage.pieces(at, from, start, end));
    if (label || at < from) parts.push(label, stretch);
    label = element("p", { class: "page-mark", text: `Page ${number}` });
    at = from;
  }
  byId("reader-text").replaceChildren(...parts.filter(Boolean));
  byId("reader-before").hidden = passage.start === 0;
  byId("reader-after").hidden = passage.end >= passage.characters;
}

async function more(side) {
  const passage = shown;
  const button = byId(`reader-${side}`);
  button.disabled = true;
  try {
    await passage.more(side);
    if (shown === passage) draw(passage);
  } catch (refused) {
    showSentence(byId("reader-error"), refused.message);
  } finally {
    button.disabled = false;
  }
}

async function offerOriginal(passage) {
  const status = await json(`api/documents/${passage.citation.document}`);
  if (shown !== passage || !status.has_original) return;
  passage.mediaType = status.media_type ?? "";
  const isPdf = passage.mediaType === "application/pdf";
  const page = isPdf && passage.citation.page ? ` at page ${passage.citation.page}` : "";
  byId("reader-original").textContent = isPdf ? `Open the original${page}` : "Save the original";
  byId("reader-original").hidden = false;
}

/** What both kinds of text share: a window of code points that grows and stays bounded. */
class Window {
  constructor(citation) {
    this.citation = citation;
    this.name = citation.name || "Pasted text";
    this.pages = [];
    this.pageCount = 0;
    this.mediaType = "";
  }

  /** Text nodes for [from, to), and a mark where the citation is. */
  pieces(from, to, start, end) {
    const cuts = [from, Math.min(Math.max(start, from), to), Math.min(Math.max(end, from), to), to];
    const [before, inside, after] = [0, 1, 2].map((n) => this.#cut(cuts[n], cuts[n + 1]));
    // Empty lines around a page are no part of what is shown.
    const [first, last] = inside ? [before.trimStart(), after.trimEnd()] : [before.trimStart(), after.trim()];
    return [first, inside && element("mark", { text: inside }), last].filter(Boolean);
  }

  #cut(from, to) {
    return this.points.slice(from - this.start, to - this.start).join("");
  }

  take(points, start, end) {
    this.points = points;
    this.start = start;
    this.end = end;
  }

  async more(side) {
    if (side === "after") {
      const found = await this.between(this.end, Math.min(this.end + STEP, this.characters));
      const kept = this.points.concat(found).slice(-MOST);
      const end = this.end + found.length;
      this.take(kept, end - kept.length, end);
    } else {
      const found = await this.between(Math.max(this.start - STEP, 0), this.start);
      const kept = found.concat(this.points).slice(0, MOST);
      const start = this.start - found.length;
      this.take(kept, start, start + kept.length);
    }
  }

  async load() {
    const from = Math.max(this.citation.start - AROUND, 0);
    const points = await this.between(from, this.citation.end + AROUND);
    this.take(points, from, from + points.length);
  }
}

class StoredText extends Window {
  async between(start, end) {
    const { document: id, version } = this.citation;
    const points = [];
    for (let at = start; at !== null && at < end; ) {
      const wanted = new URLSearchParams({ start: at, end, ...(version ? { version } : {}) });
      const reply = await json(`api/documents/${id}/text?${wanted}`);
      points.push(...reply.text);
      this.name = reply.name;
      this.characters = reply.characters;
      this.pageCount = reply.page_count;
      this.#note(reply.pages);
      at = reply.next ?? null;
    }
    return points;
  }

  #note(pages) {
    const known = new Map([...this.pages, ...pages].map((page) => [page[0], page]));
    this.pages = [...known.values()].sort((one, other) => one[0] - other[0]).slice(-200);
  }
}

/** Secrets were taken out before offsets were counted: where they do not fit, the quote itself is looked for. */
class PastedText extends Window {
  constructor(citation, text) {
    super(citation);
    this.all = Array.from(text);
    const { start, end, quote } = citation;
    if (this.all.slice(start, end).join("") !== quote) this.#find(text, quote);
    this.characters = this.all.length;
  }

  #find(text, quote) {
    const at = text.indexOf(quote);
    if (at < 0) this.all = Array.from(quote);
    const start = at < 0 ? 0 : Array.from(text.slice(0, at)).length;
    this.citation = { ...this.citation, start, end: start + Array.from(quote).length };
  }

  async between(start, end) {
    return this.all.slice(start, end);
  }
}
