"""What a server keeps of live questions for `sg-agent gate fit`: answers of both routes, and what was said of them.

A folder per solver: live.json says of which models, and every server process appends to a .jsonl file of its own. It
holds text that users sent, so nobody but its owner may read it (0600).
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from sg_agent.errors import ConfigError
from sg_agent.files import write_whole
from sg_agent.gate.decision import GateRoute
from sg_agent.gate.gate import Known
from sg_agent.journal import damaged, read_journal
from sg_agent.ledger import CallRecord

ARMS: Mapping[GateRoute, str] = {"direct": "cot", "guided": "guided"}
"""The arms that stand for the routes, as in eval runs."""


class LiveAnswer(TypedDict):
    """A graph's output on one route, as results of an eval have it."""

    answer: str | None
    guidance: str | None
    attempts: list[dict[str, Any]]
    ledger: list[CallRecord]
    prompts: dict[str, str]


class Shadowed(TypedDict):
    """A question that both routes have answered; the user saw the answer of `shown`. `row` has no right answer yet."""

    kind: Literal["shadow"]
    id: str
    at: float
    row: dict[str, Any]
    shown: GateRoute
    answers: dict[GateRoute, LiveAnswer]


class Feedback(TypedDict):
    """What somebody said of the answer that was shown: whether it is `correct`, and what the right `answer` is."""

    kind: Literal["feedback"]
    id: str
    at: float
    correct: NotRequired[bool]
    answer: NotRequired[str]


class Live(BaseModel):
    """live.json: the models that the answers are of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    guide: Known
    solver: Known


@dataclass(frozen=True)
class LiveFolder:
    """The folder of one solver."""

    path: Path

    @property
    def live(self) -> Path:
        return self.path / "live.json"

    @property
    def exists(self) -> bool:
        """Whether there is one here."""
        return self.live.is_file()

    def prepare(self, live: Live) -> None:
        """Make the folder, or see that it is of the same models. Raises ConfigError where it is not, or cannot be made.

        Of several processes that share a folder, one has to be done with this before the others begin.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.exists:
                write_whole(self.live, live.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise ConfigError(f"--shadow-out {str(self.path)!r} cannot be written: {error.strerror}") from error
        if (before := self.read()) != live:
            raise ConfigError(
                f"{str(self.path)!r} holds answers of other models ({before.guide.name}, {before.solver.name}, or "
                "other weights); use another --shadow-out"
            )

    def new_journal(self) -> Path:
        """The path of this process's own. Raises OSError."""
        return private(self.path / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}.jsonl")

    def read(self) -> Live:
        """What live.json holds. Raises ConfigError when it is damaged."""
        try:
            return Live.model_validate_json(self.live.read_bytes())
        except (OSError, ValidationError) as error:
            raise ConfigError(f"{str(self.live)!r} is damaged or cannot be read; use another folder") from error

    def lines(self) -> tuple[dict[str, Shadowed], dict[str, Feedback]]:
        """The questions by id, and what was said of them: of several things said of one, the last. A line that a kill
        tore is left out. Raises DataError for one that is damaged.
        """
        shadowed, said = dict[str, Shadowed](), list[Feedback]()
        for path in sorted(self.path.glob("*.jsonl")):
            for number, record in enumerate(read_journal(path), 1):
                try:
                    line = _LINE.validate_python(record)
                except ValidationError as error:
                    raise damaged(path, number, error) from error
                if line["kind"] == "shadow":
                    shadowed[line["id"]] = line
                else:
                    said.append(line)
        feedback: dict[str, Feedback] = {}
        for one in sorted(said, key=lambda line: line["at"]):
            feedback[one["id"]] = {**feedback.get(one["id"], one), **one}
        return shadowed, feedback


_LINE: TypeAdapter[Shadowed | Feedback] = TypeAdapter(Shadowed | Feedback)


def private(path: Path) -> Path:
    """`path`, a file that only its owner may read, made if need be. Raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    path.chmod(0o600)
    return path
