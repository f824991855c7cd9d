"""An adapter's passport: the JSON beside it that says what it was trained on, compared with what it is loaded onto.

An adapter that fits in shape works on any base, badly. What a passport does not say is not compared, and an adapter of
other makers has none. Hashes of a tokenizer are of what it does, not of its files, which every library writes anew.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sg_agent.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PASSPORT = "passport.json"
PROBE = 'Step 1: 12.5% of 1,234 crates (naïve, 東京)?\n\t2) x² = -3;  don\'t\u00a0stop… <b>"ok"</b>'


def read_passport(folder: Path) -> dict[str, Any]:
    """The passport in `folder`, empty where there is none. Raises ModelError for a damaged one."""
    path = folder / PASSPORT
    if not path.is_file():
        return {}
    try:
        passport = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(path)!r} is damaged: {' '.join(str(error).split())}") from error
    if not isinstance(passport, dict):
        raise ModelError(f"{str(path)!r} is damaged: it holds no JSON object")
    return passport


def check_base(base: Path, adapter: Path) -> None:
    """Raise ModelError when the adapter's passport names other weights than those of `base`."""
    trained_on = read_passport(adapter).get("base_sha256")
    if trained_on and trained_on != weights_sha256(base):
        raise ModelError(f"adapter {str(adapter)!r} was trained on other weights than those of {str(base)!r}")


def check_tokenizer(tokenizer: "PreTrainedTokenizerBase", adapter: Path) -> None:
    """Raise ModelError when the adapter's passport names another tokenizer or chat template."""
    passport, name = read_passport(adapter), tokenizer.name_or_path
    known = passport.get("chat_template_sha256")
    if known and known != template_sha256(tokenizer):
        raise ModelError(f"adapter {str(adapter)!r} was trained with another chat template than that of {name!r}")
    known = passport.get("tokenizer_sha256")
    if known and known != tokenizer_sha256(tokenizer):
        raise ModelError(f"adapter {str(adapter)!r} was trained with another tokenizer than that of {name!r}")


def weights_sha256(*folders: Path) -> str | None:
    """SHA-256 of the safetensors of `folders`, in that order; None where there are none.

    A file is read once, as long as its size and the time of its last change stay.
    """
    paths = [path.absolute() for folder in folders for path in sorted(folder.glob("*.safetensors"))]
    files = tuple((path, state.st_size, state.st_mtime_ns) for path in paths for state in [path.stat()])
    return _digest(files).hexdigest() if files else None


@lru_cache(maxsize=256)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> "hashlib._Hash":
    """The state after all files, which goes on from that after all but the last: bases are shared by adapters."""
    if not files:
        return hashlib.sha256()
    digest = _digest(files[:-1]).copy()
    with files[-1][0].open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest


def template_sha256(tokenizer: "PreTrainedTokenizerBase") -> str | None:
    """SHA-256 of the chat template; None without one."""
    template = tokenizer.chat_template
    return _sha256(json.dumps(template, sort_keys=True)) if template else None


def tokenizer_sha256(tokenizer: "PreTrainedTokenizerBase") -> str:
    """SHA-256 of the vocabulary and of how it cuts a text of many kinds of characters."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0]))
    return _sha256(json.dumps([vocabulary, tokenizer(PROBE)["input_ids"]]))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
