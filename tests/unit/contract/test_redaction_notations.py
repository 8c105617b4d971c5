"""Secrets in notations that reports name: other key formats, logins without a scheme, other languages, broken lines."""

import json
import unicodedata
from collections.abc import Callable

import pytest

from contract.redaction.detectors.password_words import WORDS
from contract.sanitize import sanitize

GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0"
    ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
PPK = """PuTTY-User-Key-File-3: ssh-ed25519
Encryption: none
Comment: eddsa-key-20200105
Public-Lines: 2
AAAAC3NzaC1lZDI1NTE5AAAAIHJCszOHaI9X/yGLtjn22f0hO6VPMQDVtctkym6F
JH1W
Private-Lines: {count}
{lines}
Private-MAC: 816c84093fc4877e8411b8e5139c5ce35d8387a2630ff087214911d67417a54d
"""
LINES = ["AAAAIGvvIpl8jyqn8Xufkw6v3FnEGtXF3KWw55AP3/AGEBpYAAAAIGvvIpl8jyqn", "8Xufkw6v3FnEGtXF3KWw55AP3/AGEBpY=="]
KEY = "[REDACTED:private-key]"


@pytest.mark.parametrize("lines", [LINES[1:], LINES, LINES[:1] * 14 + LINES[1:]], ids=["one", "two", "fifteen"])
@pytest.mark.parametrize("is_quoted", [False, True], ids=["a file", "in JSON"])
def test_of_a_putty_key_the_private_half_goes_and_the_public_half_stays(lines: list[str], is_quoted: bool) -> None:
    text = PPK.format(count=len(lines), lines="\n".join(lines))
    kept = text.replace("\n".join(lines), KEY).replace(text.partition("Private-MAC: ")[2].strip(), KEY)
    if is_quoted:
        text, kept = json.dumps({"key": text}), json.dumps({"key": kept})
    assert sanitize(text).text == kept


EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZN",
}
RSA = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmb",
    "e": "AQAB",
    "d": "X4cTteJY_gn4FYPsXB8rdXix",
    "p": "83i-7IvMGXoMXCskv73TKr8637FiO7Z2",
    "qi": "GyM_p6JrXySiz1toFgKbWV-JdI3jQ4yp",
}
OCT = {"kty": "oct", "alg": "HS256", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}
OKP = {
    "k": "unrelated",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZ",
    "kty": "OKP",
}
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.mark.parametrize("key", [EC, RSA, OCT, OKP], ids=["EC", "RSA", "oct", "OKP"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("is_quoted", [False, True], ids=["JSON", "JSON in JSON"])
def test_of_a_json_web_key_the_private_members_go_and_the_public_ones_stay(
    key: dict[str, str], indent: int | None, is_quoted: bool
) -> None:
    kept = {name: KEY if name in PRIVATE and len(value) >= 16 else value for name, value in key.items()}
    text, expected = (json.dumps({"keys": [each]}, indent=indent) for each in (key, kept))
    if is_quoted:
        text, expected = json.dumps(text), json.dumps(expected)
    assert sanitize(text).text == expected


def test_a_d_that_is_in_no_key_stays() -> None:
    text = '{"d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4B", "id": 7}'
    assert sanitize(text).text == text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("jdbc:oracle:thin:app/s3cret9x@db:1521:orcl", "s3cret9x"),
        ("jdbc:oracle:oci:app/s3cret9x@//db.example.com:1521/svc", "s3cret9x"),
        ('jdbc:oracle:thin:app/"s3 cret9x"@db:1521:orcl', "s3 cret9x"),
        ("url = jdbc:oracle:thin:scott/tiger@myhost:1521:orcl", "tiger"),
        ("sqlplus scott/tiger@orcl", "tiger"),
        ("sqlplus -S scott/tiger9@orcl @run.sql", "tiger9"),
        ("SQL> CONNECT scott/tiger9@orcl", "tiger9"),
        ("expdp userid=system/Manager1 directory=x", "Manager1"),
        ("rman target sys/Or4cle1@prod", "Or4cle1"),
        ('oracledb.connect("app/s3cret9@db/svc")', "s3cret9"),
        ("root:s3cr3tpw@tcp(127.0.0.1:3306)/db", "s3cr3tpw"),
        ('dsn := "app:p@ss/w0rd@unix(/run/mysqld.sock)/x"', "p@ss/w0rd"),
        ("PASSWORT: Tr0ub4dor&3x", "Tr0ub4dor&3x"),
        ("Passwort: Tr0ub4dor&3x!", "Tr0ub4dor&3x!"),
        ("Password: Tr0ub4dor;3x", "Tr0ub4dor;3x"),
        ("password: Tr0ub'4dor", "Tr0ub'4dor"),
        ("Kennwort: a&b;c9d9xyz", "a&b;c9d9xyz"),
        ("?password=abc123def&next=1", "abc123def"),
        ("?password=abc1&23def&next=1", "abc1&23def"),
        ("Server=db;PASSWORD=abc123;User=sa", "abc123"),
        ("PASSWORD=abc123 && make deploy", "abc123"),
        ("Le mot de passe est hunter2abc.", "hunter2abc"),  # codespell:ignore mot
        ("La contraseña es hunter2abc", "hunter2abc"),
        ("密码是hunter2abc", "hunter2abc"),
        ("パスワードは hunter2abc です", "hunter2abc"),
    ],
)  # fmt: skip
def test_the_whole_password_goes_and_nothing_else(text: str, secret: str) -> None:
    assert sanitize(text).text == text.replace(secret, "[REDACTED:password]")


@pytest.mark.parametrize(
    "text",
    [
        "uses: actions/checkout@v4",
        "We connect with/without@home today.",
        "Connect client/server systems here.",
        "npm install types/node@20",
        "export/import of files",
        "Пароль должен содержать цифры.",
        "La contraseña es obligatoria.",
        "Das Passwort ist falsch.",  # codespell:ignore ist
        "Private-Lines: see the manual",
    ],
)
def test_what_only_looks_like_a_login_stays(text: str) -> None:
    assert sanitize(text).text == text


NAMES = [*WORDS, "password", "passphrase", "passwort", "contrasena", "jelszo", "sifre"]
CASES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "with a capital": str.capitalize,
    "decomposed": lambda word: unicodedata.normalize("NFD", word),
    "decomposed capitals": lambda word: unicodedata.normalize("NFD", word.upper()),
    "with underscores": lambda word: word.replace(" ", "_"),
    "in one": lambda word: word.replace(" ", ""),
    "with hard spaces": lambda word: word.replace(" ", "\u00a0"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_password_is_found_by_its_name_in_every_language_case_and_normal_form(case: str) -> None:
    missed = []
    for word in NAMES:
        text = f"{CASES[case](word)}: hunter2abc"
        if sanitize(text).text != text.replace("hunter2abc", "[REDACTED:password]"):
            missed.append(word)
    assert missed == []


@pytest.mark.parametrize("at", [4, 6, 12, 20, 30, 39])
@pytest.mark.parametrize("gap", ["\n", "\r\n", "\n  ", "=\n", "\\\n", "\n> "])
def test_a_token_over_two_lines_is_taken_whole(at: int, gap: str) -> None:
    text = f"token {GITHUB[:at]}{gap}{GITHUB[at:]} end\nnext line"
    assert sanitize(text).text == "token [REDACTED:github-token] end\nnext line"


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("AKIA" + "Z7QJ3MNBVC2XK5LP", "aws-key"),
        ("sk-ant-api03-" + "abcdefghij0123456789klmnopqrst9876543210XYZ", "anthropic-key"),
        ("glpat-" + "a1B2c3D4e5F6g7H8i9J0", "gitlab-token"),
        ("xoxb-" + "123456789012-abcdefABCDEF1234", "slack-token"),
    ],
)
def test_tokens_of_other_kinds_are_taken_over_two_lines_too(token: str, kind: str) -> None:
    half = len(token) * 2 // 3
    assert sanitize(f"{token[:half]}\n{token[half:]}\n").text == f"[REDACTED:{kind}]\n"


@pytest.mark.parametrize("width", [20, 40, 76])
def test_a_json_web_token_over_many_lines_is_taken_whole(width: int) -> None:
    text = "\n".join(JWT[at : at + width] for at in range(0, len(JWT), width))
    assert sanitize(f"A mail:\n{text}\n\nGreetings").text == "A mail:\n[REDACTED:jwt]\n\nGreetings"


@pytest.mark.parametrize("after", ["Next line", "next", "Y=1", "2026", "- item", "END"])
def test_what_follows_a_whole_token_on_the_next_line_stays(after: str) -> None:
    assert sanitize(f"{GITHUB}\n{after}").text == f"[REDACTED:github-token]\n{after}"
    assert sanitize(f"{JWT}\n{after}").text == f"[REDACTED:jwt]\n{after}"


@pytest.mark.parametrize(
    "text",
    [
        "see {} in the log",
        "access_token={}&room=1",
    ],
)
@pytest.mark.parametrize(
    "token", ["syt_YWxpY2U_kZbQwMvRtYxPlNhJsDfG_1aB2c3", "mat_AbCdEfGhIjKlMnOpQrStUvWxYz0123_1aB2c3"]
)
def test_a_token_of_matrix_is_known_by_its_form(token: str, text: str) -> None:
    assert sanitize(text.format(token)).text == text.format("[REDACTED:matrix-token]")


@pytest.mark.parametrize(
    "text",
    [
        "Uncommon header(s) 'x-api-key' found, with contents: {}.",
        "x-api-key header with value {}",
        "an api_key with the value {} was sent",
    ],
)
def test_a_value_that_a_scanner_reports_in_words_goes(text: str) -> None:
    assert sanitize(text.format("7f3a9c0011223344556677889900aabb")).text == text.format("[REDACTED:secret]")
