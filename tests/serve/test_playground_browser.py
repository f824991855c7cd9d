"""The page at `/` in a real browser against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from browsing import IN_BROWSER, Opened, contrast, expect
from playground_page import ARMS, commands, in_shell, ready, run, took
from serving import PLAN, guide, serving, solver
from upstream import Upstream

from sg_agent.scripted import ScriptedModel
from sg_agent.serve.keys import new_key

pytestmark = IN_BROWSER
HOSTILE = (
    "</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 2'>", "<svg onload=alert(3)>",
    "&lt;b&gt;", "{{ 7 * 7 }}", "javascript:window.hacked = 4", "a\u202ed",
)  # fmt: skip


def keys_file(folder: Path) -> tuple[Path, str]:
    secret, sha256 = new_key()
    (folder / "keys.yaml").write_text(json.dumps([{"name": "alice", "sha256": sha256}]))
    return folder / "keys.yaml", secret


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(solvers={"s": solver("3 + 4 = 7\nAnswer: 7"), "other": solver()}) as address:
        yield address


def test_three_arms_answer_side_by_side_and_only_this_server_is_asked(browser: Any, address: str) -> None:
    opened = ready(browser, address)
    run(opened)
    assert opened.complaints == []
    assert {url.removeprefix(address) for url in opened.requests} == {"/", "/v1/models", "/v1/chat/completions"}
    assert opened.texts(".answer") == ["Answer: 7"] * 3
    assert opened.texts(".guidance") == [PLAN]
    assert opened.texts(".reply") == ["3 + 4 = 7\nAnswer: 7"] * 3
    assert len({round(box.bounding_box()["y"]) for box in opened.page.locator(".arm").all()}) == 1
    assert opened.page.inner_text("#expected").startswith("The depot's own answer:")


def test_under_each_answer_is_what_it_took_and_why(browser: Any) -> None:
    with serving() as fresh:
        opened = ready(browser, fresh)
        run(opened)
        told = took(opened, "guided")
        run(opened)
        again = took(opened, "guided")
    assert list(told) == [
        "Tokens, guide", "Tokens, solver", "Cost", "Guidance after", "First token after", "In all", "Route",
    ]  # fmt: skip
    assert told["Tokens, guide"].endswith(f" read, {len(PLAN.split())} written")
    assert told["Cost"] == "$0"
    assert told["Route"] == "guided: guidance passed the check (draft 1 of the guide)"
    waits = [float(told[name].removesuffix(" s")) for name in ("Guidance after", "First token after", "In all")]
    assert waits == sorted(waits)
    assert again["Tokens, guide"] == "0, the guidance was remembered"
    assert "Tokens, guide" not in took(opened, "cot")


def test_an_unknown_cost_is_said_to_be_unknown(browser: Any, remote: Upstream) -> None:
    with serving(solvers={"u": remote.spec}) as address:
        opened = ready(browser, address)
        run(opened)
        assert [took(opened, arm)["Cost"] for arm in ARMS] == ["unknown"] * 3


def test_a_small_cost_is_not_rounded_to_nothing(browser: Any, remote: Upstream, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("[{model: openai:upstream, input: 0.0001, output: 0.0001}]")
    with serving(solvers={"u": remote.spec}, prices=prices) as address:
        opened = ready(browser, address)
        run(opened)
        assert took(opened, "cot")["Cost"] == "$0.0000000055"


def test_text_is_shown_as_it_comes_and_escape_stops_the_work(browser: Any, remote: Upstream) -> None:
    remote.pause_s, remote.words = 0.4, [" word"] * 100
    with serving(solvers={"u": remote.spec}) as address:
        opened = ready(browser, address)
        opened.page.click("#run")
        for arm in ARMS:
            expect(opened.page.locator(f"#{arm} .reply")).to_contain_text("word word")
            assert opened.page.get_attribute(f"#{arm}", "aria-busy") == "true"
        opened.page.focus("#stop")
        opened.page.keyboard.press("Escape")
        expect(opened.page.locator(".error")).to_have_text(["Stopped."] * 3)
        assert remote.hung_up.wait(5)
        expect(opened.page.locator("#run")).to_be_focused()
    assert opened.page.inner_text("#status") == "3 of 3: standard stopped, cot stopped, guided stopped"
    assert len(remote.sent_at) < 60


def test_asking_again_stops_what_is_under_way(browser: Any, remote: Upstream) -> None:
    remote.pause_s = 2
    with serving(solvers={"u": remote.spec}) as address:
        opened = ready(browser, address)
        opened.page.click("#run")
        while len(remote.asked) < 3:
            opened.page.wait_for_timeout(20)
        remote.pause_s = 0
        run(opened)
        assert remote.hung_up.wait(5)
        assert opened.texts(".reply") == ["There are 7 pens."] * 3
        assert opened.texts(".error") == []


def test_an_arm_that_fails_says_so_beside_the_others(browser: Any) -> None:
    def reply(messages: list[Any]) -> str | Exception:
        return ValueError("<b>no</b>") if "step by step" in messages[0].text else "Answer: 7"

    with serving(solvers={"s": ScriptedModel(replies=reply)}) as address:
        opened = ready(browser, address)
        run(opened)
    (said,) = opened.texts(".error")
    assert said == "the solver failed (ValueError); try again (status 502)"
    assert opened.texts(".answer") == ["Answer: 7"] * 2
    assert "cot failed" in opened.page.inner_text("#status")


def test_a_stream_that_breaks_and_a_server_that_is_gone_are_told(browser: Any, remote: Upstream) -> None:
    remote.break_after = 2
    with serving(solvers={"u": remote.spec}) as address:
        opened = ready(browser, address)
        run(opened)
        broken = opened.texts(".error")
    run(opened)
    assert len(broken) == 3
    assert all("broke off" in said or "solver" in said for said in broken)
    assert opened.texts(".error") == ["The server cannot be reached."] * 3


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_runs_nothing(browser: Any, text: str) -> None:
    with serving(guide=guide(f"{PLAN}\n3. See {text}"), solvers={"s": solver(text)}) as address:
        opened = ready(browser, f"{address}/#{urlencode({'question': text, 'passages': text, 'solver': text})}")
        assert opened.page.inner_text("#status") == f"This server has no solver {text}; choose another."
        run(opened)
        assert opened.texts(".reply") == [text] * 3
        assert opened.page.evaluate("window.hacked") is None
        assert opened.page.locator(".arm script, .arm img, .arm svg, .arm b, form img, form svg").count() == 0
        assert opened.complaints == []


def test_a_link_restores_what_was_asked_and_asks_nothing_by_itself(browser: Any, address: str) -> None:
    values = {"question": "Who & what = #1 + 100%?\nÄ", "passages": "Kara: a, b.", "most": "9", "choices": "one\ntwo"}
    chosen = {"task": "multiple_choice", "solver": "other"}
    first = ready(browser, address)
    for name, value in chosen.items():
        first.page.select_option(f"#{name}", value)
    first.page.click("#more summary")
    for name, value in values.items():
        first.page.fill(f"#{name}", value)
    link = first.page.evaluate("document.getElementById('link').href")
    run(first)
    assert first.page.url == link
    second = ready(browser, link)
    expect(second.page.locator("#solver")).to_have_value("other")
    for name, value in {**values, **chosen}.items():
        assert second.page.input_value(f"#{name}") == value
        assert second.page.locator(f"#{name}").is_visible()
    assert not any("chat/completions" in url for url in second.requests)


@pytest.mark.parametrize("name", ["constructor", "__proto__"])
def test_a_link_to_a_solver_that_is_not_there_says_so(browser: Any, remote: Upstream, name: str) -> None:
    with serving(guide=remote.spec, solvers={"u": remote.spec}) as address:
        opened = ready(browser, f"{address}/#{urlencode({'question': 'Who?', 'solver': name})}")
        expect(opened.page.locator("#status")).to_have_text(f"This server has no solver {name}; choose another.")
        run(opened)
    assert opened.texts(".reply") == ["There are 7 pens."] * 3
    assert opened.complaints == []


def test_a_key_is_asked_for_and_kept_nowhere(browser: Any, tmp_path: Path) -> None:
    path, secret = keys_file(tmp_path)
    with serving(keys=path) as address:
        opened = Opened.at(browser, address)
        assert opened.page.inner_text("#status") == "This server wants a key."
        opened.page.get_by_label("Key of this server").fill("wrong")
        opened.page.keyboard.press("Control+Enter")
        expect(opened.page.locator("#status")).to_contain_text("the key is not known")
        opened.page.fill("#key", secret)
        opened.page.keyboard.press("Tab")
        expect(opened.page.locator("#solver")).to_have_value("s")
        expect(opened.page.locator("#status")).to_have_text("")
        run(opened)
        assert opened.texts(".reply") == ["There are 7 pens."] * 3
        request = commands(opened, "cot")["Request to this server"]
        assert json.loads(in_shell(request, tmp_path, SG_AGENT_KEY=secret))["model"] == "cot/s"
        kept = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
        assert secret not in opened.page.content() + opened.page.evaluate(kept)


def test_the_keyboard_reaches_everything_in_order(browser: Any, address: str) -> None:
    opened = ready(browser, address)
    reached = []
    for _ in range(8):
        opened.page.keyboard.press("Tab")
        reached.append(opened.page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["example", "question", "task", "solver", "most", "SUMMARY", "run", "link"]
    opened.page.focus("#question")
    opened.page.keyboard.press("Control+Enter")
    expect(opened.page.locator("#status")).to_contain_text("3 of 3")
    named = {"Example": "combobox", "Question": "textbox", "Task": "combobox", "Solver": "combobox"}
    for name, role in {**named, "Most tokens of a reply": "spinbutton"}.items():
        assert opened.page.get_by_role(role, name=name, exact=True).count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_one_column_and_text_has_contrast(browser: Any, scheme: str) -> None:
    with serving(solvers={"s": solver("word" * 300)}) as address:
        size = {"width": 390, "height": 844}
        opened = ready(browser, address, viewport=size, color_scheme=scheme)
        run(opened, "long" * 200)
        for folded in opened.page.locator("summary").all():
            folded.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    assert len({round(box.bounding_box()["x"]) for box in opened.page.locator(".arm").all()}) == 1
    assert contrast(opened.page, "body", "body") > 7
    assert contrast(opened.page, "#run", "#run") > 4.5
    assert contrast(opened.page, ".arm .small", ".arm") > 4.5
    opened.page.evaluate("document.querySelector('.small').className = 'error'")
    assert contrast(opened.page, ".error", ".arm") > 4.5
