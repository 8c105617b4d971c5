"""Keys and tokens that show by their own form what they are: a provider's prefix, an alphabet, a length.

Data only: kinds, RE2 patterns, and a filter where the form is not enough. `tokens` finds them.
"""

import binascii
from collections.abc import Callable
from typing import NamedTuple

from contract.redaction.tokens.jwt import is_json

_HEX = "[a-f0-9]"
_ANY_HEX = "[A-Fa-f0-9]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"


class Token(NamedTuple):
    """One kind and all its forms. Each begins with a literal, and what ends its first open repetition is optional."""

    kind: str
    patterns: tuple[str, ...]
    is_secret: Callable[[bytes], bool] = lambda _: True
    """Checks a pattern's match; fillers like `ghp_xxxx` are rejected before."""


def _is_aws_key(key: bytes) -> bool:
    """Not the example of the documentation, not a filler, and not a piece of a genome."""
    return not key.endswith(b"EXAMPLE") and not set(key[4:]) <= set(b"ACGTX")


def _has_digit(token: bytes) -> bool:
    """A random token of letters and digits has some of each; a name, or words joined by dashes, does not."""
    return any(byte in b"0123456789" for byte in token[4:])


def _is_grafana_key(token: bytes) -> bool:
    return is_json(token, b'{"k":')


def _is_private_key(token: bytes) -> bool:
    """PEM in base64, as in a variable of a pipeline: a certificate looks the same at its beginning."""
    return b"PRIVATE KEY" in binascii.a2b_base64(token[:64])


def _has_capital(token: bytes) -> bool:
    return token[4:] != token[4:].lower()


def _is_okta_token(token: bytes) -> bool:
    return len(set(token)) >= 12 and not token.isdigit() and token.lower() != token


TOKENS = (
    Token("docqa-token", ("dq_[A-Za-z0-9_-]{43,}",)),
    Token("aws-key", (r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",), _is_aws_key),
    Token("aws-bedrock-key", ("ABSK[A-Za-z0-9+/]{80,}={0,2}", "bedrock-api-key-[A-Za-z0-9+/=_-]{20,}")),
    Token("github-token", ("gh[pousr]_[A-Za-z0-9]{36,}", "github_pat_[A-Za-z0-9_]{50,}")),
    Token(
        "gitlab-token",
        (
            r"gl(?:pat|dt|rt|ptt|ft|soat|imt|agent|oas|ffct|cbt|ddt|wt)-[A-Za-z0-9_-]{20,}(?:\.[a-z0-9]{2}\.?[a-z0-9]{7})?",
            "GR1348941[A-Za-z0-9_-]{20,}",
            r"_gitlab_session=[a-z0-9]{32}\b",
        ),
    ),
    Token("slack-webhook", (r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/_-]{24,}",)),
    Token(
        "slack-token",
        ("xox[abeoprs]-[A-Za-z0-9-]{10,}", r"xoxe\.xox[bp]-[A-Za-z0-9-]{20,}", "xapp-[0-9]-[A-Za-z0-9-]{20,}"),
    ),
    Token("stripe-key", ("(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}", "whsec_[A-Za-z0-9+/]{24,}={0,2}")),
    Token("anthropic-key", ("sk-ant-[A-Za-z0-9_-]{20,}",)),
    Token("openrouter-key", ("sk-or-v1-[a-f0-9]{40,}",)),
    Token(
        "openai-key",
        ("sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}", "sk-[A-Za-z0-9]{32,}", "sess-[A-Za-z0-9]{40,}"),
    ),
    Token("google-key", ("AIza[A-Za-z0-9_-]{35,}",)),
    Token("google-oauth-token", (r"ya29\.[A-Za-z0-9_-]{20,}[A-Za-z0-9._-]*", "1//0[A-Za-z0-9_-]{20,}")),
    Token("google-oauth-secret", ("GOCSPX-[A-Za-z0-9_-]{28,}",)),
    Token("huggingface-token", (r"hf_[A-Za-z0-9]{34,40}\b", r"api_org_[A-Za-z0-9]{34,40}\b")),
    Token("npm-token", ("npm_[A-Za-z0-9]{36,}",)),
    Token("pypi-token", ("pypi-AgE[A-Za-z0-9_-]{50,}",)),
    Token("sendgrid-key", (r"SG\.[A-Za-z0-9_=-]{16,32}\.[A-Za-z0-9_=-]{30,}", r"SG\.[A-Za-z0-9_=.-]{66,}")),
    Token("twilio-key", (r"(?:SK|AC)[a-f0-9]{32}\b",)),
    Token("mailgun-key", (r"(?:pub)?key-[a-f0-9]{32}\b",)),
    Token("mailgun-signing-key", (r"[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}\b",)),
    Token("mailchimp-key", (r"[a-f0-9]{32}-us[0-9]{1,2}\b",)),
    Token("digitalocean-token", (r"do[opr]_v1_[a-f0-9]{64}\b",)),
    Token("shopify-token", (f"shp(?:at|ca|pa|ss|tka)_{_ANY_HEX}{{32,}}",)),
    Token("square-token", ("(?:EAAA|sq0(?:atp|csp|idp|csb)-)[A-Za-z0-9_-]{22,}",), _has_digit),
    Token("telegram-token", (r"(?:bot)?[0-9]{8,12}:A[A-Za-z0-9_-]{33,35}",)),
    Token(
        "discord-token",
        (r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}", r"mfa\.[A-Za-z0-9_-]{80,}"),
    ),
    Token("discord-webhook", (r"discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/[0-9]{17,}/[A-Za-z0-9_-]{60,}",)),
    Token(
        "teams-webhook",
        (
            r"office\.com/webhook(?:b2)?/[A-Za-z0-9-]{36}@[A-Za-z0-9-]{36}/IncomingWebhook/[A-Za-z0-9]{16,}[A-Za-z0-9/-]*",
        ),
    ),
    Token("databricks-token", (r"dapi[a-f0-9]{32}(?:-[0-9])?\b",)),
    Token("vault-token", (r"hv[sbr]\.[A-Za-z0-9_-]{24,}", r"s\.[A-Za-z0-9]{24}\b"), _has_digit),
    Token("terraform-token", (r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}",)),
    Token("docker-token", ("dckr_(?:pat|oat)_[A-Za-z0-9_-]{24,}",)),
    Token("linear-key", ("lin_(?:api|oauth)_[A-Za-z0-9]{32,}",)),
    Token("notion-token", ("ntn_[0-9]{11}[A-Za-z0-9]{32,}", r"secret_[A-Za-z0-9]{43}\b"), _has_digit),
    Token("sentry-token", (r"sntryu_[a-f0-9]{64}\b", "sntrys_eyJ[A-Za-z0-9+/=_-]{40,}")),
    Token("grafana-token", ("glc_[A-Za-z0-9+/]{32,}={0,2}", rf"glsa_[A-Za-z0-9]{{32}}_{_ANY_HEX}{{8}}\b")),
    Token("grafana-key", ("eyJrIjoi[A-Za-z0-9+/]{40,}={0,3}",), _is_grafana_key),
    Token("newrelic-key", ("NR(?:AK|AA|JS|II|RA|BR|IQ|AL)-[A-Za-z0-9_-]{19,}",)),
    Token("postman-key", (r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}\b",)),
    Token("planetscale-token", ("pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_=.-]{32,}",)),
    Token("cloudflare-key", (r"v1\.0-[a-f0-9]{24}-[a-f0-9]{40,}", "cf(?:ut|k|at)_[A-Za-z0-9_-]{40,}")),
    Token("heroku-key", ("HRKU-AA[A-Za-z0-9_-]{58,}", "HRKU-[a-f0-9-]{36,}")),
    Token("atlassian-token", ("ATATT3[A-Za-z0-9_=-]{40,}", "AT(?:CTT3|BB|OA)[A-Za-z0-9_=-]{28,}"), _has_digit),
    Token("azure-client-secret", (r"[A-Za-z0-9_~.][A-Za-z0-9_~.-]{2}[0-9]Q~[A-Za-z0-9_~.-]{31,}",)),
    Token("alibaba-key", ("LTAI[A-Za-z0-9]{12,}",), _has_digit),
    Token("airtable-token", (r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b",)),
    Token("artifactory-key", ("AKCp[A-Za-z0-9]{60,}", r"cmVmd[A-Za-z0-9]{59}\b")),
    Token("adobe-secret", ("p8e-[A-Za-z0-9_-]{32,}",)),
    Token("age-key", (r"AGE-SECRET-KEY-1[A-Z0-9]{58}\b",)),
    Token("1password-secret", ("A3-[A-Z0-9]{6}-[A-Z0-9-]{24,}", "ops_eyJ[A-Za-z0-9+/=]{40,}")),
    Token(
        "authress-key",
        (
            r"(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-][A-Za-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,}",
        ),
    ),
    Token("clickhouse-key", (r"4b1d[A-Za-z0-9]{38}\b",), _has_digit),
    Token("clojars-token", (r"CLOJARS_[A-Za-z0-9]{60}\b",)),
    Token("defined-networking-token", ("dnkey-[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}",)),
    Token("doppler-token", (r"dp\.(?:pt|st|ct|sa|scim|audit|said)\.[A-Za-z0-9._-]{40,}",)),
    Token("dropbox-token", (r"sl\.(?:u\.)?[A-Za-z0-9_=-]{100,}",)),
    Token("duffel-token", ("duffel_(?:test|live)_[A-Za-z0-9_=-]{43,}",)),
    Token("dynatrace-token", (r"dt0[a-z][0-9]{2}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}\b",)),
    Token("easypost-key", (r"EZ[AT]K[A-Za-z0-9]{54}\b",)),
    Token(
        "facebook-token",
        (r"[0-9]{15,16}(?:\||%7[Cc])[A-Za-z0-9_-]{27,}", "EAA[A-Za-z0-9]{90,}", "EAACEdEose0cBA[A-Za-z0-9]{10,}"),
    ),
    Token("flutterwave-key", ("FLW(?:SECK|PUBK)(?:_TEST)?-[A-Za-z0-9]{12,}(?:-X)?",)),
    Token("fly-token", ("fo1_[A-Za-z0-9_-]{43}", "fm[12][ar]?_[A-Za-z0-9+/]{100,}={0,3}")),
    Token("frameio-token", ("fio-u-[A-Za-z0-9_=-]{64}",)),
    Token("gocardless-token", (r"live_[A-Za-z0-9_=-]{40}\b",), _has_digit),
    Token("lob-key", (r"(?:live|test)_(?:pub_)?[a-f0-9]{31,}\b",)),
    Token("harness-key", (r"(?:pat|sat)\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}\b",)),
    Token("infracost-token", (r"ico-[A-Za-z0-9]{32}\b",), _has_capital),
    Token("intra42-secret", (r"s-s4t2(?:ud|af)-[a-f0-9]{64}\b",)),
    Token("mapbox-token", (r"[st]k\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{15,}", r"pk\.[a-z0-9]{60}\.[a-z0-9]{22}\b")),
    # Synapse's access and refresh tokens, and those of the Matrix Authentication Service.
    Token("matrix-token", ("sy[tr]_[A-Za-z0-9_]{28,}", r"m[acu][trp]_[A-Za-z0-9]{30}_[A-Za-z0-9]{6}\b"), _has_digit),
    Token("maxmind-key", (r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk\b",)),
    Token("octopus-key", (r"API-[A-Z0-9]{25,}\b",), _has_digit),
    Token("okta-token", (r"00[A-Za-z0-9_-]{40}\b",), _is_okta_token),
    Token("openshift-token", ("sha256~[A-Za-z0-9_-]{43}",)),
    Token("perplexity-key", ("pplx-[A-Za-z0-9]{40,}",)),
    Token("plaid-token", (f"access-(?:sandbox|development|production)-{_UUID}",)),
    Token("prefect-key", (r"pn[ub]_[A-Za-z0-9]{36}\b",)),
    Token("pulumi-token", (r"pul-[a-f0-9]{40}\b",)),
    Token("readme-key", (r"rdme_[a-z0-9]{70}\b",)),
    Token("rubygems-key", (r"rubygems_[a-f0-9]{48}\b",)),
    Token("scalingo-token", ("tk-us-[A-Za-z0-9_-]{48}",)),
    Token("sendinblue-key", (r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}\b", r"xsmtpsib-[a-f0-9]{64}-[A-Za-z0-9]{16}\b")),
    Token("settlemint-token", (r"sm_(?:aat|pat|sat)_[A-Za-z0-9]{16}\b",)),
    Token("shippo-token", (rf"shippo_(?:live|test)_{_ANY_HEX}{{40}}\b",)),
    Token("sonar-token", (r"sq[upa]_[a-f0-9]{40}\b",)),
    Token(
        "sourcegraph-token",
        (
            r"slk_[a-f0-9]{64}\b",
            rf"sgp_(?:(?:{_ANY_HEX}{{16}}|local)_)?{_ANY_HEX}{{40}}\b",
        ),
    ),
    Token("typeform-token", ("tfp_[A-Za-z0-9_.=-]{40,}",)),
    Token("twitter-token", ("A{22}[A-Za-z0-9%]{80,}",)),
    Token(
        "yandex-key",
        (
            "AQVN[A-Za-z0-9_-]{35,}",
            r"t1\.[A-Za-z0-9_-]{1,}={0,2}\.[A-Za-z0-9_-]{86}={0,2}",
            "y[0-3]_[A-Za-z0-9_-]{50,}",
        ),
    ),
    Token("nuget-key", (r"oy2[a-z0-9]{43}\b",)),
    Token("crates-token", (r"cio[A-Za-z0-9]{32}\b",), _has_digit),
    Token("figma-token", ("figd_[A-Za-z0-9_-]{38,}",)),
    Token("groq-key", ("gsk_[A-Za-z0-9]{40,}",)),
    Token("xai-key", ("xai-[A-Za-z0-9_]{70,}",)),
    Token("replicate-token", (r"r8_[A-Za-z0-9]{37,40}\b",)),
    Token("wandb-key", ("wandb_v1_[A-Za-z0-9_-]{40,}",)),
    Token("supabase-key", ("sb(?:p|_secret)_[A-Za-z0-9_-]{20,}",), _has_digit),
    Token("netlify-token", ("nf[pcoub]_[A-Za-z0-9]{36,}",)),
    Token("vercel-token", ("vc[kpair]_[A-Za-z0-9]{24,}",), _has_digit),
    Token("asana-token", (r"[0-9]/[0-9]{10,}(?:/[0-9]{10,})?:[a-f0-9]{32}\b",)),
    Token("contentful-token", ("CFPAT-[A-Za-z0-9_-]{40,}",)),
    Token("circleci-token", ("CCI(?:PAT|PRJ)_[A-Za-z0-9_]{20,}",)),
    Token("buildkite-token", ("bk(?:ua|aj|ct)_[A-Za-z0-9]{40,}",)),
    Token("hubspot-key", (rf"pat-(?:na|eu)[0-9]-{_ANY_HEX}{{8}}-[A-Fa-f0-9-]{{27}}\b",)),
    Token("braintree-token", (r"access_token\$(?:sandbox|production)\$[a-z0-9]{16}\$[a-f0-9]{32}\b",)),
    Token("amazon-mws-token", (rf"amzn\.mws\.{_UUID}",)),
    Token("amazon-oauth-token", (r"amzn1\.oa2-cs\.v1\.[a-f0-9]{64}\b", r"Atz[ar]\|[A-Za-z0-9_+/=-]{40,}")),
    Token("adafruit-key", (r"aio_[A-Za-z0-9]{28}\b",)),
    Token("tailscale-key", ("tskey-(?:[a-z]{3,10}-)?[A-Za-z0-9]{10,}(?:-[A-Za-z0-9]{20,})?",), _has_digit),
    Token("launchdarkly-key", (f"(?:api|sdk|mob)-{_UUID}",)),
    Token("snyk-token", (r"snyk_(?:uat|sat)\.[A-Za-z0-9_.-]{20,}",)),
    Token("dependency-track-key", (r"odt_[A-Za-z0-9]{32,}",)),
    Token("salesforce-token", (r"00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{60,}",)),
    Token("azure-devops-token", (r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b",)),
    Token("private-key", ("LS0tLS1CRUdJTi[A-Za-z0-9+/]{40,}={0,2}",), _is_private_key),
    Token("rootly-token", (r"rootly_[a-f0-9]{64}\b",)),
    Token("deepgram-or-elevenlabs-key", (r"sk_[a-f0-9]{48}\b",)),
    Token("pinecone-key", ("pcsk_[A-Za-z0-9_]{50,}",)),
    Token("langsmith-key", (r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b",)),
    Token("fireworks-key", (r"fw_[A-Za-z0-9]{22,}\b",), _has_digit),
    Token("nvidia-key", ("nvapi-[A-Za-z0-9_-]{60,}",)),
    Token("tavily-key", ("tvly-(?:dev-|prod-)?[A-Za-z0-9]{20,}",), _has_digit),
    Token("apify-token", (r"apify_api_[A-Za-z0-9]{36}\b",)),
    Token("appsync-key", (r"da2-[a-z0-9]{26}\b",), _has_digit),
    Token("axiom-token", (rf"xa[ap]t-{_UUID}",)),
    Token("bitwarden-token", (rf"0\.{_UUID}\.[A-Za-z0-9]{{30}}:[A-Za-z0-9+/]{{20,}}={{0,2}}",)),
    Token("browserbase-key", ("bb_(?:live|test)_[A-Za-z0-9_-]{27,}",), _has_digit),
    Token("cerebras-key", (r"csk-[a-z0-9]{48}\b",), _has_digit),
    Token("clickup-token", (r"pk_[0-9]{6,9}_[A-Z0-9]{32}\b",)),
    Token("daytona-key", (r"dtn_[a-f0-9]{64}\b",)),
    Token("e2b-key", (r"e2b_[a-f0-9]{40}\b",)),
    Token("firecrawl-key", (r"fc-[a-f0-9]{32}\b",)),
    Token("honeycomb-key", (r"hc[abx][il]k_[a-z0-9]{58}\b",)),
    Token("inngest-key", (r"signkey-(?:prod|test|branch)-[a-f0-9]{32,}",)),
    Token("langfuse-key", (rf"sk-lf-{_UUID}",)),
    Token("logfire-token", (r"pylf_v[0-9]_[a-z]{2}_[A-Za-z0-9]{40,}",)),
    Token("mongodb-atlas-secret", ("mdb_sa_sk_[A-Za-z0-9_-]{40,}",)),
    Token("neon-key", (r"napi_[a-z0-9]{60,}",), _has_digit),
    Token("paddle-key", (r"pdl_(?:live|sdbx)_apikey_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}\b",)),
    Token("pagarme-key", (r"ak_(?:live|test)_[A-Za-z0-9]{30}\b",), _has_digit),
    Token("polar-token", ("polar_(?:oat|pat|at_[uo]|rt_[uo]|whs)_[A-Za-z0-9_-]{32,}",)),
    Token("posthog-key", ("phx_[A-Za-z0-9_-]{40,}",), _has_digit),
    Token("resend-key", (r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}\b",), _has_digit),
    Token("runpod-key", (r"rpa_[A-Z0-9]{40,}",), _has_digit),
    Token("teamwork-token", (r"tkn\.v1_[A-Za-z0-9+/]{60,}={0,2}",)),
    Token("telnyx-key", (r"KEY[0-9A-F]{32}_[A-Za-z0-9]{22}\b",)),
    Token("trigger-dev-key", ("tr_(?:dev|prod|stg|preview|pat)_[A-Za-z0-9]{20,}",), _has_digit),
    Token("voiceflow-key", (r"VF\.(?:DM|WS)\.[a-f0-9]{24}\.[A-Za-z0-9]{16}\b",)),
    Token("xata-key", ("xau_[A-Za-z0-9]{36,}",), _has_digit),
    Token("zapier-webhook", (r"hooks\.zapier\.com/hooks/catch/[0-9]{4,}/[A-Za-z0-9]{6,}",)),
    Token("zoho-token", (r"1000\.[a-f0-9]{32}\.[a-f0-9]{32}\b",)),
    # Passwords can be tried offline against a hash.
    Token(
        "password-hash",
        (
            r"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}",
            r"\$[156]\$(?:rounds=[0-9]{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,}",
            r"\$y\$[./A-Za-z0-9]{2,8}\$[./A-Za-z0-9]{1,64}\$[./A-Za-z0-9]{40,}",
            r"\$argon2(?:id|i|d)\$v=[0-9]{1,3}\$m=[0-9]{1,9},t=[0-9]{1,4},p=[0-9]{1,4}\$[A-Za-z0-9+/]{8,64}\$[A-Za-z0-9+/]{20,}",
            r"pbkdf2_sha(?:1|256|512)\$[0-9]{1,9}\$[A-Za-z0-9]{8,64}\$[A-Za-z0-9+/]{27,}={0,2}",
        ),
    ),
)
