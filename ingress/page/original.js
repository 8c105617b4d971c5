// The original of a document: a PDF opens in a tab of its own at a page, any other file is saved.
// Fetched and not linked to: a link could not carry a token. Only a PDF is shown, never a file that could run here.

import { request } from "./api.js";

let last = null;

/** Open or save it; an empty text, or the sentence that says why not. */
export async function openOriginal({ id, name, page, mediaType }) {
  // Opened now, while the browser knows that a click asked for it.
  const tab = mediaType === "application/pdf" ? window.open("", "_blank") : null;
  try {
    const response = await request(`api/documents/${id}/original`);
    const file = new Blob([await response.blob()], { type: tab ? "application/pdf" : "application/octet-stream" });
    // One is kept at a time: each holds its file in memory.
    if (last) URL.revokeObjectURL(last);
    last = URL.createObjectURL(file);
    if (tab) tab.location.replace(page ? `${last}#page=${page}` : last);
    else save(last, name);
    return "";
  } catch (refused) {
    tab?.close();
    return refused.message;
  }
}

/** Have the browser save what an address holds under a name. */
export function save(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
