// Who is asking, and what their questions used by day.

import { byId, element } from "./dom.js";
import { json } from "./api.js";
import { counted } from "./words.js";

/** Read it and show it; nothing is shown where it can't be read, or where nothing was asked. */
export async function showUsage() {
  const days = (await read()).days.filter(({ answers }) => answers);
  byId("usage").hidden = !days.length;
  const most = Math.max(...days.map(({ answers }) => answers), 1);
  byId("usage-days").replaceChildren(...days.map((day) => rowOf(day, most)).reverse());
}

/** Name the user, where a proxy does. */
export async function showUser() {
  const { user } = await read();
  byId("who-name").textContent = user ?? "";
  byId("who").hidden = !user;
}

async function read() {
  try {
    return await json("api/usage");
  } catch {
    return { days: [] };
  }
}

function rowOf({ day, answers, tokens }, most) {
  const date = new Date(`${day}T12:00`).toLocaleDateString("en", { month: "short", day: "numeric" });
  const said = counted(answers, "answer") + (tokens ? `, ${counted(tokens, "token")}` : "");
  return element(
    "li",
    {},
    element("span", { text: date }),
    element("meter", { min: 0, max: most, value: answers, "aria-label": `Answers on ${date}` }),
    element("span", { class: "hint", text: said }),
  );
}
