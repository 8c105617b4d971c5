// An event stream (server-sent events) read from a response. Knows the format, no event's meaning.

/** Each event as { name, data }; comments are passed over. */
export async function* eventsOf(response) {
  let name = "message";
  let data = [];
  for await (const line of linesOf(response)) {
    if (line === "") {
      if (data.length) yield { name, data: data.join("\n") };
      [name, data] = ["message", []];
    } else if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
  }
}

async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      rest += value;
      // A lone CR at the end may be the first half of a CRLF.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      yield* lines;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
