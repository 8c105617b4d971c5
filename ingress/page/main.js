// The page: its sections by the address's fragment, and the start of each part.

import { byId } from "./dom.js";
import { documentsOpened, startDocuments } from "./documents.js";
import { spaces } from "./spaces.js";
import { startAsking } from "./ask.js";
import { startQueue } from "./queue.js";
import { startReader } from "./reader.js";
import { startTable } from "./table.js";
import { showUsage, showUser } from "./usage.js";

const SECTIONS = { "#ask": "Ask", "#documents": "Documents", "#table": "Table", "#queue": "Queue" };

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
