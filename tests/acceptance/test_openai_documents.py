"""Documents and spaces through OpenAI's API, with its official client."""

from typing import Any

import openai
import pytest

from contract.topology import private_space
from tests.acceptance.test_openai import MODEL, client_of, said
from tests.support.callers import Callers
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

LEASE = b"The deposit for the flat is 900 euros.\n\nThe rent is due on the first Monday of each month.\n"
QUOTE = {"style": "quote"}


async def uploaded(client: openai.AsyncOpenAI, name: str, content: bytes = LEASE) -> str:
    """The id of a file that was read."""
    file = await client.files.create(file=(name, content), purpose="user_data")

    async def probe() -> bool:
        return (await client.files.retrieve(file.id)).status == "processed"

    await eventually(probe, f"{name} is read", 60)
    return file.id


async def test_a_file_is_brought_in_listed_asked_about_and_erased(echo: Stack) -> None:
    async with client_of(echo) as client:
        file_id = await uploaded(client, "lease.txt")
        assert file_id in [file.id async for file in client.files.list()]
        assert (await client.files.content(file_id)).content == LEASE
        answers = [
            await client.chat.completions.create(
                model=model, messages=said("How much is the deposit for the flat?"), extra_body={**QUOTE, **extra}
            )
            for model, extra in ((MODEL, {"documents": [file_id]}), (f"{MODEL}/my-documents", {}))
        ]
        for answer in answers:
            content = answer.choices[0].message.content
            assert content
            assert content.startswith("The deposit for the flat is 900 euros.")
            assert "\n\nSources:\n[1] lease.txt" in content
            assert answer.choices[0].message.annotations
            link = answer.choices[0].message.annotations[0].url_citation.url
            assert link.startswith(f"{echo.ready().http}/#passage?document={file_id}&")
        assert (await client.files.delete(file_id)).deleted
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(
                model=MODEL, messages=said("How much?"), extra_body={"documents": [file_id]}
            )


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        ("Is there a deposit for the flat?", "And how much?", "900 euros"),
        ("How much is the deposit for the flat?", "Due when?", "first Monday"),
    ],
)
async def test_a_follow_up_finds_what_it_or_the_question_before_it_names(
    echo: Stack, first: str, second: str, answer: str
) -> None:
    before: list[Any] = [*said(first), {"role": "assistant", "content": "Yes.\n\nSources:\n[1] lease.txt"}]
    async with client_of(echo) as client:
        found = await client.chat.completions.create(
            model=MODEL, messages=[*before, *said(second)], extra_body={"context": LEASE.decode(), **QUOTE}
        )
    assert answer in (found.choices[0].message.content or "").splitlines()[0]


async def test_each_readable_space_is_a_model_and_no_other_is(start: Start, tmp_path: Any) -> None:
    callers = Callers(tmp_path)
    tokens = {name: callers.create(name) for name in ("alice", "bob")}
    stack = start(environment={"DOCQA_TOKENS": str(callers.path)})
    async with client_of(stack, tokens["alice"]) as alice, client_of(stack, tokens["bob"]) as bob:
        await uploaded(alice, "secret.txt")
        assert f"{MODEL}/my-documents" in [model.id async for model in bob.models.list()]
        with pytest.raises(openai.NotFoundError) as found:
            await bob.chat.completions.create(
                model=f"{MODEL}/{private_space('http', 'alice')}", messages=said("How much is the deposit?")
            )
        assert found.value.code == "model_not_found"
        assert not [file.id async for file in bob.files.list()]


async def test_users_behind_one_key_have_documents_of_their_own(start: Start, tmp_path: Any) -> None:
    callers = Callers(tmp_path)
    chat, other = callers.create("chat", "--rights", "query,on-behalf"), callers.create("other")
    stack = start(environment={"DOCQA_TOKENS": str(callers.path), "DOCQA_USER_HEADER": "X-User"})

    def acting(key: str, user: str) -> Any:
        return client_of(stack, key, default_headers={"X-User": user})

    async with acting(chat, "ada@example.com") as ada, acting(chat, "bob") as bob, acting(other, "bob") as liar:
        file_id = await uploaded(ada, "hers.txt")
        for stranger in (bob, liar):
            assert not [file.id async for file in stranger.files.list()]
            with pytest.raises(openai.NotFoundError):
                await stranger.files.retrieve(file_id)
        answer = await bob.chat.completions.create(model=MODEL, messages=said("Who?"))
    async with stack.client() as own:
        own.http.headers["Authorization"] = f"Bearer {chat}"
        path = f"/api/jobs/{answer.id.removeprefix('chatcmpl-')}"
        assert (await own.http.get(path)).status_code == 404
        assert (await own.http.get(path, headers={"X-User": "bob"})).status_code == 200


async def test_texts_become_vectors_that_tell_what_is_alike(echo: Stack) -> None:
    async with client_of(echo) as client:
        made = await client.embeddings.create(
            model="docqa-embedding", input=["The cat sleeps.", "A kitten naps.", "Interest rates rose."]
        )
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="text-embedding-3-small", input="x")
        with pytest.raises(openai.BadRequestError, match="expected texts, not tokens"):
            await client.embeddings.create(model="docqa-embedding", input=[[9906, 1917]])
    cat, kitten, rates = (row.embedding for row in made.data)

    def alike(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert alike(cat, kitten) > alike(cat, rates)


async def test_without_an_embedder_there_are_no_vectors(start: Start) -> None:
    stack = start()
    async with client_of(stack) as client:
        with pytest.raises(openai.NotFoundError, match="DOCQA_EMBEDDING_MODEL"):
            await client.embeddings.create(model="docqa-embedding", input="x")
