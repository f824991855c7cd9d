"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from sg_agent.errors import ConfigError
from sg_agent.files import check_writable, partial_of, write_whole


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.json", "é\r\n")
    write_whole(tmp_path / "b.json", b"\xff")
    assert [(tmp_path / name).read_bytes() for name in ("a.json", "b.json")] == ["é\r\n".encode(), b"\xff"]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "old")

    def torn(partial: Path, data: bytes) -> int:
        partial.open("wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", torn)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert not partial_of(path).exists()


def test_a_path_below_a_file_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"junit '.*/file/a/b.xml' cannot be written: '.*/file' is no folder"):
        check_writable(tmp_path / "file" / "a" / "b.xml", "junit")
    check_writable(tmp_path / "new" / "a" / "b.xml", "junit")
    check_writable(tmp_path / "file", "junit")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_read_only_folder_and_a_name_too_long_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="cannot be written: File name too long"):
        check_writable(tmp_path / ("x" * 300), "out")
    monkeypatch.setattr(os, "access", lambda path, mode: not (Path(path) == tmp_path and mode == os.W_OK))
    with pytest.raises(ConfigError, match="is read-only"):
        check_writable(tmp_path / "a.xml", "out")
