"""Code of the user's, found by name from the working directory."""

from pathlib import Path

import pytest

from sg_agent.errors import ConfigError
from sg_agent.own_code import load_named


def test_a_name_is_found_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_alone.py").write_text("def seven():\n    return 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path.parent))  # restores the path at the end
    assert load_named("mine_alone:seven", "function")() == 7
    assert load_named("mine_alone:seven", "function", use=lambda found: found()) == 7


@pytest.mark.parametrize("path", ["os", "os:", ":name", "no_such_module:name", "os:no_such_name"])
def test_what_cannot_be_had_is_told_by_kind_and_name(path: str) -> None:
    with pytest.raises(ConfigError, match=f"^graph '{path}' cannot be loaded: [A-Z]"):
        load_named(path, "graph")


def test_what_its_use_raises_is_told_too() -> None:
    with pytest.raises(ConfigError, match="function 'os:getcwd' cannot be loaded: TypeError"):
        load_named("os:getcwd", "function", use=lambda found: found(1))
