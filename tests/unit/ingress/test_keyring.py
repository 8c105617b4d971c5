"""Who is behind a token."""

from datetime import UTC, datetime, timedelta

from contract.rate import Rate
from contract.settings import Secret
from contract.token_file import Token, TokensFile, digest_of
from ingress.auth.caller import ANONYMOUS, NAMED
from ingress.auth.keyring import Keyring
from ingress.settings import IngressSettings

NOW = datetime.now(UTC)
FILE = __file__


def token(name: str, secret: str, **fields: object) -> Token:
    return Token(name=name, sha256=digest_of(secret.encode()).hex(), created=NOW, **fields)  # type: ignore[arg-type]  # fields of a Token


def keyring(*tokens: Token, **settings: object) -> Keyring:
    loaded = IngressSettings(tokens=FILE, **settings)  # type: ignore[arg-type]  # settings of a test
    return Keyring(loaded, TokensFile(tokens=tokens))


def client_of(keys: Keyring, secret: str) -> str | None:
    caller = keys.find(secret.encode())
    return caller.client if caller else None


def test_where_no_token_is_set_everybody_is_one_client_with_all_rights() -> None:
    keys = Keyring(IngressSettings(client_share=0.5, rate_limit=Rate("1/second")))
    assert keys.anybody
    assert (keys.anybody.client, keys.anybody.rights) == (ANONYMOUS, ("query", "admin"))
    assert (keys.anybody.share, keys.anybody.rate) == (0.5, Rate("1/second"))


def test_a_file_without_a_token_lets_nobody_in() -> None:
    keys = keyring()
    assert keys.anybody is None
    assert client_of(keys, "") is None


def test_one_token_and_those_of_a_file_are_good_side_by_side() -> None:
    keys = keyring(token("alice", "a"), token("bob", "b"), token("bob", "b2"), token=Secret("one"))
    assert [client_of(keys, secret) for secret in ("a", "b", "b2", "one", "c")] == ["alice", "bob", "bob", NAMED, None]


def test_a_token_has_its_own_share_and_rate_or_those_of_the_settings() -> None:
    keys = keyring(
        token("alice", "a", share=0.1, rate=Rate("1/day"), rights=("admin",)),
        token("bob", "b"),
        client_share=0.5,
        rate_limit=Rate("9/second"),
    )
    alice, bob = keys.find(b"a"), keys.find(b"b")
    assert alice
    assert bob
    assert (alice.share, alice.rate, alice.rights) == (0.1, Rate("1/day"), ("admin",))
    assert (bob.share, bob.rate, bob.rights) == (0.5, Rate("9/second"), ("query",))


def test_a_token_is_good_until_it_expires() -> None:
    soon, past = NOW + timedelta(hours=1), NOW - timedelta(seconds=1)
    keys = keyring(token("alice", "a", expires=soon), token("bob", "b", expires=past))
    assert (client_of(keys, "a"), client_of(keys, "b")) == ("alice", None)


def test_replaced_tokens_are_good_no_more_and_the_settings_one_still_is() -> None:
    keys = keyring(token("alice", "old"), token=Secret("one"))
    keys.replace(TokensFile(tokens=(token("alice", "new"),)))
    assert [client_of(keys, secret) for secret in ("old", "new", "one")] == [None, "alice", NAMED]


def test_rates_are_limited_where_anybodys_is() -> None:
    assert not keyring(token("alice", "a")).limits_rates
    assert keyring(token("alice", "a"), rate_limit=Rate("1/second")).limits_rates
    assert keyring(token("alice", "a", rate=Rate("1/second"))).limits_rates
