"""Whether shadow mode can be had as it is asked for, said before anything is served or loaded."""

from pathlib import Path

from langchain_core.language_models import BaseChatModel

from sg_agent.errors import ConfigError
from sg_agent.ledger import in_process, price, usage_of
from sg_agent.models import Model, load_model, model_name, parse_spec
from sg_agent.prices import Prices
from sg_agent.serve.config import ServeConfig, ShadowConfig


def shadow_config(share: float | None, out: Path | None, max_usd: float | None) -> ShadowConfig | None:
    """What the flags ask for; None for nothing. Raises ConfigError for flags that need each other."""
    if share is None:
        for flag, value in (("--shadow-out", out), ("--shadow-max-usd", max_usd)):
            if value is not None:
                raise ConfigError(f"{flag} {str(value)!r} needs --shadow SHARE, the share of questions to ask twice")
        return None
    if not 0 < share <= 1:
        raise ConfigError(f"--shadow must be a share of the questions, above 0 and at most 1, not {share!r}")
    if out is None:
        raise ConfigError("--shadow needs --shadow-out DIR: what is asked and answered is stored there")
    return ShadowConfig(share, out, max_usd)


def check_budget(config: ServeConfig) -> None:
    """Raise ConfigError where shadows may be paid for, and nothing bounds that or could tell what they cost."""
    if config.shadow is None:
        return
    prices = Prices.load(config.prices) if config.prices else None
    for model in (config.guide, *config.solvers.values()):
        if (loaded := _hosted(model)) is None:
            continue
        if config.shadow.max_usd is None:
            raise ConfigError(
                f"--shadow asks {model_name(loaded)!r} more: give --shadow-max-usd USD, the most to spend"
            )
        if price(loaded, usage_of(1, 1), prices=prices) is None:
            raise ConfigError(
                f"--shadow-max-usd cannot be kept: the price of {model_name(loaded)!r} is unknown; give it with "
                "--prices (0 for a server of your own)"
            )


def _hosted(model: Model) -> BaseChatModel | None:
    """The model, if a call to it leaves this process."""
    if isinstance(model, str) and parse_spec(model).kind == "local":
        return None
    loaded = load_model(model)
    return None if in_process(loaded) else loaded
