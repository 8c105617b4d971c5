"""What the test asks with a client of OpenAI's API, in the environment of `make clients`: one line of JSON on stdout.

`python ask.py litellm|langchain|agents|pydantic_ai`, with OPENAI_BASE_URL and OPENAI_API_KEY. Each client is used
as its own documentation shows, with its default retries; all are asked the same.
"""

import asyncio
import json
import sys
from typing import Any, Protocol

from pydantic import BaseModel

MODEL = "docqa"
SPIKE = 12
ROME = '{"name": "Rome"}'


class City(BaseModel):
    """The form of an answer; the echo engine answers with the question, which has this form."""

    name: str


class Client(Protocol):
    """One client's way to ask."""

    async def chat(self, question: str) -> str: ...

    async def stream(self, question: str) -> list[str]: ...

    async def use_a_tool(self, question: str) -> Any: ...

    async def structured(self, question: str) -> City: ...


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}."


def litellm_client() -> Client:
    import litellm

    model = f"openai/{MODEL}"
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}

    async def ask(question: str, **options: Any) -> Any:
        return await litellm.acompletion(model=model, messages=[{"role": "user", "content": question}], **options)

    class LiteLLM:
        async def chat(self, question: str) -> str:
            return str((await ask(question)).choices[0].message.content)

        async def stream(self, question: str) -> list[str]:
            return [chunk.choices[0].delta.content or "" async for chunk in await ask(question, stream=True)]

        async def use_a_tool(self, question: str) -> Any:
            return await ask(question, tools=[tool])

        async def structured(self, question: str) -> City:
            answer = await ask(question, response_format=City)
            return City.model_validate_json(answer.choices[0].message.content)

    return LiteLLM()


def langchain_client() -> Client:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL)

    async def agent(question: str, *tools: Any) -> str:
        answer = await create_agent(model, list(tools)).ainvoke({"messages": [("user", question)]})
        return str(answer["messages"][-1].content)

    class LangChain:
        async def chat(self, question: str) -> str:
            return await agent(question)

        async def stream(self, question: str) -> list[str]:
            return [str(chunk.content) async for chunk in model.astream(question)]

        async def use_a_tool(self, question: str) -> Any:
            return await agent(question, weather)

        async def structured(self, question: str) -> City:
            answer = await model.with_structured_output(City).ainvoke(question)
            assert isinstance(answer, City)
            return answer

    return LangChain()


def agents_client() -> Client:
    """OpenAI's own framework; it speaks /v1/responses."""
    from agents import Agent, Runner, function_tool, set_tracing_disabled

    set_tracing_disabled(True)

    async def run(question: str, **options: Any) -> Any:
        agent = Agent(name="Reader", instructions="Be brief.", model=MODEL, **options)
        return (await Runner.run(agent, question)).final_output

    class Agents:
        async def chat(self, question: str) -> str:
            return str(await run(question))

        async def stream(self, question: str) -> list[str]:
            events = Runner.run_streamed(Agent(name="Reader", model=MODEL), question).stream_events()
            raw = [event.data async for event in events if event.type == "raw_response_event"]
            return [event.delta for event in raw if event.type == "response.output_text.delta"]

        async def use_a_tool(self, question: str) -> Any:
            return await run(question, tools=[function_tool(weather)])

        async def structured(self, question: str) -> City:
            return City.model_validate(await run(question, output_type=City))

    return Agents()


def pydantic_ai_client() -> Client:
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel

    model = OpenAIChatModel(MODEL)

    class PydanticAI:
        async def chat(self, question: str) -> str:
            return str((await Agent(model).run(question)).output)

        async def stream(self, question: str) -> list[str]:
            async with Agent(model).run_stream(question) as result:
                return [text async for text in result.stream_text(delta=True, debounce_by=None)]

        async def use_a_tool(self, question: str) -> Any:
            return await Agent(model, tools=[weather]).run(question)

        async def structured(self, question: str) -> City:
            return City.model_validate((await Agent(model, output_type=NativeOutput(City)).run(question)).output)

    return PydanticAI()


CLIENTS = {
    "litellm": litellm_client,
    "langchain": langchain_client,
    "agents": agents_client,
    "pydantic_ai": pydantic_ai_client,
}


async def asked(client: Client) -> dict[str, Any]:
    """What each question came to; of a refusal its status and sentence."""
    questions = [f"question {number}" for number in range(SPIKE)]
    spike = await asyncio.gather(*map(client.chat, questions), return_exceptions=True)
    refused = (await asyncio.gather(client.use_a_tool("What is the weather in Rome?"), return_exceptions=True))[0]
    return {
        "chat": await client.chat("one two"),
        "stream": [piece for piece in await client.stream("one two three") if piece],
        "structured": (await client.structured(ROME)).name,
        "tool": [getattr(refused, "status_code", None), str(refused)],
        "spike": [answer if isinstance(answer, str) else repr(answer) for answer in spike],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(asked(CLIENTS[sys.argv[1]]()))))
