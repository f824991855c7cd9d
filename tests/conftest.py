"""Fixtures that tests of several folders share."""

from collections.abc import Iterator
from typing import Any

import pytest
from upstream import Upstream, upstream


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser, for tests marked `IN_BROWSER`."""
    from browsing import chromium

    with chromium() as found:
        yield found


@pytest.fixture
def remote() -> Iterator[Upstream]:
    """A hosted model."""
    with upstream() as server:
        yield server
