"""The page of a training run in a real browser: it complains of nothing, asks for nothing and fits a phone."""

from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from trained_run import rl_run

from sg_agent.training.page import write_page

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]
HOSTILE = "</pre><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>" + "x" * 3000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.mark.parametrize("look", [{}, {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}])
def test_it_shows_its_images_asks_for_nothing_and_fits(browser: Any, tmp_path: Path, look: dict[str, Any]) -> None:
    path = write_page(rl_run(tmp_path / "run", guidance=HOSTILE))
    requests: list[str] = []
    complaints: list[str] = []
    page = browser.new_page(**look)
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 500)")
    assert len(page.locator("img").all()) == 4
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.close()
