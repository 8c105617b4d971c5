// Elements, made and filled. Text only ever becomes text here: nothing is read as HTML.

/** The element of this id. */
export const byId = (id) => document.getElementById(id);

/** A new element: `on…` attributes are listeners, `text` is its text, null and false leave an attribute out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Say something to a screen reader, at its next pause. */
export function announce(text) {
  byId("live").textContent = text;
}

/** Show a sentence in an element that is hidden while there is none. */
export function showSentence(place, sentence) {
  place.textContent = sentence;
  place.hidden = !sentence;
}

/** `act`, a moment after the last call. */
export function afterPause(act, milliseconds = 250) {
  let waiting = 0;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(act, milliseconds);
  };
}
