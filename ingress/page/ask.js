// The form that asks: what to answer from, the question, and the cards of what was asked in this tab.

import { Asked, Stopped } from "./question.js";
import { AnswerCard } from "./answer.js";
import { choose, chosenSource, showChooser, startChooser } from "./chooser.js";
import { byId, element, showSentence } from "./dom.js";
import { spaces } from "./spaces.js";
import { counted } from "./words.js";

const MOST_CARDS = 20;
const SOURCES = ["space", "documents", "text"];

/** Connect the form; once. */
export function startAsking() {
  const form = byId("ask-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  form.addEventListener("change", (event) => event.target.name === "source" && showSource());
  byId("ask-question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  startChooser();
  byId("ask-space").addEventListener("change", sayWhatIsThere);
  spaces.onChange(fillSpaces);
}

/** Ask about this document from now on. */
export function askAbout(id, name) {
  choose(id, name);
  byId("ask-form").elements.source.value = "documents";
  showSource();
  byId("ask-question").focus();
}

function showSource() {
  const source = byId("ask-form").elements.source.value;
  for (const name of SOURCES) byId(`source-${name}`).hidden = name !== source;
  showSentence(byId("ask-error"), "");
  if (source === "documents") showChooser();
}

function fillSpaces(found) {
  spaces.fillToAsk(byId("ask-space"), found);
  sayWhatIsThere();
}

/** The first choice by its name, how much there is, and the way to documents where there are none. */
function sayWhatIsThere() {
  const { documents, isOwn } = spaces.of(byId("ask-space").value);
  const hasChoice = byId("ask-space").options.length > 1;
  byId("ask-whole").textContent = isOwn && !hasChoice ? "All my documents" : "A whole space";
  const hint = byId("ask-space-hint");
  if (documents === 0) {
    const way = element("a", { href: "#documents", text: "Add some" });
    hint.replaceChildren("There are no documents here yet. ", way, ", or paste a text.");
  } else hint.textContent = documents ? counted(documents, "document") : "";
}

/** The question as the API takes it, or the sentence that says what is missing. */
function composed() {
  const source = byId("ask-form").elements.source.value;
  const question = { query: byId("ask-question").value.trim() };
  if (!question.query) return "Write a question first.";
  if (byId("ask-style").value) question.style = byId("ask-style").value;
  if (byId("ask-length").value) question.max_tokens = Number(byId("ask-length").value);
  if (source === "space") question.space = byId("ask-space").value;
  if (source === "documents") Object.assign(question, chosenSource());
  if (source === "text") question.context = byId("ask-text").value;
  if (source === "space" && !question.space) return "The library does not say yet which spaces there are: try again.";
  if (source === "documents" && !chosenSource()) return "Choose a document first.";
  if (source === "text" && !question.context.trim()) return "Paste the text that the answer should come from first.";
  return question;
}

async function ask() {
  const question = composed();
  showSentence(byId("ask-error"), typeof question === "string" ? question : "");
  if (typeof question === "string") return;
  const remove = (card) => {
    card.root.remove();
    byId("ask-question").focus();
  };
  const card = new AnswerCard(question.query, question.context, { onStop: () => asked.stop(), onRemove: remove });
  const asked = new Asked(question, card);
  byId("answers").prepend(card.root);
  card.root.scrollIntoView({ block: "nearest" });
  for (const old of [...document.querySelectorAll("#answers > .ended")].slice(MOST_CARDS - 1)) old.remove();
  byId("ask-question").value = "";
  try {
    card.finish(await asked.answer());
  } catch (error) {
    if (error instanceof Stopped) card.stopped();
    else card.fail(error.title || "No answer", error.message);
  }
}
