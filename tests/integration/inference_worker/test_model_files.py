"""Model files of all sorts, opened by llama.cpp: the bundled one with bytes of its header replaced."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import llama_cpp.llama_cpp as lc
import pytest
from structlog.testing import CapturingLogger

from contract.errors import SettingsError
from inference_worker.llama.binding import model as model_module
from inference_worker.llama.binding.model import Model
from inference_worker.llama.binding.weights import check_vocabulary
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.locate import bundled_model
from inference_worker.model_files.shape import shape_in

pytestmark = pytest.mark.model

Changed = Callable[[bytes, bytes], Path]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """The bundled model with some bytes replaced by as many others."""

    def change(old: bytes, new: bytes) -> Path:
        source = bundled_model()
        assert source
        assert len(old) == len(new)
        content = source.read_bytes()
        assert old in content
        path = tmp_path / "changed.gguf"
        path.write_bytes(content.replace(old, new))
        return path

    return change


def opened(path: Path) -> Model:
    return Model(path, RunOptions(threads=2), 1, 256, shape_in(path))


def test_a_word_of_forty_thousand_letters_is_tokenized_where_words_are_split_by_regular_expressions(
    changed: Changed,
) -> None:
    """Whole, it overflows the stack of llama.cpp's pre-tokenizer, which ends the process."""
    with closing(opened(changed(b"smollm", b"gpt-4o"))) as model:
        for text in ("a" * 40_000, " " * 40_000, "\n" * 40_000, "." * 40_000):
            assert (
                b"".join(map(model.vocabulary.piece, model.vocabulary.tokenize(text, parse_special=False))).decode()
                == text
            )


def test_an_unknown_architecture_is_refused_by_its_name(changed: Changed) -> None:
    with pytest.raises(
        SettingsError, match=r"^MODEL_NAME: llama\.cpp can't load .*unknown model architecture: 'lxxma'"
    ):
        check_vocabulary(changed(b"llama", b"lxxma"))


def test_a_file_that_does_not_name_its_pre_tokenizer_is_run_with_one_warning(
    changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(model_module, "log", log)
    opened(changed(b"tokenizer.ggml.pre", b"tokenizer.ggml.xxx")).close()
    assert [call.method_name for call in log.calls] == ["warning", "info"]
    assert "does not name its pre-tokenizer" in log.calls[0].args[0]
    source = bundled_model()
    assert source
    opened(source).close()
    assert [call.method_name for call in log.calls[2:]] == ["info"]


def test_a_vocabulary_that_wants_a_first_token_and_has_none_begins_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    source = bundled_model()
    assert source
    with closing(opened(source)) as model:
        monkeypatch.setattr(lc, "llama_vocab_get_add_bos", lambda vocabulary: True)
        assert len(model.vocabulary.begin_tokens()) == 1
        monkeypatch.setattr(lc, "llama_vocab_bos", lambda vocabulary: -1)
        assert model.vocabulary.begin_tokens() == []
