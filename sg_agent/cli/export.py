"""`sg-agent export`: one model out of base and adapter."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from sg_agent.cli import options

HELP = """Merge an adapter into its base and save one model for other programs.

The directory loads as `local:DIR`, in vLLM and in llama.cpp's convert_hf_to_gguf. It is compared with base and adapter
before it gets its name: same logits and the same text (in 16 bits within rounding)."""


def run(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER_DIR|RUN_DIR", help="What `distill` or `rl` has made.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for the model; new, or empty.")],
    base: Annotated[str | None, typer.Option("--base", help="Base, when it is not where the adapter says.")] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option("--dtype", help="16 bits round the adapter too.")
    ] = "float32",
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Merge, check and say where it is."""
    from sg_agent.training.export import export

    made = export(adapter, out, base=base, dtype=dtype)
    if json_output:
        typer.echo(json.dumps(made))
        return
    typer.echo(f"model: local:{made['made']}")
    typer.echo(
        f"checked against base and adapter: logits differ by at most {made['max_logit_difference']:.2g}, "
        f"{made['token_agreement']:.1%} of tokens agree"
    )
