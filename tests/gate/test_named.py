"""Policies as flags name them."""

from pathlib import Path

import pytest
from gate_heads import make

from sg_agent.errors import ConfigError
from sg_agent.gate import save_gate
from sg_agent.gate.named import named_policy
from sg_agent.gate.policy import Always, ByFunction, ByTask, Learned, Never, WithinBudget
from sg_agent.rows import Row

BOOLEAN = Row(id="1", question="Is it so?", answer="yes", task="boolean")


def test_every_policy_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = make(usd={"direct": 0.001, "guided": 0.002})
    save_gate(gate, tmp_path / "gate.json")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_policy.py").write_text("def choose(row):\n    return 'direct'\n")
    assert named_policy(None) == named_policy("always") == Always()
    assert named_policy("never") == Never()
    assert named_policy(None, "gate.json") == named_policy("learned", "gate.json") == Learned(gate)
    assert named_policy("by_task:math=direct,default=escalate") == ByTask({"math": "direct"}, default="escalate")
    assert named_policy("budget:2,direct=1") == WithinBudget(2, {"direct": 1})
    assert named_policy("budget:1.5", "gate.json") == WithinBudget(1.5, {}, gate)
    mine = named_policy("callable:my_policy:choose")
    assert isinstance(mine, ByFunction)
    assert mine.decide(BOOLEAN)["route"] == "direct"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sometimes", "unknown policy 'sometimes'; accepted: always, never, by_task"),
        ("", "unknown policy ''"),
        ("by_task", "unknown policy 'by_task'; accepted"),
        ("always:now", "unknown policy 'always:now'"),
        ("by_task:math", "'math' is no NAME=VALUE"),
        ("by_task:maths=direct", "unknown task 'maths'"),
        ("by_task:math=guide", "unknown route 'guide'"),
        ("budget:cheap", "'budget:cheap'.*accepted: budget:USD"),
        ("budget:1,direct=2", "no route meets a budget of .1 per 1,000 questions: the cheapest is 'direct' at .2"),
        ("learned", "needs a gate"),
        ("callable:os:nonsense", "'os:nonsense' cannot be loaded: AttributeError"),
        ("callable:os:sep", "is of type str, not a function"),
    ],
)
def test_a_bad_name_says_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        named_policy(text)


def test_a_gate_that_no_policy_would_ask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a gate is for the policies learned and budget, not for 'always'"):
        named_policy("always", tmp_path / "gate.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        named_policy(None, tmp_path / "none.json")
