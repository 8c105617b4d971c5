// Files on their way in: sent a few at a time, followed until they are read, each failure with its sentence.

import { addressOf, credentials, json, patiently, refusedBy, tokenInPlaceOf } from "./api.js";
import { announce, byId, element } from "./dom.js";
import { count, size } from "./words.js";

const AT_ONCE = 3;
const LOOKS_EVERY_MS = 1000;
const MOST_SHOWN = 30;
const ENDED = ["ready", "failed"];

const uploads = [];
let sending = 0;
let looking = null;
let onReady = () => {};

/** Connect the drop area and the button; `spaceNow()` is where files go, `onChange()` is called when one was taken. */
export function startUploads(spaceNow, onChange) {
  onReady = onChange;
  const drop = byId("drop");
  const files = byId("upload-files");
  files.addEventListener("change", () => {
    add([...files.files], spaceNow());
    files.value = "";
  });
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragenter" || name === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => add([...event.dataTransfer.files], spaceNow()));
  // A file that misses the area must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  byId("uploads-clear").addEventListener("click", () => {
    keep((upload) => !upload.isOver);
    byId("upload-files").focus();
  });
}

function add(files, space) {
  uploads.push(...files.map((file) => new Upload(file, space)));
  if (files.length) announce(`${files.length === 1 ? "One file" : `${count(files.length)} files`} to send.`);
  show();
  sendMore();
}

function keep(condition) {
  uploads.splice(0, uploads.length, ...uploads.filter(condition));
  show();
}

function sendMore() {
  for (const upload of uploads.filter(({ state }) => state === "waiting")) {
    if (sending >= AT_ONCE) return;
    sending += 1;
    upload.send().finally(() => {
      sending -= 1;
      show();
      onReady();
      sendMore();
      look();
    });
  }
}

/** One request a second at most, for the documents that are being read, in turn. */
function look() {
  if (looking || !uploads.some(({ state }) => state === "reading")) return;
  looking = setTimeout(async () => {
    const next = uploads.filter(({ state }) => state === "reading").sort((one, other) => one.lookedAt - other.lookedAt)[0];
    if (next && !document.hidden) await next.look();
    looking = null;
    look();
  }, LOOKS_EVERY_MS);
}

function show() {
  byId("uploads").hidden = !uploads.length;
  const of = (...states) => uploads.filter(({ state }) => states.includes(state)).length;
  const parts = [
    [of("waiting", "sending"), "to send"],
    [of("reading"), "being read"],
    [of("ready"), "ready"],
    [of("failed"), "failed"],
  ];
  byId("uploads-sum").textContent = parts.filter(([number]) => number).map(([number, what]) => `${count(number)} ${what}`).join(", ");
  // What failed or is moving is worth its place; of the rest the first.
  const first = (upload) => ["failed", "sending", "reading", "waiting", "ready"].indexOf(upload.state);
  const shown = [...uploads].sort((one, other) => first(one) - first(other)).slice(0, MOST_SHOWN);
  const rows = shown.map(({ row }) => row);
  const more = uploads.length - shown.length;
  const list = byId("uploads-list");
  const wanted = more ? [...rows, element("li", { class: "hint", text: `and ${count(more)} more` })] : rows;
  if (wanted.length !== list.children.length || wanted.some((row, n) => row !== list.children[n])) list.replaceChildren(...wanted);
}

class Upload {
  constructor(file, space) {
    this.file = file;
    this.name = file.name;
    this.space = space;
    this.state = "waiting";
    this.lookedAt = 0;
    this.bar = element("progress", { max: 1, value: 0, "aria-label": `Sending ${file.name}` });
    this.said = element("span", { class: "state", text: `Waiting, ${size(file.size)}` });
    this.row = element("li", {}, element("span", { class: "name", text: file.name }), this.bar, this.said);
  }

  get isOver() {
    return ENDED.includes(this.state);
  }

  async send() {
    this.#become("sending", "Sending");
    try {
      const onWait = (left, refused) => this.#say(left ? `${refused.title}: again in ${left} s` : "Sending");
      const { id, state } = await patiently(() => this.#sent(), { onWait });
      this.id = id;
      // The bytes are there now; the page need not hold on to the file.
      this.file = null;
      if (state === "ready") this.#become("ready", "Ready");
      else this.#become("reading", "Waiting to be read");
    } catch (refused) {
      this.#fail(refused.message);
    }
  }

  async look() {
    this.lookedAt = performance.now();
    try {
      const status = await json(`api/documents/${this.id}`);
      if (status.state === "ready") this.#become("ready", readyAs(status));
      else if (status.state === "failed") this.#fail(status.detail || "It could not be read.");
      else if (status.state === "reading") this.#say(status.pages_read ? `Reading, ${count(status.pages_read)} pages so far` : "Reading");
    } catch (refused) {
      if (refused.status === 404) this.#fail("It was deleted.");
    }
    show();
    if (this.isOver) onReady();
  }

  async #sent() {
    for (;;) {
      const sent = credentials();
      const refused = await this.#post(sent);
      if (refused.status !== 401) {
        if (refused.message) throw refused;
        return refused;
      }
      await tokenInPlaceOf(sent, refused);
    }
  }

  /** What was taken, or a Refused. XMLHttpRequest, since fetch does not say how much was sent. */
  #post(sent) {
    const sending = new XMLHttpRequest();
    const query = this.space ? `?${new URLSearchParams({ space: this.space })}` : "";
    sending.open("POST", addressOf(`api/documents${query}`));
    for (const [name, value] of Object.entries(sent)) sending.setRequestHeader(name, value);
    sending.setRequestHeader("Content-Type", this.file.type || "application/octet-stream");
    const name = encodeURIComponent(this.file.name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
    sending.setRequestHeader("Content-Disposition", `attachment; filename*=UTF-8''${name}`);
    sending.upload.addEventListener("progress", ({ loaded, total }) => (this.bar.value = total ? loaded / total : 0));
    return new Promise((resolve) => {
      const broken = { detail: "The connection broke while it was sent: it is too large, or the system stopped." };
      const header = (wanted) => sending.getResponseHeader(wanted);
      sending.addEventListener("error", () => resolve(refusedBy(0, JSON.stringify(broken), () => null)));
      sending.addEventListener("load", () => {
        const isTaken = sending.status >= 200 && sending.status < 300;
        resolve(isTaken ? JSON.parse(sending.responseText) : refusedBy(sending.status, sending.responseText, header));
      });
      sending.send(this.file);
    });
  }

  #become(state, sentence) {
    this.state = state;
    this.row.className = state;
    this.bar.hidden = state !== "sending";
    this.#say(sentence);
  }

  #fail(sentence) {
    this.file = null;
    this.#become("failed", sentence);
    announce(`${this.name}: ${sentence}`);
  }

  #say(sentence) {
    this.said.textContent = sentence;
  }
}

function readyAs({ pages, pages_without_text: empty = [] }) {
  const read = pages ? `Ready, ${count(pages)} page${pages === 1 ? "" : "s"}` : "Ready";
  return empty.length ? `${read}, ${count(empty.length)} without text` : read;
}
