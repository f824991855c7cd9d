"""The commands that the page at `/` offers, run in a shell: they ask what the page asked."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from browsing import IN_BROWSER
from playground_page import ARMS, commands, in_shell, ready, run
from serving import serving, solver
from upstream import Upstream

from sg_agent.cli.context_file import load_context

pytestmark = IN_BROWSER
SHELL = "-- it's $(touch hacked) `touch hacked` \"$HOME\" \\ !1 ; touch hacked\n&& *? ~ {a,b} 'end"


def test_choices_are_sent_and_a_command_line_that_could_not_is_not_offered(browser: Any, remote: Upstream) -> None:
    with serving(guide=remote.spec, solvers={"u": remote.spec}) as address:
        opened = ready(browser, address)
        opened.page.select_option("#task", "multiple_choice")
        opened.page.fill("#choices", "a red one\n\n a blue one ")
        run(opened, "Which?")
        offered = commands(opened, "cot")
        opened.page.select_option("#task", "")
        run(opened)
        talk = commands(opened, "cot")
        opened.page.select_option("#task", "open")
        run(opened, "What is \x1b[201~?")
        odd = commands(opened, "cot")
    assert json.loads(shlex.split(offered["Request to this server"])[-1])["sg_agent"]["choices"] == [
        "a red one",
        "a blue one",
    ]
    assert list(offered) == list(talk) == list(odd) == ["Request to this server"]
    assert "\x1b" not in odd["Request to this server"]


def test_the_request_runs_in_a_shell_as_it_was_asked(browser: Any, tmp_path: Path) -> None:
    answerer = solver("Answer: 7")
    with serving(solvers={"it's": answerer}) as address:
        opened = ready(browser, address)
        opened.page.click("#more summary")
        opened.page.fill("#passages", SHELL)
        run(opened, SHELL)
        for arm in ARMS:
            reply = json.loads(in_shell(commands(opened, arm)["Request to this server"], tmp_path))
            assert reply["sg_agent"]["arm"] == arm
    seen = [[message.text for message in call] for call in answerer.calls]
    assert sorted(seen[3:]) == sorted(seen[:3])
    assert f"Question: {SHELL}" in seen[0][-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("passages", ["", f"Kara: {SHELL.splitlines()[0]}\n100%s \\n"])
def test_the_command_line_runs_in_a_shell_as_it_was_asked(
    browser: Any, remote: Upstream, tmp_path: Path, passages: str
) -> None:
    program = tmp_path / "sg-agent"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        "print(json.dumps([sys.argv[1:], sys.stdin.read() if '--context' in sys.argv else '']))"
    )
    program.chmod(0o755)
    with serving(guide=remote.spec, solvers={"u": remote.spec}, trust_remote_code=True) as address:
        opened = ready(browser, address)
        if passages:
            opened.page.click("#more summary")
        opened.page.fill("#passages", passages, force=True)
        opened.page.fill("#most", "50")
        run(opened, SHELL)
        words, given = json.loads(in_shell(commands(opened, "guided")["Command line"], tmp_path))
    context = ["--context", "/dev/stdin"] if passages else []
    assert words == [
        "ask", "--arm", "guided", "--solver", remote.spec, "--guide", remote.spec, "--task", "math",
        "--max-tokens", "50", *context, "--trust-remote-code", "--", SHELL,
    ]  # fmt: skip
    assert given == (" ".join(passages.splitlines()) + "\n" if passages else "")
    assert list(tmp_path.iterdir()) == [program]


def test_passages_are_read_as_the_command_line_reads_them(browser: Any, tmp_path: Path) -> None:
    text = f"Kara: a: b\r\n  more \n\nNo title:\nTom :  x\u2028y\n{'t' * 81}: z\n http://here: 5\n"
    path = tmp_path / "passages.txt"
    path.write_text(text, newline="")
    with serving() as address:
        opened = ready(browser, address)
        opened.page.click("#more summary")
        opened.page.fill("#passages", text)
        run(opened)
        sent = json.loads(shlex.split(commands(opened, "cot")["Request to this server"])[-1])
    assert sent["sg_agent"]["context"] == [passage.model_dump() for passage in load_context(path)]


def test_on_the_embedded_pair_page_command_and_request_give_the_same(browser: Any, tmp_path: Path) -> None:
    with serving(guide="embedded:guide", solvers={"embedded": "embedded:solver"}) as address:
        opened = ready(browser, address)
        for world in ("depot", "archive"):
            opened.page.select_option(
                "#example", opened.page.locator(f"[label={world}] option").first.get_attribute("value")
            )
            assert not opened.page.is_visible("#scope")
            run(opened)
            for arm in ARMS:
                offered = commands(opened, arm)
                replies = [json.loads(in_shell(offered["Request to this server"], tmp_path))["sg_agent"]]
                if arm == "guided":
                    typed = in_shell(offered["Command line"].replace(" ask ", " ask --json ", 1), tmp_path)
                    replies.append(json.loads(typed))
                for told in replies:
                    assert [f"Answer: {told['answer']}"] == opened.texts(f"#{arm} .answer")
                    assert [text for text in [told["guidance"]] if text] == opened.texts(f"#{arm} .guidance")
        opened.page.fill("#passages", "")
        opened.page.fill("#question", "How many kangaroos are there?")
        assert 'not "kangaroos"' in opened.page.inner_text("#scope")
