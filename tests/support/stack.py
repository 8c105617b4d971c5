"""A running `docqa up` as a test sees it: started, asked, killed in parts, stopped, and looked over afterwards.

Knows what users know: the command, its ready file, HTTP, NATS and signals. Imports no service.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import httpx
import msgspec

from contract.bus import Bus, connected
from contract.settings import BusSettings, Secret
from tests.support import processes
from tests.support.client import Client
from tests.support.waiting import eventually, until

Part = Literal["nats", "ingress", "worker", "library"]

_PROGRAMS: dict[Part, str] = {
    "nats": "nats-server",
    "ingress": "ingress",
    "worker": "inference_worker",
    "library": "library",
}
"""A word of the command line that each part is known by."""

_PINNED_MODEL = {"MODEL_QUANTIZATION": "as-is", "DOCQA_TUNE": "off"}
"""Answers are compared: they must not depend on what is the fastest on the machine that runs the tests."""

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
HTTP_TIMEOUT_S = 90.0
LOG_TAIL_CHARS = 12_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How `docqa up` is started. Without `own_places` it takes its default folder and socket, under a new HOME.

    Sentences are found by words alone, which spares each start a third of its time, unless a test wants the `embedder`.
    """

    queue_size: int = 10
    slots: int = 4
    engine: Literal["echo", "llama"] = "echo"
    echo_delay_s: float = 0.0
    ack_wait_s: float = 2.0
    environment: Mapping[str, str] = {}
    http: str = "127.0.0.1:0"
    own_places: bool = True
    embedder: bool = False


class Ready(msgspec.Struct, frozen=True):
    """The ready file: written once all is up, and again when a part was restarted."""

    http: str
    uds: Path
    nats_url: str
    metrics: dict[str, str]
    pids: dict[str, int]
    data_dir: Path
    credentials: Path


_ready_decoder = msgspec.json.Decoder(Ready, dec_hook=lambda kind, value: kind(value))


def _environment_of(options: Options) -> dict[str, str]:
    words_alone = {} if options.embedder else {"DOCQA_EMBEDDING_MODEL": "off"}
    return {"DOCQA_ACK_WAIT_S": f"{options.ack_wait_s:g}", **_PINNED_MODEL, **words_alone}


class Stack:
    """One `docqa up` in a short temporary folder; it may be stopped and started again on the same data."""

    def __init__(self, options: Options) -> None:
        self.options = options
        # A Unix socket's path ends at 107 bytes: pytest's own folders are too long.
        self.folder = Path(tempfile.mkdtemp(prefix="dq"))
        self.environment = processes.environment(self.folder, {**_environment_of(options), **options.environment})
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        options = self.options
        places = ["--data-dir", str(self.folder / "data"), "--uds", str(self.folder / "sock")]
        return [
            *(sys.executable, "-m", "ops", "up", "--http", options.http, "--engine", options.engine),
            *(places if options.own_places else []),
            *("--queue-size", str(options.queue_size), "--slots", str(options.slots)),
            *("--echo-delay", f"{options.echo_delay_s:g}", "--ready-file", str(self._ready_file)),
        ]

    def start(self) -> None:
        """Start, and wait until the ready file is there."""
        self._ready_file.unlink(missing_ok=True)
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._is_ready_or_dead, "docqa up is ready", START_TIMEOUT_S)
        assert self._process.poll() is None, f"docqa up ended with {self._process.poll()}"

    def stop(self, *, whole_group: bool = False) -> None:
        """Ctrl-C (to `docqa up` alone, or to its process group as a terminal does): ends with 0, leaves nothing."""
        process = self._running()
        for left in processes.belonging_to(self.folder):
            left.send_signal(signal.SIGCONT)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"docqa up did not stop within {STOP_TIMEOUT_S:g} s of Ctrl-C") from None
        assert code == 0, f"docqa up ended with {code}"
        self._process = None
        left_running = processes.described(processes.belonging_to(self.folder))
        assert not left_running, f"left running: {left_running}"
        assert not processes.held_locks(self.folder)

    def kill_up(self) -> None:
        """Kill -9 `docqa up` alone; its parts end by themselves."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None
        until(lambda: not processes.belonging_to(self.folder), "no process is left", STOP_TIMEOUT_S)

    def stop_if_running(self) -> None:
        if self._process:
            self.stop()

    def destroy(self) -> None:
        """Kill what is left, and remove the folder."""
        processes.end_by_force(self.folder)
        if self._process:
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ready(self) -> Ready:
        return until(self._read_ready, "the ready file can be read", 10)

    @property
    def up_pid(self) -> int:
        return self._running().pid

    def pid(self, part: Part) -> int:
        return self.ready().pids[part]

    def signal(self, part: Part, number: signal.Signals) -> int:
        """Send a signal to a part; its process id."""
        pid = self.pid(part)
        os.kill(pid, number)
        return pid

    async def alive(self, part: Part, not_pid: int = 0, timeout_s: float = 30.0) -> int:
        """The id of the part's living process, once there is one (other than `not_pid`)."""

        async def probe() -> int:
            pid = self.pid(part)
            return pid if pid != not_pid and processes.is_alive(pid) else 0

        return await eventually(probe, f"{part} is alive", timeout_s, every_s=0.02)

    async def kill(self, part: Part) -> int:
        """Kill -9 the part's living process, once there is one; the id it had."""
        pid = await self.alive(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    async def kill_whatever_it_does(self, part: Part) -> None:
        """Kill -9 the part even while it is starting, when no ready file names it yet."""

        async def probe() -> list[int]:
            return processes.children_running(self.up_pid, _PROGRAMS[part])

        for pid in await eventually(probe, f"{part} runs", every_s=0.02):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextlib.asynccontextmanager
    async def paused(self, part: Part) -> AsyncIterator[int]:
        """SIGSTOP for the time of a block."""
        pid = self.signal(part, signal.SIGSTOP)
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def client(self, *, tcp: bool = False, uds: Path | None = None) -> AsyncIterator[Client]:
        """A client on the Unix socket, which stays where it is when the ingress is restarted."""
        ready = self.ready()
        transport = httpx.AsyncHTTPTransport(uds=None if tcp else str(uds or ready.uds))
        base_url = _url(ready.http) if tcp else "http://docqa"
        async with httpx.AsyncClient(transport=transport, base_url=base_url, timeout=HTTP_TIMEOUT_S) as http:
            yield Client(http)

    def bus(self) -> contextlib.AbstractAsyncContextManager[Bus]:
        """A connection to NATS as admin."""
        password = Secret(self.credential("admin").read_text(encoding="utf-8").strip())
        return connected(BusSettings(nats_url=self.ready().nats_url, nats_password=password), "admin")

    def credential(self, role: str) -> Path:
        """The file that holds a role's NATS password."""
        return self.ready().credentials / role

    async def metrics(self, part: Literal["ingress", "worker", "library"]) -> str:
        """The page that Prometheus would read."""
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{_url(self.ready().metrics[part]).removesuffix('/metrics')}/metrics")).text

    def log(self) -> str:
        """The last part of what `docqa up` and its parts wrote."""
        files = [self._log_file, *sorted(self.folder.rglob("*.log"))]
        return "\n".join(
            f"--- {file}\n{file.read_text(encoding='utf-8', errors='replace')[-LOG_TAIL_CHARS:]}"
            for file in dict.fromkeys(files)
            if file.is_file()
        )

    @property
    def _ready_file(self) -> Path:
        return self.folder / "ready.json"

    @property
    def _log_file(self) -> Path:
        return self.folder / "up.log"

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process, "the stack is not running"
        return self._process

    def _is_ready_or_dead(self) -> bool:
        return self._running().poll() is not None or self._read_ready() is not None

    def _read_ready(self) -> Ready | None:
        try:
            return _ready_decoder.decode(self._ready_file.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None


class Beside:
    """One service started by hand, on the bus of a running stack."""

    def __init__(self, stack: Stack, module: str, role: str, extra: dict[str, str], prefix: list[str] | None = None):
        self._log_path = Path(tempfile.mkstemp(dir=stack.folder, prefix=f"{role}-", suffix=".log")[1])
        bus = {
            "DOCQA_NATS_URL": stack.ready().nats_url,
            "DOCQA_NATS_PASSWORD_FILE": str(stack.credential(role)),
            "DOCQA_METRICS_ADDR": "127.0.0.1:0",
        }
        self._command = [*(prefix or []), sys.executable, "-m", module]
        self._environment = processes.environment(stack.folder, {**bus, **extra})
        self._folder = stack.folder

    def start(self, *pass_fds: int) -> None:
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )

    async def metrics(self) -> str:
        """The page that Prometheus would read, wherever the process listens."""
        address = processes.listening_address(self.process.pid)
        assert address, "the process listens nowhere"
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"http://{address}/metrics")).text

    def output(self) -> str:
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def ends(self, timeout_s: float = 20.0) -> int:
        """The exit code of a process that ends by itself."""
        return self.process.wait(timeout_s)

    def stop(self) -> None:
        """SIGTERM, as a service manager does: ends with 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        assert self.process.wait(STOP_TIMEOUT_S) == 0, self.output()

    def destroy(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


all_running: list[Stack] = []
"""Those whose log a failed test shows."""

Start = Callable[..., Stack]


@contextlib.contextmanager
def running(options: Options) -> Iterator[Stack]:
    """A stack for the time of a block; at its end it must stop with 0 and leave nothing."""
    stack = Stack(options)
    all_running.append(stack)
    try:
        stack.start()
        yield stack
        stack.stop_if_running()
    except BaseException:
        # Where no test's report shows the log: a start or a stop inside a fixture.
        print(stack.log())  # noqa: T201
        raise
    finally:
        all_running.remove(stack)
        stack.destroy()


def _url(address: str) -> str:
    return address if "://" in address else f"http://{address}"
