"""Proxy variables of the environment: what no client here can use is one sentence that names the variable."""

import pytest

from contract import environment_proxy
from contract.errors import SettingsError

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "REQUEST_METHOD")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("value", ["http://proxy:3128", "proxy:3128", "https://user:word@proxy", "http://[::1]:3128"])
def test_a_proxy_that_speaks_http_is_usable(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    environment_proxy.check()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value",
    [
        "socks5://127.0.0.1:1080",
        "socks5h://proxy",
        "http://",
        "://",
        "http://proxy:port",
        "http://[::1",
        "ftp://proxy",
        "http://pro xy\n",
    ],
)
def test_any_other_is_refused_by_name_and_its_value_is_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: expected http://HOST:PORT") as raised:
        environment_proxy.check()
    assert "1080" not in str(raised.value)
