"""The servers that `serve_load` compares: our own, LiteLLM's proxy and optillm, each as its own documents advise.

The other two are installed from PyPI at pinned versions, each in a virtual environment under build/proxies/. Of
optillm's requirements only those are installed that its pass-through imports: the rest is for local models.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "proxies"
START_S = 180.0  # LiteLLM imports for ten seconds on an idle core
LITELLM_CONFIG = """\
model_list:
  - model_name: solver
    litellm_params: {{model: openai/solver, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
litellm_settings: {{set_verbose: false, telemetry: false}}
"""


@dataclass(frozen=True)
class Proxy:
    """A server in front of the upstream. `command` is made from its port, the upstream's and its number of workers."""

    name: str
    settings: str
    ready: str
    command: Callable[[int, int, int], list[str]]
    models: Mapping[str, str]  # what a row of the table measures: the model it asks for
    requirements: tuple[str, ...] = ()
    without_dependencies: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return BUILD / self.name

    def install(self) -> None:
        """Into a virtual environment of its own, once. Raises CalledProcessError when pip fails."""
        wanted = "\n".join([*self.without_dependencies, *self.requirements])
        done = self.folder / "installed.txt"
        if not wanted or (done.is_file() and done.read_text() == wanted):
            return
        print(f"installing {self.name} into {self.folder.relative_to(ROOT)} ...", file=sys.stderr)
        venv.create(self.folder, clear=True, with_pip=True)
        pip = [str(self.folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if self.without_dependencies:
            subprocess.run([*pip, "--no-deps", *self.without_dependencies], check=True, stdout=sys.stderr)
        subprocess.run([*pip, *self.requirements], check=True, stdout=sys.stderr)
        done.write_text(wanted)


def _ours(port: int, upstream: int, workers: int) -> list[str]:
    at = f"http://127.0.0.1:{upstream}/v1"
    serve = [sys.executable, "-m", "sg_agent.cli", "serve", "--port", str(port), "--workers", str(workers)]
    return [*serve, "--guide", f"openai:guide@{at}", "--solver", f"openai:solver@{at}"]


def _litellm(port: int, upstream: int, workers: int) -> list[str]:
    config = LITELLM.folder / "config.yaml"
    config.write_text(LITELLM_CONFIG.format(upstream=upstream))
    program = str(LITELLM.folder / "bin" / "litellm")
    where = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return [program, *where, "--num_workers", str(workers)]


def _optillm(port: int, upstream: int, workers: int) -> list[str]:
    assert workers == 1, "optillm has no workers"
    program = str(OPTILLM.folder / "bin" / "optillm")
    at = ["--base-url", f"http://127.0.0.1:{upstream}/v1", "--port", str(port)]
    return [program, *at, "--approach", "none", "--log", "error"]


OURS = Proxy(
    "sg-agent",
    "`sg-agent serve`, as it is: a JSON line of log for every request",
    "/readyz",
    _ours,
    {"sg-agent, standard": "standard/solver", "sg-agent, guided": "guided/solver"},
    environment={"OPENAI_API_KEY": "none"},
)
SCRIPTED = Proxy(
    "scripted",
    "our server, scripted models in its process",
    "/readyz",
    lambda port, _upstream, _workers: [sys.executable, str(Path(__file__).parent / "scripted_server.py"), str(port)],
    OURS.models,
)
LITELLM = Proxy(
    "litellm",
    "no database, no keys, `set_verbose: false`, `LITELLM_LOG=ERROR`, `LITELLM_MODE=PRODUCTION`",
    "/health/liveliness",
    _litellm,
    {"LiteLLM": "solver"},
    requirements=("litellm[proxy]==1.104.1",),
    environment={
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch prices at start
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # none of the three checks keys
    },
)
OPTILLM = Proxy(
    "optillm",
    "`--approach none` (pass-through), `--log error`; it answers over HTTP/1.0 and so closes each connection",
    "/health",
    _optillm,
    {"optillm": "solver"},
    requirements=(
        "aiohttp",
        "azure-identity",
        "cerebras-cloud-sdk",
        "flask",
        "math-verify",
        "networkx",
        "numpy",
        "openai",
        "pyyaml",
        "requests",
        "scikit-learn",
        "z3-solver<=4.15.4.0",
    ),
    without_dependencies=("optillm==0.4.0",),
    environment={"OPENAI_API_KEY": "none"},
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(frozen=True)
class Running:
    """A server that answers: where, and the process that was started."""

    port: int
    pid: int


@contextmanager
def running(proxy: Proxy, upstream: int, workers: int = 1) -> Iterator[Running]:
    """The server, once it is ready. Raises RuntimeError with the end of its log when it never is."""
    port, log = free_port(), BUILD / f"{proxy.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **proxy.environment}
    with log.open("wb") as output:
        process = subprocess.Popen(
            proxy.command(port, upstream, workers),
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}{proxy.ready}", log)
        yield Running(port, process.pid)
    finally:
        _stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - the loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{process.args!r} did not come up; its log ends with:\n{log.read_text()[-1500:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """The whole process group: workers too."""
    for kill, wait_s in ((process.terminate, 10), (process.kill, 10)):
        if process.poll() is None:
            kill()
            try:
                process.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return


def version(proxy: Proxy) -> str:
    """As installed."""
    if not proxy.requirements:
        return "this revision"
    python = shutil.which("python", path=str(proxy.folder / "bin"))
    assert python
    code = f"from importlib.metadata import version; print(version({proxy.name!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
