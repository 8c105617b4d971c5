"""Random texts with secrets at known positions, and texts that only look like secrets.

The forms are the providers' own; what surrounds them is what people write.
"""

import base64
import random
import string
from collections.abc import Callable
from typing import NamedTuple

ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "_-"
HEX = "0123456789abcdef"
PROSE = (
    "Each user has a password, a recovery key and a session token.",
    "The token expires after one hour, and the API key is rotated every ninety days.",
    "Password: required. It must have twelve characters, and never be sent by mail.",
    "The key to the boathouse hangs behind the door; the secret of the soup is vinegar.",
    "Authorization is by the treasurer: bearer instruments are kept in the safe.",
)
FRAMES = ("{}", "key: {}\n", 'const x = "{}";', "see `{}` there", "X={}\nY=1", "({})", '{{"a": "{}"}}', "<v>{}</v>")


class Case(NamedTuple):
    """A text, the secret in it (None: there is none), and its kind."""

    text: str
    secret: str | None
    kind: str


def cases(seed: int, count: int) -> list[Case]:
    """`count` texts of every kind, and as many harmless ones of every sort."""
    draw = random.Random(seed)
    positive = [_framed(draw, kind, make(draw)) for kind, make in TOKENS.items() for _ in range(count)]
    named = [_named(draw, kind, forms, make) for kind, forms, make in NAMED for _ in range(count)]
    harmless = [Case(make(draw), None, kind) for kind, make in HARMLESS.items() for _ in range(count)]
    return positive + named + harmless


def _framed(draw: random.Random, kind: str, secret: str) -> Case:
    return Case(draw.choice(FRAMES).format(secret), secret, kind)


def _named(draw: random.Random, kind: str, forms: tuple[str, ...], make: Callable[[random.Random], str]) -> Case:
    secret = make(draw)
    return Case(draw.choice(forms).format(secret), secret, kind)


def drawn(letters: str, size: int) -> Callable[[random.Random], str]:
    return lambda draw: "".join(draw.choices(letters, k=size))


def prefixed(prefix: str, letters: str, size: int) -> Callable[[random.Random], str]:
    return lambda draw: prefix + "".join(draw.choices(letters, k=size))


def luhn_digit(digits: str) -> str:
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(reversed(digits))]
    return str(-sum(value - 9 * (value > 9) for value in doubled) % 10)


def card(draw: random.Random) -> str:
    start, size = draw.choice((("4", 16), ("51", 16), ("2720", 16), ("34", 15), ("6011", 16), ("3528", 16)))
    digits = start + "".join(draw.choices(string.digits, k=size - len(start) - 1))
    digits += luhn_digit(digits)
    gap = draw.choice(("", " ", "-"))
    cuts = (4, 10, 15) if size == 15 else (4, 8, 12, 16)
    return gap.join(digits[start:stop] for start, stop in zip((0, *cuts), cuts, strict=False))


def failing_card(draw: random.Random) -> str:
    digits = "4" + "".join(draw.choices(string.digits, k=14))
    return digits + str((int(luhn_digit(digits)) + draw.randrange(1, 10)) % 10)


def iban(draw: random.Random) -> str:
    body = "".join(draw.choices(string.digits, k=18))
    compact = f"DE{98 - int(body + '131400') % 97:02}{body}"
    return compact if draw.random() < 0.5 else " ".join(compact[at : at + 4] for at in range(0, len(compact), 4))


def ssn(draw: random.Random) -> str:
    return f"{draw.randrange(1, 600):03}-{draw.randrange(1, 99):02}-{draw.randrange(1, 9999):04}"


def jwt(draw: random.Random) -> str:
    claims = base64.urlsafe_b64encode(b'{"sub":"%d"}' % draw.randrange(10**9)).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.{drawn(URLSAFE, 43)(draw)}"


def pem(draw: random.Random) -> str:
    end = draw.choice(("\n", "\\n"))
    lines = end.join(drawn(ALNUM + "+/", 64)(draw) for _ in range(4))
    name = draw.choice(("RSA ", "EC ", "", "OPENSSH ")) + "PRIVATE"
    return f"-----BEGIN {name} KEY-----{end}{lines}{end}-----END {name} KEY-----"


def password(draw: random.Random) -> str:
    return draw.choice(("hunter", "Tr0ub", "s3cr", "Blau", "kite")) + "".join(draw.choices(ALNUM + "!#%", k=6)) + "7"


def azure_key(draw: random.Random) -> str:
    return base64.b64encode(draw.randbytes(64)).decode()


def uuid(draw: random.Random) -> str:
    return "-".join("".join(draw.choices(HEX, k=size)) for size in (8, 4, 4, 4, 12))


TOKENS: dict[str, Callable[[random.Random], str]] = {
    "aws-key": prefixed("AKIA", string.ascii_uppercase + "234567", 16),
    "github-token": prefixed("ghp_", ALNUM, 36),
    "gitlab-token": prefixed("glpat-", URLSAFE, 20),
    "slack-token": lambda draw: (
        f"xoxb-{drawn(string.digits, 12)(draw)}-{drawn(string.digits, 13)(draw)}-{drawn(ALNUM, 24)(draw)}"
    ),
    "stripe-key": prefixed("sk_live_", ALNUM, 24),
    # All of OpenAI's have its name in base64 in their middle.
    "openai-key": lambda draw: f"sk-proj-{drawn(URLSAFE, 74)(draw)}T3BlbkFJ{drawn(URLSAFE, 74)(draw)}",
    "anthropic-key": lambda draw: f"sk-ant-api03-{drawn(URLSAFE, 93)(draw)}AA",
    "huggingface-token": prefixed("hf_", string.ascii_letters, 34),
    "google-key": prefixed("AIza", URLSAFE, 35),
    "npm-token": prefixed("npm_", ALNUM, 36),
    "pypi-token": prefixed("pypi-AgEIcHlwaS5vcmc", URLSAFE, 90),
    "digitalocean-token": prefixed("dop_v1_", HEX, 64),
    "shopify-token": prefixed("shpat_", HEX, 32),
    "sendgrid-key": lambda draw: f"SG.{drawn(URLSAFE, 22)(draw)}.{drawn(URLSAFE, 43)(draw)}",
    "telegram-token": lambda draw: f"{draw.randrange(10**8, 10**10)}:AA{drawn(URLSAFE, 33)(draw)}",
    "databricks-token": prefixed("dapi", HEX, 32),
    "docker-token": prefixed("dckr_pat_", URLSAFE, 27),
    "vault-token": prefixed("hvs.", ALNUM, 90),
    "azure-client-secret": lambda draw: f"{drawn(ALNUM, 3)(draw)}8Q~{drawn(ALNUM + '_-', 34)(draw)}",
    "jwt": jwt,
    "private-key": pem,
    "card": card,
    "iban": iban,
    "ssn": ssn,
}
NAMED: tuple[tuple[str, tuple[str, ...], Callable[[random.Random], str]], ...] = (
    (
        "password",
        ("DB_PASSWORD={}\n", 'password = "{}"', '{{"password": "{}"}}', "db_password: {}\n", "<password>{}</password>"),
        password,
    ),
    (
        "secret",
        ("API_KEY={}\n", "api_key: '{}'", '"clientSecret": "{}",', 'authToken := "{}"', "?access_token={}&page=2"),
        drawn(ALNUM, 32),
    ),
    ("aws-secret", ("AWS_SECRET_ACCESS_KEY={}\n", 'aws_secret_access_key = "{}"'), drawn(ALNUM, 40)),
    (
        "azure-storage-key",
        (
            "DefaultEndpointsProtocol=https;AccountName=app;AccountKey={};EndpointSuffix=core.windows.net",
            "ACCOUNT_KEY={}\n",
        ),
        azure_key,
    ),
    ("url-password", ("postgres://app:{}@db:5432/x", "amqp://u:{}@mq/", "https://me:{}@example.com"), drawn(ALNUM, 14)),
    (
        "kubernetes-secret",
        (
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\ndata:\n  user: {}\ntype: Opaque\n",
            '{{"apiVersion":"v1","data":{{"ca.crt":"{}"}},"kind":"Secret","metadata":{{"name":"app"}}}}',
        ),
        lambda draw: base64.b64encode(draw.randbytes(draw.randrange(9, 40))).decode(),
    ),
    ("bearer-token", ("Authorization: Bearer {}\n", "-H 'authorization: bearer {}'"), drawn(ALNUM, 32)),
)
HARMLESS: dict[str, Callable[[random.Random], str]] = {
    "UUID": lambda draw: f'"id": "{uuid(draw)}"',
    "git hash": lambda draw: f"commit {drawn(HEX, 40)(draw)}",
    "lock file": lambda draw: f"--hash=sha256:{drawn(HEX, 64)(draw)}",
    "order": lambda draw: f"Order {failing_card(draw)} was sent",
    "image": lambda draw: f"data:image/png;base64,{base64.b64encode(draw.randbytes(90)).decode()}",
    "variable": lambda draw: (
        f"API_KEY=${{{draw.choice(('API', 'GITHUB', 'DB'))}_{drawn(string.ascii_uppercase, 5)(draw)}}}"
    ),
    "placeholder": lambda draw: (
        f"token: {draw.choice(('<YOUR_TOKEN>', 'xxxxxxxxxxxx', 'changeme', 'your-token-here'))}"
    ),
    "code": lambda draw: (
        f"password = {draw.choice(('getpass()', 'os.environ[PW]', 'self.password', 'None', 'args.pw'))}"
    ),
    "prose": lambda draw: draw.choice(PROSE),
    "public key": lambda draw: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{drawn(ALNUM + '+/', 43)(draw)} anna@mill",
    "checksum": lambda draw: f"checksum: {drawn(HEX, 64)(draw)}",
    "label": lambda draw: (
        f'"password_label": "{draw.choice(("Passwort", "Choose a new password", "Neues Kennwort"))}",'
    ),
    "settings without values": lambda draw: (
        f"DB_PASSWORD=\nDB_HOST=db{draw.randrange(99)}.internal\nAPI_KEY=\nPORT=80\n"
    ),
    "config map": lambda draw: f"kind: ConfigMap\ndata:\n  mode: {drawn(ALNUM, 8)(draw)}\n",
    "version": lambda draw: f"v{draw.randrange(9)}.{draw.randrange(99)}.{draw.randrange(99)}-rc{draw.randrange(9)}",
    "example": lambda _: "AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
