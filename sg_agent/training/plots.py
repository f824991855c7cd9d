"""The curves of a training run as PNG images, drawn by matplotlib.

`plots_of` says which there are, from what metrics.jsonl holds; `draw` makes one an image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

from sg_agent.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Lines = Sequence[Mapping[str, Any]]
Points = list[tuple[int, float]]

COLOURS = ("#0072b2", "#c24e00", "#007a59", "#a8497f", "#8a6d00", "#4b4fb8", "#1c1e21", "#6b7280")  # as in report.css
NOISY = 60  # a curve of more points is drawn faint, with its moving average
FEW = 20  # points that are marked


@dataclass(frozen=True)
class Plot:
    """Curves over steps; `share` values are shown as percentages."""

    name: str
    title: str
    curves: Mapping[str, Points]
    share: bool = False

    @property
    def words(self) -> str:
        """What a reader who cannot see it is told."""
        ends = (f"{name} {points[0][1]:.3g} to {points[-1][1]:.3g}" for name, points in self.curves.items())
        return f"{self.title}: {'; '.join(ends)}"


def check_matplotlib() -> None:
    """Raise MissingExtra where it is not installed: at the start of a run, not at its end."""
    if find_spec("matplotlib") is None:
        raise MissingExtra("the page of a training run", "train")


def plots_of(lines: Lines) -> list[Plot]:
    """The plots that these metrics have any value for."""
    rewards = {f"rewards/{name}/mean": name for name in _reward_names(lines)}
    wanted = (
        Plot("loss", "Loss", _curves(lines, {"loss": "training", "eval_loss": "validation"})),
        Plot("rewards", "Rewards", _curves(lines, {"reward": "all, weighted", **rewards})),
        Plot("usefulness", "Right answers with the guidance, validation", _curves(lines, _VALIDATION), share=True),
        Plot("guidance_length", "Guidance length, tokens", _curves(lines, _LENGTHS)),
        Plot("leak_rate", "Guidance that leaks", _curves(lines, _LEAKS), share=True),
    )
    return [plot for plot in wanted if plot.curves]


_VALIDATION = {
    "eval_usefulness": "usefulness",
    "usefulness": "usefulness",
    "eval_accuracy": "accuracy",
    "eval_rewards/task/mean": "task reward",
}
_LENGTHS = {"completions/mean_length": "mean", "eval_completions/mean_length": "validation", "guidance_tokens": "mean"}
_LEAKS = {"leak_rate": "training", "eval_leak_rate": "validation"}


def draw(plot: Plot) -> bytes:
    """The plot as a PNG. Raises MissingExtra without matplotlib."""
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(5.2, 3.4), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (name, points), colour in zip(plot.curves.items(), cycle(COLOURS), strict=False):
        _curve(axes, name, points, colour)
    axes.set(title=plot.title, xlabel="step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if plot.share:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.set_ylim(0, min(1.02, max(0.05, 1.15 * max(value for _, value in chain(*plot.curves.values())))))
    axes.grid(color="#d5d9e0", linewidth=0.6)
    if len(plot.curves) > 1:
        figure.legend(loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    image = BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def _curve(axes: "Axes", name: str, points: Points, colour: str) -> None:
    steps, values = [step for step, _ in points], [value for _, value in points]
    label = name.replace("$", r"\$").lstrip("_")  # neither a formula nor hidden
    if len(points) > NOISY:
        axes.plot(steps, values, color=colour, alpha=0.25)
        values = moving_average(values)
    axes.plot(steps, values, color=colour, marker="." if len(points) < FEW else "", label=label)


def moving_average(values: Sequence[float]) -> list[float]:
    """Over a twentieth of the values on either side, fewer at the ends."""
    reach = max(1, len(values) // 20)
    return [_mean(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))]


def _reward_names(lines: Lines) -> list[str]:
    found = {key: None for line in lines for key in line if key.startswith("rewards/") and key.endswith("/mean")}
    return [key.removeprefix("rewards/").removesuffix("/mean") for key in found]


def _curves(lines: Lines, keys: Mapping[str, str]) -> dict[str, Points]:
    found: dict[str, Points] = {}
    for key, name in keys.items():
        points = [(int(line["step"]), float(line[key])) for line in lines if is_number(line.get(key))]
        if points:
            found.setdefault(name, points)
    return found


def is_number(value: Any) -> bool:
    """Whether a metric has a value that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
