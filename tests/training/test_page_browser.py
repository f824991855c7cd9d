"""The page of a training run in a real browser: it complains of nothing, asks for nothing and fits a phone."""

from pathlib import Path
from typing import Any

import pytest
from browsing import IN_BROWSER
from trained_run import rl_run

from sg_agent.training.page import write_page

pytestmark = IN_BROWSER
HOSTILE = "</pre><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>" + "x" * 3000


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
