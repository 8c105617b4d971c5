// What the test asks with the official client; one line of JSON on stdout. `node ask.js <what>`.
import OpenAI from "openai";

const client = new OpenAI(); // OPENAI_BASE_URL, OPENAI_API_KEY
const said = (text) => ({ model: "docqa", messages: [{ role: "user", content: text }] });

const asks = {
  async chat() {
    const answer = await client.chat.completions.create(said("one two"));
    return answer.choices[0].message.content;
  },
  async stream() {
    const pieces = [];
    for await (const chunk of await client.chat.completions.create({ ...said("one two three"), stream: true })) {
      if (chunk.choices[0].delta.content) pieces.push(chunk.choices[0].delta.content);
    }
    return pieces;
  },
  async responses() {
    return (await client.responses.create({ model: "docqa", input: "one two" })).output_text;
  },
  async spike() {
    const asked = Array.from({ length: 50 }, (_, number) => client.chat.completions.create(said(`question ${number}`)));
    const ended = await Promise.allSettled(asked);
    return ended.map((one) => one.value?.choices[0].message.content ?? `${one.reason.status}`);
  },
  async refused() {
    try {
      await client.chat.completions.create({ ...said("Who?"), model: "gpt-4o" });
    } catch (error) {
      return [error.constructor.name, error.status, error.code, error.param];
    }
  },
  async cancelled() {
    const stopped = new AbortController();
    setTimeout(() => stopped.abort(), 1000);
    try {
      await client.chat.completions.create(said("gone"), { signal: stopped.signal });
    } catch (error) {
      return error.constructor.name;
    }
  },
};

console.log(JSON.stringify(await asks[process.argv[2]]()));
