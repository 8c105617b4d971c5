// The spaces that this user may read, known to every form that offers them.

import { element } from "./dom.js";
import { json } from "./api.js";

/** The space of the files below a folder that the library watches. */
export const ROOT = "root";

const listeners = [];
let known = [];

export const spaces = {
  /** Call this with the spaces now and whenever they are read anew. */
  onChange(listener) {
    listeners.push(listener);
    listener(known);
  },

  /** Read them anew; where that fails, what was known stays. */
  async refresh() {
    known = (await fromApi()) ?? known;
    for (const listener of listeners) listener(known);
  },

  /** The names of those that have documents, at most so many. */
  names(most) {
    return known.filter(({ documents }) => documents).map(({ name }) => name).slice(0, most);
  },

  /** What is known of a space: { name, documents, mayWrite, isOwn }; an unknown one may be written until it is known. */
  of(name) {
    return known.find((space) => space.name === name) ?? { name, documents: null, mayWrite: true, isOwn: !name };
  },

  /** Fill a <select>, keep what is chosen in it, and leave it out where there is nothing to choose. */
  fill(select, found) {
    const before = select.value;
    select.replaceChildren(...found.map((space) => element("option", { value: space.name, text: nameOf(space) })));
    if (found.some(({ name }) => name === before)) select.value = before;
    select.closest(".field").hidden = found.length < 2;
  },

  /** The same for a <select> of what can be asked: where the first space is empty and another is not, that one is chosen. */
  fillToAsk(select, found) {
    const isFirst = !select.options.length;
    spaces.fill(select, found);
    const used = found.find(({ documents }) => documents);
    if (isFirst && used) select.value = used.name;
  },
};

const nameOf = ({ name, isOwn }) => (isOwn ? "My documents" : name === ROOT ? "Watched folder (root)" : name);

async function fromApi() {
  try {
    const { spaces: found } = await json("api/spaces");
    // Where no folder is watched, `root` is an empty name.
    const used = found.filter(({ name, documents }) => name !== ROOT || documents > 0);
    return used.map(({ name, documents, may_write, is_own }) => ({ name, documents, mayWrite: may_write, isOwn: is_own }));
  } catch {
    return null;
  }
}
