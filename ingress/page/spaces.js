// The spaces that this user may read, known to every form that offers them.

import { element } from "./dom.js";
import { json } from "./api.js";
import { spaceName } from "./words.js";

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

  /** How many documents a space has; null where that is not known. */
  total(name) {
    return known.find((space) => space.name === name)?.documents ?? null;
  },

  /** Fill a <select>, and keep what is chosen in it. */
  fill(select, found) {
    const before = select.value;
    select.replaceChildren(...found.map(({ name }) => element("option", { value: name, text: spaceName(name) })));
    if (found.some(({ name }) => name === before)) select.value = before;
  },
};

async function fromApi() {
  try {
    const { spaces: found } = await json("api/spaces");
    return found.map(({ name, documents, may_write: mayWrite }) => ({ name, documents: documents ?? null, mayWrite }));
  } catch (refused) {
    if (refused.status !== 404) return null;
  }
  // An ingress without that route names them with each list.
  try {
    const { spaces: names } = await json("api/documents?limit=1");
    return names.map((name) => ({ name, documents: null, mayWrite: true }));
  } catch {
    return null;
  }
}
