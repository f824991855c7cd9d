"""How programs end."""

import pytest
import typer

from sg_agent.errors import ConfigError, Interrupted, RunError
from sg_agent.program import exit_codes, run_program


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("seed 'x'"), 2),
        (RunError("failed"), 1),
        (OSError(28, "No space left on device"), 1),
        (Interrupted("stopped"), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    with pytest.raises(typer.Exit) as ended, exit_codes():
        raise error
    assert ended.value.exit_code == code


def test_a_module_run_as_a_program_prints_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(recipe: str) -> None:
        raise ConfigError(f"no such recipe: {recipe!r}\nat all")

    monkeypatch.setattr("sys.argv", ["program", "none.yaml"])
    with pytest.raises(SystemExit) as ended:
        run_program(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "sg-agent: no such recipe: 'none.yaml' at all\n"


def test_a_full_disk_is_one_line_with_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes():
        raise OSError(28, "No space left on device", "runs/result.partial")
    assert capsys.readouterr().err == "sg-agent: No space left on device: runs/result.partial\n"


def test_a_reader_that_has_gone_is_left_to_the_command_line_library() -> None:
    with pytest.raises(BrokenPipeError), exit_codes():
        raise BrokenPipeError
