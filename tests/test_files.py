"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from sg_agent.files import partial_of, write_whole


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
