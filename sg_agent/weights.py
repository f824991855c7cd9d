"""Finds and loads the weights of a local model: a transformers causal LM with a chat template, and a PEFT adapter.

Safetensors only. `find_model` and `find_adapter` look at files alone, so that a spec can be checked in milliseconds;
`load_weights` imports torch.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sg_agent.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MODEL_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
CONVERT_MODEL = (
    'python -c "from transformers import AutoModelForCausalLM as M; '
    "M.from_pretrained('{path}').save_pretrained('{path}')\""
)
CONVERT_ADAPTER = (
    'python -c "import torch; from safetensors.torch import save_file; '
    "save_file(torch.load('{path}/adapter_model.bin', weights_only=True), '{path}/adapter_model.safetensors')\""
)


@dataclass(frozen=True)
class Weights:
    """A model ready to run. `window` is the longest sequence it takes, None when its config does not say."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    ends: frozenset[int]
    window: int | None


def find_model(model: str) -> Path | None:
    """The directory of `model` with its files checked; None when it must come from the hub. Raises ModelError."""
    path = _directory(model)
    if path is None:
        return None
    if not (path / "config.json").is_file():
        if (path / "adapter_config.json").is_file():
            raise ModelError(f"{model!r} is an adapter: name its base too, as in local:<base>@{model}")
        raise ModelError(f"{model!r} has no config.json: a transformers model directory is needed")
    if not any(path.glob("*.safetensors")):
        if any(path.glob("*.bin")):
            convert = CONVERT_MODEL.format(path=model)
            raise ModelError(f"{model!r} holds pickled weights, only safetensors are loaded; convert them: {convert}")
        raise ModelError(f"{model!r} holds no *.safetensors weights")
    return path


def find_adapter(adapter: str) -> Path | None:
    """The directory of `adapter` with its files checked; None when it must come from the hub. Raises ModelError."""
    path = _directory(adapter)
    if path is None:
        return None
    if not (path / "adapter_config.json").is_file():
        raise ModelError(f"{adapter!r} has no adapter_config.json: a PEFT adapter directory is needed")
    if not (path / "adapter_model.safetensors").is_file():
        if (path / "adapter_model.bin").is_file():
            convert = CONVERT_ADAPTER.format(path=adapter)
            raise ModelError(f"{adapter!r} holds pickled weights, only safetensors are loaded; convert them: {convert}")
        raise ModelError(f"{adapter!r} holds no adapter_model.safetensors")
    return path


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


def check_passport(base: Path, adapter: Path) -> None:
    """Raise ModelError when the adapter's passport says that it was trained on other weights than `base`'s.

    An adapter that fits in shape works on any base, badly. One of other makers has no passport and is taken as it is.
    """
    path = adapter / "passport.json"
    if not path.is_file():
        return
    try:
        trained_on = json.loads(path.read_text(encoding="utf-8")).get("base_sha256")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{str(path)!r} is damaged: {_line(error)}") from error
    if trained_on and trained_on != weights_sha256(base):
        raise ModelError(f"adapter {str(adapter)!r} was trained on other weights than those of {str(base)!r}")


def load_weights(model: str, adapter: str | None, *, trust_remote_code: bool, device: str | None) -> Weights:
    """Loads a base and, if named, its adapter. Raises ModelError for whatever cannot be used, MissingExtra."""
    try:
        import peft  # noqa: F401
        import torch
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra(f"local:{model}", "local") from error
    base_path = find_model(model) or _download(model, find_model, trust_remote_code)
    adapter_path = None if adapter is None else find_adapter(adapter) or _download(adapter, find_adapter, False)
    if adapter_path is not None:
        check_passport(base_path, adapter_path)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    base = _load_base(base_path, model, trust_remote_code, device)
    if adapter_path is not None:
        base = _apply_adapter(base, adapter_path, model=model, adapter=str(adapter))
    # Some trainers save the tokenizer they used beside the adapter.
    own = adapter_path is not None and (adapter_path / "tokenizer_config.json").is_file()
    source, name = (adapter_path, str(adapter)) if own else (base_path, model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"the tokenizer of {name!r} cannot be loaded: {_line(error)}") from error
    _check_tokenizer(tokenizer, base, name)
    placed: Any = base
    return Weights(placed.to(device).eval(), tokenizer, _ends(base, tokenizer), _window(base))


def _directory(name: str) -> Path | None:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.exists():
        raise ModelError(f"no such model directory: {name!r}")
    return None


def _download(name: str, find: Callable[[str], Path | None], trust_remote_code: bool) -> Path:
    """The hub's files in the local cache, never a pickle. Without code files unless the user trusts them."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = [*MODEL_FILES, "*.py"] if trust_remote_code else MODEL_FILES
    try:
        path = snapshot_download(name, allow_patterns=wanted, ignore_patterns=["*/*"])
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(f"{name!r} is no directory, and the hub does not give it: {_line(error)}") from error
    find(path)
    return Path(path)


def _load_base(path: Path, name: str, trust_remote_code: bool, device: str) -> "PreTrainedModel":
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    # A CPU computes bf16 slower than float32, and rounds more.
    dtype = "auto" if torch.device(device).type == "cuda" else torch.float32
    loaded: Any
    try:
        with _no_progress_bar():
            loaded = AutoModelForCausalLM.from_pretrained(
                path, trust_remote_code=trust_remote_code, use_safetensors=True, dtype=dtype, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name!r} cannot be loaded: {_line(error)}") from error
    base, report = loaded
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"{name!r} lacks weights that its config.json asks for: {missing}")
    return base  # type: ignore[no-any-return]


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging as untyped

    logging: Any = untyped
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _apply_adapter(base: "PreTrainedModel", path: Path, *, model: str, adapter: str) -> "PreTrainedModel":
    import torch
    from peft import PeftConfig, PeftModel
    from safetensors import SafetensorError

    tuned: Any
    misfit = f"adapter {adapter!r} does not fit base {model!r}"
    try:
        config = PeftConfig.from_pretrained(str(path))
        if config.is_prompt_learning:
            raise ModelError(f"adapter {adapter!r} is a learned prompt; use one that adapts weights, such as LoRA")
        with warnings.catch_warnings():
            # PEFT asks transformers for an attribute under its old name.
            warnings.simplefilter("ignore", FutureWarning)
            tuned = PeftModel(base, config)
            loaded = tuned.load_adapter(str(path), "default", torch_device="cpu")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{misfit}: {_line(error)}") from error
    stray = [*loaded.missing_keys, *loaded.unexpected_keys]
    if stray:
        raise ModelError(f"{misfit}: {len(stray)} weights have no counterpart, the first is {stray[0]}")
    # Merged it runs at the speed of the base; merging into 16 bits would round the adapter away.
    return tuned.merge_and_unload() if base.dtype == torch.float32 else tuned.base_model.model  # type: ignore[no-any-return]


def _check_tokenizer(tokenizer: "PreTrainedTokenizerBase", model: "PreTrainedModel", name: str) -> None:
    if not tokenizer.chat_template:
        raise ModelError(
            f"the tokenizer of {name!r} has no chat template: save one as {name}/chat_template.jinja, "
            "or use an instruction-tuned model"
        )
    embeddings: Any = model.get_input_embeddings()
    rows = embeddings.weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(f"the tokenizer of {name!r} has {len(tokenizer)} tokens, the model embeds only {rows}")


def _ends(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Tokens that end a reply: generation_config may name several (end of turn, end of text)."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    ends = named if isinstance(named, list) else [named]
    return frozenset(int(end) for end in [*ends, tokenizer.eos_token_id] if end is not None)


def _window(model: "PreTrainedModel") -> int | None:
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__
