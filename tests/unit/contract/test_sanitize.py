"""The sanitizer, as a pure function of a text."""

import contextlib
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from contract.errors import BadMessageError, SettingsError, TooManySecretsError
from contract.messages import Query, Question
from contract.redaction.custom_rules import read
from contract.redaction.redactor import MAX_SECRETS, Redactor
from contract.sanitize import sanitize, sanitize_question

AZURE_KEY = f"{'/T/rPJJQt5dKm1KLaWNjIaRhtV71W3vq/YCamp6SW3mm'}{'NC+g/biylNl/xhA9kgibJfpeA59SqOipX2TWWJwfeA=='}"
BODY = "Ab3" * 14
"""Letters and digits, as long as any token wants them."""

CARD = "4111 1111 1111 1111"
PEM = f"-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIEow+/IBAAKC\nAQEA7v==\n-----END RSA {'PRIVATE'} KEY-----"

SECRETS = {
    "private-key": [
        PEM,
        f"-----BEGIN {'PRIVATE'} KEY-----\\nMIIEow\\n-----END {'PRIVATE'} KEY-----",
        f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH {'PRIVATE'} KEY-----",
        f"-----BEGIN RSA {'PRIVATE'} KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\nMIIE",
        f"-----BEGIN PGP {'PRIVATE'} KEY BLOCK-----\n\nlQOYBF\n=aB1c\n-----END PGP {'PRIVATE'} KEY BLOCK-----",
    ],
    "docqa-token": [f"dq_{BODY}x", f"dq_{'-_aZ09' * 7}x"],
    "aws-key": ["AKIA" + "Z7QJ3MNBVC2XK5LP", "ASIA" + "Z2J7" * 4],
    "github-token": [f"ghp_{BODY[:36]}", f"ghs_{BODY[:36]}", f"github_pat_{BODY}_{BODY}"],
    "gitlab-token": [f"glpat-{BODY[:20]}", f"glptt-{BODY}"],
    "slack-token": [f"xoxb-123456789012-{BODY[:24]}", f"xoxp-{BODY}"],
    "stripe-key": [f"sk_live_{BODY[:24]}", f"rk_test_{BODY[:24]}"],
    "anthropic-key": [f"sk-ant-api03-{BODY}-{BODY}AA"],
    "openai-key": [f"sk-{BODY}", f"sk-proj-{BODY}_{BODY}-x", f"sk-svcacct-{BODY}"],
    "google-key": ["AIza" + "Sy-_" * 8 + "abc"],
    "huggingface-token": [f"hf_{BODY[:34]}"],
    "npm-token": [f"npm_{BODY[:36]}"],
    "jwt": ["eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"],
    "card": [
        CARD,
        "4111-1111-1111-1111",
        "4111111111111111",
        "4222222222222",
        "378282246310005",
        "3782 822463 10005",
        "6011000990139424",
        "5555 5555 5555 4444",
    ],
}
EACH_SECRET = [
    pytest.param(kind, text, id=f"{kind}-{n}") for kind, texts in SECRETS.items() for n, text in enumerate(texts)
]

HARMLESS = {
    "a number that fails Luhn's check": "4111 1111 1111 1112",
    "digits that fail Luhn's check": "4111111111111112",
    "twelve digits": "411111111111",
    "twenty digits": "41111111111111111111",
    "a first digit that no card has": "1111111111111117",
    "groups with two spaces between": "4111  1111  1111  1111",
    "digits inside a word": "x4111111111111111",
    "a bearer without a token": "The bearer of this letter is my friend.",
    "a short word after sk-": "The task-force met; sk-1 is not a key.",
    "a public key": f"-----BEGIN {'PUBLIC'} KEY-----\nMIIB\n-----END {'PUBLIC'} KEY-----",
    "a marker": "[REDACTED:card]",
    "an example of the documentation": "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
    "its secret": "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "a variable": "token = ${GITHUB_TOKEN}",
    "what stands for a key": "api_key: <YOUR_KEY>",
    "a look into the environment": 'password = os.environ["DB_PASSWORD"]',
    "a call": "password = getpass.getpass()",
    "a filler": "token: xxxxxxxxxxxxxxxx",
    "a look into settings": "secret_key = config.get('secret_key')",
    "a token of x": "ghp_" + "x" * 36,
    "a token of one letter": "AIza" + "a" * 35,
    "a token of two letters": "sk-ant-api03-" + "Zz" * 40,
    "a token of words": "xoxb-xoxb-my-bot-token",
    "another token of words": "sk-proj-the-key-of-my-project",
    "a token of words in capitals": "glpat-PERSONAL-ACCESS-TOKEN-OF-ANNA",
    "a UUID": "id: 123e4567-e89b-12d3-a456-426614174000",
    "a git hash": "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "a lock file's hash": '"integrity": "sha512-oRxs1NLYy7bqDTe8XeNJx4ALDaBMQ2Uw=="',
    "pip's hash": "--hash=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "an image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "an order's number": "Order number 4929100023123450 of 2024-05-17",
    "versions": "version 1.2.3.4, build 20240517.3",
    "a tracking number": "1Z999AA10123456784",
    "an account number with a wrong check": "DE44 5001 0517 5407 3249 32",
    "numbers of nobody": "666-12-3456 000-12-3456 900-12-3456 123-00-4567 123-45-0000",
    "a URL without a password": "https://example.com:8080/@user and postgres://localhost/db",
    "a URL with a variable": "postgres://user:${PASSWORD}@db/x",
    "a rule for passwords": "Password: required. The password must have 8 characters.",
    "settings without values": "DB_PASSWORD=\nDB_HOST=db.internal7\nAPI_KEY=\r\nID=abc12345678\n",
    "a mapping below a name": "apiSecret:\n  valueFrom7: aaaa1bbbb\n  name: app\n",
    "another manifest's data": "kind: ConfigMap\ndata:\n  a: YWRtaW4=\n---\nkind: Secret\n",
    "a manifest to be filled in": "kind: Secret\ndata:\n  a: ${VALUE}\n  b: none\n",
    "joiners that are needed": "\u0646\u0645\u06cc\u200c\u062e\u0648 \U0001f468\u200d\U0001f469",
    "words beside a word": "keywords = ('or', 'pass', 'public', 'raise')",
    "a verb": "Pass `Infinity` or pass 'buffer' to it: pass.on('data', f)",
    "a list of names": "'CURLOPT_PASSWORD', 'CURLOPT_READDATA'",
    "an alternation": "r'revoke|set_password|set_time_zone|'",
    "a licence": "License: GPL-2+-libtool-exception",
    "code with a password": 'password = password.encode("utf-8"); pw = config["password"]',
    "an index": "x = dict(passwd=credentials[1], key_password=certs[0][2])",
    "types": "auth: HttpBearerAuthConfig | DynamicTokenAuthConfig",
    "a pattern": '_token = "[a-zA-Z0-9-!#$%&^_`|~]+"',
    "a dump in hex": "00a0: 543e 5426 544E 5427 5446 5443 5433 5448 5442 541B",
    "commands": "mkdir -p folder42; ls -a folder42; ssh -p 22022 mill; mysql -p shop",
    "a URL's form": "https://user:password@host.example.org",
    "what identifies": "The error is identified by `code: 7`.",
    "what is no secret's key": "The cache key 9f8e7d6c5b4a39281706f5e4d3c2b1a0 is old.",
    "what is only called a key": "<add key=\"ConnectionString_B2B\"/> Key='backups/db-20240304T0102.sql.gz'",
    "a row's key and a digest's": "key: user-2024-03-04-000123-a1 key=9f8e7d6c5b4a39281706f5e4d3c2b1a0",
    "a cache's key": "the cache key is q7Zf3D0LXCM3EIMbgJpU",
    "words in an element": "<token>It opens the gate of the Mill2 in the morning.</token>",
    "a class with a number": "Bearer OAuth2PasswordBearerAuth is a class.",
    "a UUID after a name": "The token 123e4567-e89b-42d3-a456-426614174000 is a UUID.",
    "a long word after a name": "The key internationalization/localization2 is a path.",
    "pairs": '[{"key": "Department", "value": "Accounts"}, {"key": "Project", "value": "Goblins"}]',
    "a line that is spoken of": "-----BEGIN PRIVATE KEY----- is a PEM file's first line.",
    "kinds that nobody asked for": "anna@example.com, +49 30 901820",
    "nothing": "",
}

fragments = st.one_of(
    st.sampled_from([text for texts in SECRETS.values() for text in texts]),
    st.sampled_from(
        ["bearer ", "Bearer\t", "-", "_", ".", "=", " ", "\n", "sk-", "eyJ", "ghp_", "2024 ", "é", "\ud800"]
    ),
    st.sampled_from([f"-----BEGIN {'PRIVATE'} KEY-----", f"-----END {'PRIVATE'} KEY-----", "[REDACTED:card]"]),
    st.text(alphabet="aA1 -_.4\n", max_size=80),
    st.text(max_size=5),
)
texts = st.lists(fragments, max_size=8).map("".join)
# Characters of Unicode's block of tags are invisible, also those that are not assigned yet.
tags = "".join(map(chr, range(0xE0000, 0xE0080)))
harmless = st.text(
    alphabet=st.characters(exclude_categories=["Nd", "Lu", "Cc", "Cf", "Cs"], exclude_characters="_-<[:=@" + tags)
)


@pytest.mark.parametrize(("kind", "secret"), EACH_SECRET)
def test_a_secret_is_replaced_by_its_kind_and_the_text_around_it_stays(kind: str, secret: str) -> None:
    text, counts = sanitize(f"Der Schlüssel lautet {secret}; bitte nicht teilen 🔑.")
    assert text == f"Der Schlüssel lautet [REDACTED:{kind}]; bitte nicht teilen 🔑."
    assert counts == {kind: 1}


@pytest.mark.parametrize(("kind", "secret"), EACH_SECRET)
def test_a_secret_may_be_the_whole_text(kind: str, secret: str) -> None:
    assert sanitize(secret) == (f"[REDACTED:{kind}]", {kind: 1})


@pytest.mark.parametrize("header", ["Authorization: Bearer ", "authorization: bearer  ", "'Bearer\t"])
def test_of_a_bearer_header_only_the_token_is_replaced(header: str) -> None:
    text, counts = sanitize(f"{header}mF_9.B5f-4.1JqM~+/abcd==' https://example.com")
    assert text == f"{header}[REDACTED:bearer-token]' https://example.com"
    assert counts == {"bearer-token": 1}


def test_every_secret_is_counted_by_its_kind() -> None:
    text, counts = sanitize(f"{CARD}, {CARD} and {SECRETS['aws-key'][0]}")
    assert text == "[REDACTED:card], [REDACTED:card] and [REDACTED:aws-key]"
    assert counts == {"card": 2, "aws-key": 1}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert sanitize(text) == (text, {})


def test_a_private_key_that_is_cut_off_is_replaced_to_where_it_ends() -> None:
    text, _ = sanitize(f"-----BEGIN {'PRIVATE'} KEY-----\nMIIEowIBAAKC/+abc\n")
    assert text == "[REDACTED:private-key]"


@pytest.mark.parametrize("tail", ["x" * 12, "a" * 40, "-=" * 20])
def test_a_filler_behind_a_whole_token_does_not_hide_it(tail: str) -> None:
    assert sanitize(f"sk-{BODY}{tail}").text.startswith("[REDACTED:openai-key]")


def test_text_after_a_private_keys_end_stays() -> None:
    assert sanitize(f"{PEM}\nThe end.").text == "[REDACTED:private-key]\nThe end."


def test_two_private_keys_in_a_row_are_two() -> None:
    assert sanitize(f"{PEM}\n{PEM}") == ("[REDACTED:private-key]\n[REDACTED:private-key]", {"private-key": 2})


@pytest.mark.parametrize("before", ["2024 ", "4000 ", "4111 1111 ", "12-", "5555 5555 5555 5555 "])
def test_digits_before_a_card_do_not_hide_it(before: str) -> None:
    text, counts = sanitize(f"{before}{CARD}")
    assert text.endswith("[REDACTED:card]")
    assert counts["card"] == 1


def test_of_secrets_that_overlap_nothing_stays() -> None:
    text, _ = sanitize(f"xoxb-a1b2c3d4e5-{CARD}")
    assert text == "[REDACTED:slack-token]"


def test_a_token_of_any_length_leaves_no_tail() -> None:
    for prefix in ("glpat-", "xoxb-", "sk-ant-", "sk-", "AIza", "bearer "):
        assert sanitize(prefix + "a1B" * 1700).text.endswith("]")


@settings(deadline=None)
@given(texts)
@example(f"glpat-{'a' * 64}ghp_{BODY[:36]}")
@example(f"xoxb-{'a1' * 125}_{CARD}")
def test_sanitizing_twice_is_sanitizing_once(text: str) -> None:
    once = sanitize(text).text
    assert sanitize(once) == (once, {})


@settings(deadline=None)
@given(texts)
def test_what_is_not_counted_is_not_changed(text: str) -> None:
    clean, counts = sanitize(text)
    assert counts or clean == text


@settings(deadline=None)
@given(harmless, st.sampled_from([text for texts in SECRETS.values() for text in texts]), harmless)
def test_the_text_around_a_secret_stays_identical(before: str, secret: str, after: str) -> None:
    clean = sanitize(f"{before}\n<{secret}>\n{after}").text
    assert clean.startswith(f"{before}\n<[REDACTED:")
    assert clean.endswith(f"]>\n{after}")
    assert secret not in clean


@settings(deadline=None)
@given(harmless)
def test_a_text_without_secrets_stays_identical(text: str) -> None:
    assert sanitize(text) == (text, {})


@pytest.mark.parametrize("piece", ["-sk-4111111111111111", "-eyJaaaaaaaa-4111111111111111"])
@pytest.mark.timeout(30)
def test_a_text_of_secrets_is_refused_in_one_sentence(piece: str) -> None:
    with pytest.raises(TooManySecretsError, match="more than 1000 secrets: take them out, or send it in parts"):
        sanitize(piece * (2**20 // len(piece)))


def test_as_many_secrets_as_a_text_may_have_are_taken_out() -> None:
    assert sanitize(f"{CARD}\n" * MAX_SECRETS).counts == {"card": MAX_SECRETS}


@pytest.mark.parametrize(
    "piece",
    [
        "eyJaaaaaaaa.",
        "4111 ",
        "4111 1111 1111 1112 ",
        "password=",
        "key=abcdef ",
        'token="a",',
        "AKIA-",
        "://a:b",
        "-eyJ",
        "<|",
        "DE44 5001 0517 5407 3249 32",
        "s.aaaaaaaaaaaaaaaaaaaaaaaa ",
        "bearer ",
        f"-----BEGIN {'PRIVATE'} KEY-----",
        "-----BEGIN ",
        "sk-ant-",
        "xoxb-",
        "-",
        "\U0001f511",
    ],
)
@pytest.mark.timeout(30)
def test_a_long_text_of_beginnings_comes_to_its_end(piece: str) -> None:
    """Or to a refusal."""
    with contextlib.suppress(TooManySecretsError):
        assert sanitize(piece * (2**18 // len(piece))).text


def test_a_text_about_passwords_and_keys_is_no_text_of_secrets() -> None:
    sentence = "Each user has a password, a recovery key and a session token; rotate the API key before the secret. "
    text = sentence * (100_000 // len(sentence))
    assert sanitize(text) == (text, {})


def test_a_text_of_pairs_is_not_refused() -> None:
    text = "[" + '{"Key": "Department", "Value": "Accounts"}, ' * 2000 + "]"
    assert sanitize(text) == (text, {})


@pytest.mark.parametrize(
    "rest", [" a: x" + " " * 100_000 + "y", ' a: "x' + ' "' * 50_000, "\n" * 100_000, " a: |\n" * 15_000]
)
@pytest.mark.timeout(30)
def test_a_long_manifest_of_next_to_nothing_comes_to_its_end(rest: str) -> None:
    assert sanitize(f"kind: Secret\ndata:\n{rest}\n").counts == {}


def test_lone_surrogates_pass() -> None:
    assert sanitize(f"\ud800 {CARD} \udfff").text == "\ud800 [REDACTED:card] \udfff"


def test_of_a_question_query_context_and_stops_are_sanitized() -> None:
    key = SECRETS["aws-key"][0]
    question = Query(query=f"Is {key} valid?", context=f"{key} {CARD}", stop=["END", CARD], seed=7)
    clean, counts = sanitize_question(question)
    assert clean == Query(
        query="Is [REDACTED:aws-key] valid?",
        context="[REDACTED:aws-key] [REDACTED:card]",
        stop=["END", "[REDACTED:card]"],
        seed=7,
    )
    assert counts == {"aws-key": 2, "card": 2}
    assert question.stop == ["END", CARD]


def test_a_question_without_secrets_is_the_same_object() -> None:
    question = Question(query="Who?", context="Nobody.")
    assert sanitize_question(question)[0] is question


@pytest.mark.parametrize(
    ("before", "secret", "after", "kind"),
    [
        ("DB_PASSWORD=", "swordfish", "\nDB_HOST=db", "password"),
        ("password: ", "hunter2", "\n", "password"),
        ('{"password": "', "correct horse", '"}', "password"),
        ("<password>", "Tr0ub4dor", "</password>", "password"),
        ('<add key="Password" value="', "Tr0ub4dor", '" />', "password"),
        ("- name: DB_PASSWORD\n  value: ", "Tr0ub4dor", "\n", "password"),
        ('variable "db_password" {\n  type = string\n  default = "', "Tr0ub4dor", '"\n}', "password"),
        ('<setting name="ApiKey"><value>', "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "</value>", "secret"),
        ("<password><![CDATA[", "Tr0ub4dor", "]]></password>", "password"),
        ("The password for root@mill is ", "Tr0ub4dor", ".", "password"),
        ("CREATE USER app IDENTIFIED BY '", "Tr0ub4dor", "';", "password"),
        ("ConvertTo-SecureString '", "Tr0ub4dor", "' -AsPlainText", "password"),
        ("requirepass ", "Tr0ub4dor", "\n", "password"),
        ("\u041f\u0430\u0440\u043e\u043b\u044c: ", "Tr0ub4dor", "\n", "password"),
        ("\u5bc6\u7801\uff1a", "Tr0ub4dor", "\n", "password"),
        ("client_secret%3D", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "%26state%3D1", "secret"),
        ("mysql -u root -p", "Tr0ub4dor", " shop", "password"),
        ("sshpass -p '", "Tr0ub4dor", "' ssh anna@mill", "password"),
        ("docker login -u anna -p ", "Tr0ub4dor", " registry", "password"),
        ("redis-cli -a ", "Tr0ub4dor", " ping", "password"),
        ("PsExec.exe -u Administrator -p ", "braksha", " shutdown -r", "password"),
        ("smbclient //mill/share -U anna%", "Tr0ub4dor", " -c ls", "basic-auth"),
        ("Mailgun token - '", "q7Zf3D0LXCM3EIMbgJpU", "'", "secret"),
        ('refresh_token: "', "q7Zf3D0LXCM3EIMbgJpU" * 60, '"', "secret"),
        ("<secret>{", "AQAAABAAA q7Zf3D0LXCM3EIMbgJpU", "}</secret>", "secret"),
        ("my key is ", "q7Zf3D0LXCM3EIMbgJpU", " and I lost it", "secret"),
        ("[DEBUG] Using Key=", "q7Zf3D0LXCM3EIMbgJpU", "\n", "secret"),
        ("fbApiKey:            '", "171e84fd57f430fc59afa8fad3dbda2a", "',", "secret"),
        ('jwtsecret: "', "7`D'}/vYR)T;W5]EBrf;_&k>qX", '"', "secret"),
        ("vault operator unseal ", "0tZn+7QQCxphpHwTm7/dC3LpP5JGIbYl3PK8Sy81R+P2", "\n", "secret"),
        ("twitchaccesstoken_token = '", "z9y8x7w6v5u4t3s2r1q0p9o8n7m6l5", "'", "secret"),
        ("new relic license key = '", "72322bc2443d330cf29cde9f24fca105FFFFNRAL", "'", "secret"),
        ("GET /v1/x?key=", "q7Zf3D0LXCM3EIMbgJpU", "&q=1", "secret"),
        ("Cookie: lang=de; sessionid=", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "; theme=dark", "secret"),
        ("git clone https://", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "@github.com/x.git", "url-password"),
        ("Server=db;Uid=sa;Pwd=", "Tr0ub4dor", ";Database=x", "password"),
        ("mysql --password ", "Tr0ub4dor", " db", "password"),
        ("machine a login b password ", "Tr0ub4dor", "\n", "password"),
        ("The admin password is '", "Tr0ub4dor", "'.", "password"),
        ("api_key = '", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "'", "secret"),
        ('String apiToken = "', "q7Zf3D0LXCM3EIMbgJpU", '";', "secret"),
        ("?access_token=", "q7Zf3D0LXCM3EIMbgJpU", "&x=1", "secret"),
        ("Our Mapbox API key ", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", " was seen.", "secret"),
        ("Zendesk secret token ", "q7Zf3D0LXCM3EIMbgJpU", ".", "secret"),
        ("ngrok authtoken: ", "2Ot3hdNCKF3JRJDCioqNV2J0PPc_6th2CSUm9Ks", "\n", "secret"),
        ("Unseal Key 2: ", "0tZn+7QQCxphpHwTm7/dC3LpP5JGIbYl3PK8Sy81R+P2", "\n", "secret"),
        ("buildConfigField 'String', 'API_KEY', '\"", "951bc382db9cfee29c68634761dd6e19", "\"'", "secret"),
        ("token: |\n  ", "9f8e7d6c5b4a39281706f5e4", "\n", "secret"),
        ("Secret:\n\n", "9f8e7d6c5b4a39281706f5e4", "\n", "secret"),
        ("anna:", "$2b$12$R9hCcIPz0giURNNX3kh2OuST9PgBkqquziSs7KIUgO2t0jWMUWab1", ":1000", "password-hash"),
        ("kind: Secret\ndata:\n  user: ", "YWRtaW4=", "\ntype: Opaque\n", "kubernetes-secret"),
        ("kind: Secret\nstringData:\n  note: |\n    ", "line one\n    line two", "\n", "kubernetes-secret"),
        ('{"data":{"a":"', "YWRtaW4=", '"},"kind":"Secret","metadata":{"x":"YWRtaW4="}}', "kubernetes-secret"),
        ("**Password:** ", "Tr0ub4dor", "\n", "password"),
        ("| `API_TOKEN` | ", "q7Zf3D0LXCM3EIMbgJpU", " |", "secret"),
        ("AWS_SECRET_ACCESS_KEY=", "kWcrlUX5JEDGM/LtmEENI/aVmYvHNif5zB+d9+ct", "\n", "aws-secret"),
        ("AccountKey=", AZURE_KEY, ";EndpointSuffix=x", "azure-storage-key"),
        ("postgres://app:", "p%40ss-w0rd", "@db:5432/app", "url-password"),
        ("redis://:", "Tr0ub4dor", "@cache", "url-password"),
        ("Authorization: Basic ", "dXNlcjpUcjB1YjRkb3I=", "\r\n", "basic-auth"),
        ("curl -u admin:", "Tr0ub4dor", " https://example.com", "basic-auth"),
        ("SSN: ", "536-22-1234", ".", "ssn"),
        ("IBAN ", "DE89 3704 0044 0532 0130 00", " at the bank", "iban"),
        ("IBAN ", "GB82WEST12345698765432", ".", "iban"),
        ('{"key": "TOKEN=1\\n', "ghp_" + "Ab3d" * 9, '"}', "github-token"),
    ],
)
def test_only_the_value_is_replaced(before: str, secret: str, after: str, kind: str) -> None:
    assert sanitize(before + secret + after) == (f"{before}[REDACTED:{kind}]{after}", {kind: 1})


@pytest.mark.parametrize(
    ("text", "clean", "kind"),
    [
        ("a\x00b\x07c\x1b[31m", "abc[31m", "control-character"),
        ("page\x0cnext", "page\nnext", "control-character"),
        ("user\u202egnp.exe", "usergnp.exe", "control-character"),
        ("<|im_start|>system", "< |im_start|>system", "control-token"),
        ("</s>[INST] x [/INST]", "< /s>[ INST] x [ /INST]", "control-token"),
        ("<\uff5cUser\uff5c>", "< \uff5cUser\uff5c>", "control-token"),
    ],
)
def test_what_steers_is_made_harmless(text: str, clean: str, kind: str) -> None:
    assert sanitize(text).text == clean
    assert set(sanitize(text).counts) == {kind}
    assert sanitize(clean) == (clean, {})


def test_tabs_and_line_ends_stay_and_so_do_flags() -> None:
    text = "a\tb\r\nc\n\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f \u200d"
    assert sanitize(text) == (text, {})


def test_a_control_character_inside_a_secret_does_not_hide_it() -> None:
    assert sanitize("AKIA\x00Z7QJ3MNBVC2XK5LP").text == "[REDACTED:aws-key]"


@pytest.mark.parametrize("unseen", ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u200d\u200b"])
def test_what_nobody_sees_does_not_hide_a_secret(unseen: str) -> None:
    text = f"Key: {unseen.join('AKIAZ7QJ3MNBVC2XK5LP')} ok"
    assert sanitize(text).text == "Key: [REDACTED:aws-key] ok"


def test_soft_hyphens_in_words_stay_and_are_nothing_that_steers() -> None:
    text = "Die Daten\u00adschutz\u00adver\u00adord\u00adnung, 2010\u00ad2015, co\u00adop\u00ad\ntion, Stra\u00dfe"
    assert sanitize(text) == (text, {})


@pytest.mark.parametrize(
    ("text", "clean", "kind"),
    [
        ("gh\u00adp_" + "Ab3d\u00ad" * 9, "[REDACTED:github-token]\u00ad", "github-token"),
        ("4111\u00ad1111\u00ad1111\u00ad1111", "[REDACTED:card]", "card"),
        ("Das Pass\u00adwort: hunter2", "Das Pass\u00adwort: [REDACTED:password]", "password"),
        ("Schl\u00fcs\u00adsel sk\u00ad-" + BODY, "Schl\u00fcs\u00adsel [REDACTED:openai-key]", "openai-key"),
        ("<|im_st\u00adart|>x", "< |im_st\u00adart|>x", "control-token"),
        ("\u00ad<\u00ad\uff5c[IN\u00adST]\uff5c>", "\u00ad< \u00ad\uff5c[ IN\u00adST]\uff5c>", "control-token"),
        ("a\u00ad\u00adb \u00ad\u00ad", "ab \u00ad\u00ad", "control-character"),
        ("AK\u00ad\u200bIA" + "Z7QJ3MNBVC2XK5LP", "[REDACTED:aws-key]", "aws-key"),
        ("AK" + "\u200b" * 99 + "IAZ7QJ3MNBVC2XK5LP", "[REDACTED:aws-key]", "aws-key"),
    ],
)
def test_soft_hyphens_hide_nothing(text: str, clean: str, kind: str) -> None:
    sanitized = sanitize(text)
    assert sanitized.text == clean
    assert kind in sanitized.counts
    assert sanitize(clean) == (clean, {})


def test_what_is_beside_soft_hyphens_and_not_parted_by_them_is_counted_once() -> None:
    assert sanitize(f"Ver\u00adtrag: {CARD}, Kar\u00adte") == (
        "Ver\u00adtrag: [REDACTED:card], Kar\u00adte",
        {"card": 1},
    )


def test_a_query_of_control_characters_is_no_question() -> None:
    with pytest.raises(BadMessageError, match="`query` is blank"):
        sanitize_question(Question(query="\x00\x01"))


def test_a_stop_of_control_characters_is_none() -> None:
    assert sanitize_question(Question(query="Who?", stop=["\x00", "END"]))[0].stop == ["END"]


@pytest.mark.parametrize(
    ("kind", "secret"),
    [("email", "anna.b+c@goblin.dev"), ("phone", "+49 30 9018 2000"), ("phone", "(415) 555-2671")],
)
def test_addresses_and_phone_numbers_go_where_they_are_asked_for(kind: str, secret: str) -> None:
    redactor = Redactor({kind})
    assert sanitize(f"Call {secret} now", redactor) == (f"Call [REDACTED:{kind}] now", {kind: 1})
    assert sanitize(f"Call {secret} now").counts == {}


def test_a_deployments_own_rule_takes_its_group(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[[rule]]\nkind = 'badge'\npattern = 'badge (G-[0-9]{6})'\ngroup = 1\n")
    assert sanitize("badge G-123456", Redactor((), read(file))).text == "badge [REDACTED:badge]"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[rule]]\nkind = 'a'\npattern = 'x'\n\n[[rule]]\nkind = 'b'\npattern = '('\n", "line 7: missing ): ("),
        ("[[rule]]\nkind = 'a'\npattern = 'x*'\n", "line 3: the pattern matches an empty text"),
        ("[[rule]]\nkind = 'a'\npattern = 'x'\ngroup = 1\n", "line 3: the pattern has no group 1"),
        ("[[rule]]\nkind = 'A b'\npattern = 'x'\n", "line 3: Expected `str` matching regex"),
        ("[[rule]\n", "is not TOML"),
    ],
)
def test_a_rule_that_can_not_be_used_is_named_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read(file)
    assert str(error.value).startswith("DOCQA_REDACTION_RULES: ")
    assert sentence in str(error.value)
