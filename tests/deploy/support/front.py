"""nginx as it is shipped, in front of an ingress whose socket is held open by somebody else, as by systemd."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import trustme

from bench.targets.free_ports import free_ports
from tests.deploy.support.places import NGINX
from tests.support.stack import Beside, Stack
from tests.support.waiting import until

NAME: Final = "docqa.example.org"
HTTP_TIMEOUT_S: Final = 90.0
USER_HEADER: Final = "X-User"
_SOCKET: Final = "/run/goblinmini-docqa.sock"

_MAIN: Final = """
daemon off;
user www-data;
worker_processes auto;
worker_rlimit_nofile 2048;
pid {folder}/nginx.pid;
error_log {folder}/logs/error.log warn;
events {{ worker_connections 768; }}
http {{
    access_log off;
    {temporary}
    include conf.d/*.conf;
}}
"""


class Door:
    """A listening socket, and the ingress that serves it now."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        """Users are named by `X-User`, as deploy/nginx has it."""
        self._stack = stack
        self.path = folder / "door.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(2048)
        self.path.chmod(0o660)
        shutil.chown(self.path, group="www-data")
        self.ingress = self._open()

    def restart(self) -> None:
        """As systemd does: SIGTERM, then a new process on the same descriptor."""
        self.ingress.stop()
        self.ingress = self._open()

    def close(self) -> None:
        self.ingress.destroy()
        self._listener.close()

    def _open(self) -> Beside:
        fd = self._listener.fileno()
        script = f'[ {fd} = 3 ] || exec 3<&{fd}; LISTEN_PID=$$ exec "$@"'
        # Its uploads go where the stack's library looks for them.
        data_dir = str(self._stack.ready().data_dir)
        settings = {"LISTEN_FDS": "1", "DOCQA_DATA_DIR": data_dir, "DOCQA_USER_HEADER": USER_HEADER}
        ingress = Beside(self._stack, "ingress", "ingress", settings, ["bash", "-c", script, "bash"])
        ingress.start(fd)
        return ingress


class Front:
    """A running nginx."""

    def __init__(self, folder: Path, door: Door, locations: str = "", users: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._users = users or {}
        self._locations = locations
        self.door = door
        self._authority = trustme.CA()
        self.plain_port, self.tls_port = free_ports(2)
        self._write(door.path)

    @property
    def configuration(self) -> Path:
        return self.folder / "nginx.conf"

    def command(self, *arguments: str) -> list[str]:
        return ["nginx", "-p", str(self.folder), "-c", str(self.configuration), *arguments]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL)
        try:
            until(lambda: is_open(self.tls_port), "nginx listens")
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0

    @contextlib.asynccontextmanager
    async def client(self, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
        """A client that comes from this loopback address: the rate is counted by address."""
        context = httpx.create_ssl_context()
        self._authority.configure_trust(context)
        transport = httpx.AsyncHTTPTransport(verify=context, local_address=address)
        async with httpx.AsyncClient(
            transport=Resolved(transport), base_url=f"https://{NAME}:{self.tls_port}", timeout=HTTP_TIMEOUT_S
        ) as client:
            yield client

    def log(self) -> list[dict[str, Any]]:
        """The access log, parsed."""
        lines = (self.folder / "logs" / "goblin-docqa.json").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def _write(self, upstream: Path) -> None:
        """The shipped files, but for what belongs to this machine: ports, folders, the certificate."""
        for name in ("logs", "conf.d", "tls"):
            (self.folder / name).mkdir()
        shutil.copytree(NGINX / "snippets", self.folder / "snippets")
        site = (NGINX / "goblin-docqa.conf").read_text(encoding="utf-8")
        for shipped, here in {
            _SOCKET: str(upstream),
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.tls_port} ssl",
            "/var/log/nginx": str(self.folder / "logs"),
        }.items():
            assert shipped in site, f"the site does not say {shipped!r} any more"
            site = site.replace(shipped, here)
        first = "    location /api/ {"
        assert first in site
        site = site.replace(first, f"{self._locations}{first}")
        (self.folder / "conf.d" / "goblin-docqa.conf").write_text(site, encoding="utf-8")
        self._write_certificate()
        if self._users:
            self._ask_for_names()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        self.configuration.write_text(_MAIN.format(folder=self.folder, temporary=temporary), encoding="utf-8")

    def _ask_for_names(self) -> None:
        """As deploy/nginx/README.md says of users that nginx knows."""
        passwords = self.folder / "passwords"
        passwords.write_text("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in self._users.items()))
        snippet = self.folder / "snippets" / "goblin-docqa-proxy.conf"
        shipped = f'proxy_set_header {USER_HEADER} "";'
        text = snippet.read_text(encoding="utf-8")
        assert shipped in text
        named = f'auth_basic "DocQA";\nauth_basic_user_file {passwords};\nproxy_set_header {USER_HEADER} $remote_user;'
        snippet.write_text(text.replace(shipped, named), encoding="utf-8")

    def _write_certificate(self) -> None:
        certificate = self._authority.issue_cert(NAME)
        certificate.private_key_pem.write_to_path(str(self.folder / "tls" / "privkey.pem"))
        for part in certificate.cert_chain_pems:
            part.write_to_path(str(self.folder / "tls" / "fullchain.pem"), append=True)
        snippet = self.folder / "snippets" / "goblin-docqa-tls.conf"
        text = snippet.read_text(encoding="utf-8")
        snippet.write_text(text.replace("/etc/ssl/goblin-docqa", str(self.folder / "tls")), encoding="utf-8")


class Resolved(httpx.AsyncBaseTransport):
    """Sends what is meant for the site's name to this machine."""

    def __init__(self, inner: httpx.AsyncHTTPTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.url = request.url.copy_with(host="127.0.0.1")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextlib.contextmanager
def front(stack: Stack, locations: str = "", users: Mapping[str, str] | None = None) -> Iterator[Front]:
    """nginx before an ingress of its own on the stack's bus, for a block; with more locations in its site.

    `users`: passwords by name, which nginx asks for and passes the name on.
    """
    # A Unix socket's path ends at 107 bytes, and nginx's workers must get to it.
    folder = Path(tempfile.mkdtemp(prefix="dqn"))
    folder.chmod(0o755)
    try:
        with contextlib.closing(Door(stack, folder)) as door:
            nginx = Front(folder, door, locations, users)
            with nginx.running():
                yield nginx
    finally:
        shutil.rmtree(folder)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
