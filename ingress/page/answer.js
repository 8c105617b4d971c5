// One answer on the page: from "waiting" over pieces of text to marks that open passages. Asks nothing by itself.

import { announce, element } from "./dom.js";
import { count, counted, duration } from "./words.js";
import { showPassage } from "./reader.js";

/** A longer answer is not read out whole unasked. */
const READ_OUT = 600;
const SAID_BY = {
  quote: "The document’s own sentences",
  model: "In the model’s words",
  both: "The model’s words, and the document’s own sentences",
};

/** The card of one question; it is what a question tells how it is getting on. */
export class AnswerCard {
  constructor(query, pasted, { onStop, onRemove }) {
    this.pasted = pasted;
    this.evidence = [];
    this.received = "";
    this.status = element("p", { class: "state" });
    this.text = document.createTextNode("");
    this.body = element("div", { class: "answer-text", "aria-busy": "true" }, this.text);
    this.sources = element("div", { class: "sources" });
    this.foot = element("p", { class: "hint foot" });
    this.notice = element("p", { class: "notice", hidden: true });
    this.stopButton = element("button", { type: "button", text: "Stop", onclick: onStop });
    this.removeButton = element("button", { type: "button", class: "quiet", text: "Remove", hidden: true });
    this.removeButton.addEventListener("click", () => onRemove(this));
    this.copyButton = element("button", { type: "button", class: "quiet", text: "Copy", hidden: true });
    this.copyButton.addEventListener("click", () => this.#copy());
    const actions = element("div", { class: "actions" }, this.stopButton, this.copyButton, this.removeButton);
    this.root = element(
      "article",
      { class: "card answer", "aria-label": `Question: ${query}` },
      element("h2", { class: "asked", text: query }),
      this.status,
      this.notice,
      this.body,
      this.sources,
      this.foot,
      actions,
    );
    this.#say("Sending the question …");
  }

  onRefused(seconds, refused) {
    this.root.classList.toggle("refused", seconds > 0);
    const why = refused.title || "The system is busy";
    this.#say(seconds > 0 ? `${why}: going on by itself in ${seconds} s.` : "Asking again …", seconds % 10 === 0);
  }

  onAccepted() {
    this.#say("Accepted. Looking for the sentences that answer …");
  }

  onPlace(position, expectedS) {
    if (this.received) return;
    const before = position > 0 ? `In the queue, ${counted(position, "question")} before this one` : "Next in the queue";
    this.#say(expectedS ? `${before}. The answer is expected in about ${duration(Math.max(Math.round(expectedS), 1))}.` : `${before}.`);
  }

  onEvidence(evidence) {
    this.evidence = evidence;
    this.#say("Found these sentences. Writing the answer …");
    this.#showSources("Found", evidence);
  }

  onPiece(piece) {
    if (!this.received) this.#say("Answering …");
    this.received += piece;
    this.text.appendData(piece);
  }

  onRestart() {
    this.received = "";
    this.text.data = "";
    this.#say("The worker was restarted: answering once more …");
  }

  /** The end: the whole answer, its marks, what supports it. */
  finish(answer) {
    const citations = answer.citations ?? [];
    this.#mark(answer.answer, citations);
    this.notice.classList.toggle("doubt", answer.answerable === false);
    this.notice.hidden = answer.answerable !== false;
    this.notice.textContent = doubtOf(citations.length > 0 || answer.answer.trim() !== "");
    this.#showSources("Sources", citations);
    this.foot.textContent = footOf(answer);
    this.#end("");
    this.copyButton.hidden = false;
    const doubt = answer.answerable === false ? "The document does not seem to say. " : "";
    announce(doubt + (answer.answer.length > READ_OUT ? `The answer has ${count(answer.answer.length)} characters.` : answer.answer));
  }

  /** The end without an answer. */
  fail(title, sentence) {
    this.text.data = this.received;
    this.notice.hidden = false;
    this.notice.classList.add("bad");
    this.notice.textContent = sentence;
    this.#end(title);
    announce(`${title}. ${sentence}`);
  }

  stopped() {
    this.#end(this.received ? "Stopped. This is what had come." : "Stopped.");
  }

  #end(state) {
    this.#say(state);
    this.body.removeAttribute("aria-busy");
    this.body.hidden = !this.body.textContent;
    this.root.classList.remove("refused");
    this.root.classList.add("ended");
    const hadFocus = document.activeElement === this.stopButton;
    this.stopButton.hidden = true;
    this.removeButton.hidden = false;
    if (hadFocus) this.removeButton.focus();
  }

  #say(state, aloud = true) {
    this.status.textContent = state;
    this.status.hidden = !state;
    if (state && aloud) announce(state);
  }

  /** The answer with a mark behind each sentence that is a citation; marks of the others at its end. */
  #mark(text, citations) {
    const parts = [];
    const placed = new Set();
    let at = 0;
    for (const { number, end } of placesIn(text, citations)) {
      parts.push(text.slice(at, end), this.#markOf(citations[number - 1], number));
      placed.add(number);
      at = end;
    }
    parts.push(text.slice(at));
    citations.forEach((citation, n) => placed.has(n + 1) || parts.push(this.#markOf(citation, n + 1)));
    this.body.replaceChildren(...parts);
    this.copied = text;
  }

  #markOf(citation, number) {
    const label = `Source ${number}: ${whereOf(citation)}`;
    const open = () => showPassage(citation, this.pasted);
    return element("button", { type: "button", class: "ref", text: number, "aria-label": label, onclick: open });
  }

  #showSources(title, citations) {
    if (!citations.length) return this.sources.replaceChildren();
    const items = citations.map((citation, n) => {
      const open = () => showPassage(citation, this.pasted);
      const where = element("button", { type: "button", class: "link", text: whereOf(citation), onclick: open });
      const number = element("span", { class: "number", text: n + 1, "aria-hidden": "true" });
      return element("li", {}, number, element("div", {}, where, element("q", { text: citation.quote })));
    });
    this.sources.replaceChildren(element("h3", { text: title }), element("ol", { class: "cited" }, ...items));
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.copied);
      announce("Copied.");
      this.copyButton.textContent = "Copied";
    } catch {
      this.copyButton.textContent = "The browser does not allow it";
    }
  }
}

/** "lease.pdf, page 3". */
export function whereOf({ name, page, start, end }) {
  if (!name) return `Characters ${count(start + 1)} to ${count(end)}`;
  return page ? `${name}, page ${count(page)}` : name;
}

/** Where citations belong in an answer: behind what they support, or what they say word for word; in the text's order. */
function placesIn(text, citations) {
  const points = Array.from(text);
  const found = citations.map((citation, n) => ({ number: n + 1, end: endOf(citation, text, points) }));
  return found.filter(({ end }) => end >= 0).sort((one, other) => one.end - other.end);
}

/** The API counts code points, and strings count otherwise here; -1 where a citation has no place. */
function endOf({ answer_end: end, quote }, text, points) {
  if (Number.isInteger(end)) return points.slice(0, end).join("").length;
  const at = text.indexOf(quote);
  return at < 0 ? -1 : at + quote.length;
}

function doubtOf(hasText) {
  const why = hasText ? " What follows is the nearest that was found." : "";
  return `The document does not seem to say.${why}`;
}

function footOf({ answer_from: from, support, model, usage, timings }) {
  const parts = [SAID_BY[from] ?? ""];
  if (typeof support === "number") parts.push(`support ${Math.round(support * 100)}%`);
  if (from !== "quote") parts.push(model);
  if (usage?.completion_tokens) parts.push(`${count(usage.completion_tokens)} tokens`);
  if (timings) parts.push(duration(timings.total_ms / 1000));
  return parts.filter(Boolean).join(" · ");
}
