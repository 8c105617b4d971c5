"""docs/redaction.md is held to the code."""

import re
from pathlib import Path

from contract.redaction.redactor import MAX_SECRETS, OPTIONAL
from contract.redaction.tokens.token_formats import TOKENS

PAGE = (Path(__file__).parents[3] / "docs" / "redaction.md").read_text()


def test_the_page_names_every_token_there_is_and_no_other() -> None:
    listed = PAGE.partition("<!-- tokens -->")[2].partition("## ")[0]
    assert re.findall(r"`([a-z0-9-]+)`", listed) == sorted({token.kind for token in TOKENS})


def test_the_page_names_every_kind_that_is_asked_for_and_the_limit() -> None:
    assert all(f"DOCQA_REDACT={kind}`" in PAGE for kind in OPTIONAL)
    assert f"more than {MAX_SECRETS} secrets" in PAGE
