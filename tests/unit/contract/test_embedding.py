"""The bundled embedders: what its vectors are, whatever the text, the batch and the threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.embedding.float_form import FloatForm
from contract.embedding import DEFAULT, OFF, EmbeddingError, cosines, open_embedders
from contract.embedding import e5_file as e5_file_module
from contract.embedding import minilm_file as minilm_file_module
from contract.embedding.e5_file import E5File
from contract.embedding.english import ENGLISH
from contract.embedding.integer import Calibration, IntegerEmbedder, Model
from contract.embedding.minilm_file import MiniLMFile
from contract.embedding.multilingual import MULTILINGUAL
from contract.embedding.vectors import unit
from contract.errors import SettingsError

SENTENCES = [
    "The rent is due on the third day of every month.",
    "Either party may end the agreement with ninety days' notice.",
    "Whales breathe air.",
    "",
    "租金应于每月三日支付。",
    "Арендная плата вносится третьего числа каждого месяца.",
    "يستحق الإيجار في اليوم الثالث من كل شهر.",
]
HOSTILE = {
    "no text": "",
    "only spaces": " " * 10_000,
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85",
    "halves of surrogate pairs": "\ud800 lease \udfff",
    "one word of a megabyte": "a" * 1_000_000,
    "a megabyte of emoji": "😀" * 250_000,
    "invisible characters": "\u200b\u202e\ufeff" * 1000,
    "pieces with a meaning for the model": "</s><s><pad><unk>",
}


MODELS = {"english": ENGLISH, "multilingual": MULTILINGUAL}


@pytest.fixture(scope="module", params=list(MODELS.values()), ids=list(MODELS))
def embedder(request: pytest.FixtureRequest) -> IntegerEmbedder:
    return IntegerEmbedder(request.param, threads=2)


@pytest.fixture(scope="module")
def multilingual() -> IntegerEmbedder:
    return IntegerEmbedder(MULTILINGUAL, threads=2)


def test_a_row_for_each_text_of_length_one(embedder: IntegerEmbedder) -> None:
    vectors = embedder.embed_passages(SENTENCES)
    assert vectors.shape == (len(SENTENCES), embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_no_rows(embedder: IntegerEmbedder) -> None:
    assert embedder.embed_passages([]).shape == (0, embedder.dimensions)


def test_a_text_has_the_same_vector_in_every_batch(embedder: IntegerEmbedder) -> None:
    together = embedder.embed_passages([*SENTENCES, "long " * 300])[: len(SENTENCES)]
    alone = np.concatenate([embedder.embed_passages([sentence]) for sentence in SENTENCES])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_rows_keep_the_order_of_texts_over_many_batches_and_threads(embedder: IntegerEmbedder) -> None:
    texts = [f"{'very ' * (number * 7 % 40)}old item number {number}" for number in range(150)]
    vectors = embedder.embed_passages(texts)
    for place in (0, 17, 88, 149):
        np.testing.assert_allclose(vectors[place], embedder.embed_passages([texts[place]])[0], atol=1e-4)


def test_threads_change_no_vector(embedder: IntegerEmbedder) -> None:
    texts = [f"clause {number} of the lease" for number in range(60)]
    np.testing.assert_allclose(
        embedder.embed_passages(texts), IntegerEmbedder(embedder.model, threads=1).embed_passages(texts), atol=1e-5
    )


def test_threads_may_call_it_at_the_same_time(embedder: IntegerEmbedder) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(embedder.embed_query, SENTENCES * 3))
    for vector, text in zip(found, SENTENCES * 3, strict=True):
        np.testing.assert_allclose(vector, embedder.embed_query(text), atol=1e-4)


@pytest.mark.parametrize("language", [0, 4, 5, 6])
def test_a_question_finds_its_sentence_in_any_language(multilingual: IntegerEmbedder, language: int) -> None:
    texts = [SENTENCES[language], *SENTENCES[1:3]]
    found = cosines(multilingual.embed_query("When does the tenant have to pay?"), multilingual.embed_passages(texts))
    assert max(found) == found[0]


def test_texts_that_have_nothing_in_common_have_a_cosine_near_zero(embedder: IntegerEmbedder) -> None:
    (found,) = cosines(embedder.embed_query("When is the rent due?"), embedder.embed_passages(["Whales breathe air."]))
    assert abs(found) < 0.2


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_has_a_vector_too(embedder: IntegerEmbedder, text: str) -> None:
    assert np.linalg.norm(embedder.embed_passages([text])[0]) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(embedder.embed_query(text)) == pytest.approx(1, abs=1e-5)


def test_what_is_beyond_the_window_is_not_read(embedder: IntegerEmbedder) -> None:
    start = "the lease " * 600
    first, second = embedder.embed_passages([start, start + "ends with whales"])
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_whole_numbers_lose_little_against_float32(embedder: IntegerEmbedder) -> None:
    centre, exact = np.array(Calibration.of(embedder.model).centre, np.float32), FloatForm(embedder.model)
    vectors = embedder.embed_passages(SENTENCES)
    for text, vector in zip(SENTENCES[:3], vectors[:3], strict=True):
        wanted, _ = exact.measure(embedder.model.passage, text)
        assert unit(wanted - centre) @ vector > 0.95


def test_off_is_no_embedder() -> None:
    assert open_embedders(OFF, threads=1) is None


def test_a_name_that_is_no_file_is_refused_with_the_way_out() -> None:
    with pytest.raises(SettingsError, match=r"DOCQA_EMBEDDING_MODEL: `/no/such\.gguf` is no file"):
        open_embedders("/no/such.gguf", threads=1)


@pytest.mark.parametrize(
    ("model", "module", "name"),
    [(MULTILINGUAL, e5_file_module, "SHA256"), (ENGLISH, minilm_file_module, "WEIGHTS_SHA256")],
    ids=["multilingual", "english"],
)
def test_a_changed_model_file_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, model: Model, module: ModuleType, name: str
) -> None:
    monkeypatch.setattr(module, name, "0" * 64)
    with pytest.raises(EmbeddingError, match="is not the embedder's model"):
        IntegerEmbedder(model, threads=1).embed_query("who?")


@pytest.mark.parametrize("module", [e5_file_module, minilm_file_module])
def test_without_the_package_of_a_model_the_way_out_is_said(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package")
    embedders = open_embedders(DEFAULT, threads=1)
    assert embedders is not None
    with pytest.raises(EmbeddingError, match="DOCQA_EMBEDDING_MODEL=off"):
        embedders.embed_query("who?")


def test_a_file_in_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(EmbeddingError, match="not in the format"):
        E5File(tmp_path / "model.bin")
    with pytest.raises(EmbeddingError, match="not in the format"):
        MiniLMFile(tmp_path / "model.bin", tmp_path / "model.bin")
