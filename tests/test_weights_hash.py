"""The hash of weights: of their bytes, and each file read once."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from sg_agent.passport import weights_sha256


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were opened."""
    names: list[str] = []
    plain = Path.open

    def noted(path: Path, *arguments: Any, **options: Any) -> Any:
        names.append(path.name)
        return plain(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", noted)
    return names


def write(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)


def test_the_hash_is_of_all_bytes_in_order(tmp_path: Path) -> None:
    write(tmp_path / "base", "b.safetensors", b"two")
    write(tmp_path / "base", "a.safetensors", b"one")
    write(tmp_path / "adapter", "adapter_model.safetensors", b"three")
    assert weights_sha256(tmp_path / "base", tmp_path / "adapter") == hashlib.sha256(b"onetwothree").hexdigest()
    assert weights_sha256(tmp_path) is None


def test_unchanged_weights_are_read_once(tmp_path: Path, opened: list[str]) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    write(base, "a.safetensors", b"one")
    write(adapter, "adapter_model.safetensors", b"two")
    opened.clear()
    assert len({weights_sha256(base) for _ in range(3)}) == 1
    assert weights_sha256(base, adapter) == hashlib.sha256(b"onetwo").hexdigest()
    assert opened == ["a.safetensors", "adapter_model.safetensors"]


def test_changed_weights_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "base" / "a.safetensors"
    write(tmp_path / "base", "a.safetensors", b"one")
    before = weights_sha256(tmp_path / "base")
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))  # clocks are too coarse to tell two writes apart
    assert weights_sha256(tmp_path / "base") == hashlib.sha256(b"two").hexdigest() != before
