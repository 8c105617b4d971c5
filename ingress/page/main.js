// The page: its sections by the address's fragment, and the start of each part.

import { byId } from "./dom.js";
import { documentsOpened, startDocuments } from "./documents.js";
import { spaces } from "./spaces.js";
import { startAsking } from "./ask.js";
import { startQueue } from "./queue.js";
import { showPassage, startReader } from "./reader.js";
import { startTable } from "./table.js";
import { showUsage, showUser } from "./usage.js";

const SECTIONS = { "#ask": "Ask", "#documents": "Documents", "#table": "Table", "#queue": "Queue" };

/** A link to a passage, as annotations of OpenAI's API have it: `#passage?document=…&version=…&start=…&end=…&page=…`. */
function openLinked() {
  const [kind, place] = location.hash.split("?");
  const wanted = new URLSearchParams(place);
  const id = wanted.get("document") ?? "";
  if (kind !== "#passage" || !/^[0-9a-f-]{36}$/.test(id)) return;
  const [start, end, page] = ["start", "end", "page"].map((name) => Number.parseInt(wanted.get(name), 10) || 0);
  showPassage({ document: id, version: wanted.get("version"), start, end, page: page || null, name: "", quote: "" });
}

function showSection() {
  const wanted = location.hash in SECTIONS ? location.hash : "#ask";
  for (const hash of Object.keys(SECTIONS)) {
    byId(`view-${hash.slice(1)}`).hidden = hash !== wanted;
    const link = document.querySelector(`nav a[href="${hash}"]`);
    if (hash === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${SECTIONS[wanted]} · Goblin DocQA`;
  documentsOpened(wanted === "#documents");
  if (wanted === "#queue") showUsage();
  else spaces.refresh();
  openLinked();
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
startReader();
startAsking();
startDocuments();
startTable();
startQueue();
window.addEventListener("hashchange", showSection);
showSection();
showUser();
