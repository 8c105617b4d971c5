// The documents, or the one folder of `root`, that the next question is to be answered from.

import { afterPause, byId, element, showSentence } from "./dom.js";
import { json } from "./api.js";
import { ROOT, spaces } from "./spaces.js";

const OFFERED = 8;
const LISTED_OF_ROOT = 100;
const SPACES_LOOKED_IN = 10;

/** Names of chosen documents by id; or one folder, as its path. */
const documents = new Map();
let folder = "";

/** Connect the field; once. */
export function startChooser() {
  byId("ask-find").addEventListener("input", afterPause(offer));
  byId("ask-find").addEventListener("focus", offer);
}

/** Choose this document too. */
export function choose(id, name) {
  folder = "";
  documents.set(id, name);
}

/** Show what is chosen, and what could be. */
export function showChooser() {
  const kind = hasRoot() ? "document or folder" : "document";
  byId("ask-find-label").textContent = `Find a ${kind} by the beginning of its name`;
  showChosen();
  offer();
}

/** Those members of a question that say what is chosen; null where nothing is. */
export function chosenSource() {
  if (folder) return { path: folder.replace(/\/$/, "") };
  return documents.size ? { documents: [...documents.keys()] } : null;
}

const hasRoot = () => spaces.names(Infinity).includes(ROOT);

function showChosen() {
  const chips = [...documents].map(([id, name]) => chipOf(name, () => documents.delete(id)));
  if (folder) chips.push(chipOf(`All in ${folder}`, () => (folder = "")));
  byId("ask-chosen").replaceChildren(...chips);
}

function chipOf(name, leaveOut) {
  const remove = element("button", { type: "button", class: "quiet", text: "✕", "aria-label": `Leave out ${name}` });
  remove.addEventListener("click", () => {
    leaveOut();
    showChosen();
    byId("ask-find").focus();
  });
  return element("li", {}, element("span", { text: name, dir: "auto", title: name }), remove);
}

/** Documents of all spaces whose names begin with what was typed, and folders of `root`. */
async function offer() {
  const name = byId("ask-find").value;
  try {
    const found = (await Promise.all(spaces.names(SPACES_LOOKED_IN).map((space) => listed(space, name)))).flat();
    if (name !== byId("ask-find").value) return;
    const offers = foldersIn(found, name).map((path) => offerOf(`${path} (all in this folder)`, () => takeFolder(path)));
    const readable = found.filter(({ version }) => version);
    readable.sort((one, other) => one.name.localeCompare(other.name));
    offers.push(...readable.map(({ id, name: called }) => offerOf(called, () => choose(id, called))));
    if (!offers.length) offers.push(element("li", { class: "hint", text: name ? `No name begins with “${name}”.` : "There are no documents yet." }));
    byId("ask-found").replaceChildren(...offers.slice(0, OFFERED));
  } catch (refused) {
    showSentence(byId("ask-error"), refused.message);
  }
}

async function listed(space, name) {
  const limit = space === ROOT ? LISTED_OF_ROOT : OFFERED;
  const found = await json(`api/documents?${new URLSearchParams({ space, name, limit })}`);
  return found.documents.map((document) => ({ ...document, space }));
}

/** The next folder below what was typed, of each document of `root`; at most half of what is offered. */
function foldersIn(found, typed) {
  const paths = found.filter(({ space }) => space === ROOT).map(({ name }) => name.slice(0, name.indexOf("/", typed.length) + 1));
  return [...new Set(paths.filter(Boolean))].sort().slice(0, OFFERED / 2);
}

function takeFolder(path) {
  documents.clear();
  folder = path;
}

function offerOf(text, take) {
  const taken = () => {
    take();
    byId("ask-find").value = "";
    byId("ask-found").replaceChildren();
    showChosen();
    byId("ask-question").focus();
  };
  return element("li", {}, element("button", { type: "button", class: "link", text, dir: "auto", onclick: taken }));
}
