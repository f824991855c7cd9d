"""The model card beside an adapter: what a reader on the Hugging Face hub is shown, written from the passport.

The licence is left to whoever publishes: it depends on the base's and on the data's.
"""

from typing import Any

CARD = """---
{front}---

# Guide for {base}

A guide of sg-agent: it reads a question and writes guidance (a short plan or rationale) with which a solver answers.
It does not answer questions itself. Use it as `local:{name}` wherever sg-agent takes a guide.

## Trained

{trained}
## Checked

Loaded as sg-agent loads it and compared with the model that was trained, on {prompts} prompts:

| | |
|---|---|
{checked}
{evaluation}## Made with

{packages}.

`passport.json` holds all of this for programs; sg-agent refuses the adapter on another base, tokenizer or template.
"""


def model_card(passport: dict[str, Any], *, adapter: bool) -> str:
    """The card's text, YAML front matter first."""
    import yaml

    base = _hub_id(passport["base"])
    front: dict[str, Any] = {} if base is None else {"base_model": base}
    front["library_name"] = "peft" if adapter else "transformers"
    front["tags"] = ["sg-agent", "guide", *(["lora"] if adapter else [])]
    trip = dict(passport["round_trip"])
    return CARD.format(
        front=yaml.safe_dump(front, sort_keys=False),
        base=passport["base"],
        name="BASE@THIS" if adapter else "THIS",
        trained=_table({**_made_from(passport), **passport["recipe"]}),
        prompts=trip.pop("prompts"),
        checked=_lines(trip),
        evaluation=_evaluation(passport.get("evaluation")),
        packages=", ".join(f"{name} {version}" for name, version in passport["packages"].items()),
    )


def _made_from(passport: dict[str, Any]) -> dict[str, Any]:
    names = ("base_sha256", "base_revision", "data_sha256", "rows", "created")
    return {name: passport[name] for name in names if passport.get(name) is not None}


def _evaluation(measured: dict[str, Any] | None) -> str:
    return f"## Measured on validation questions\n\n{_table(measured)}\n" if measured else ""


def _table(values: dict[str, Any]) -> str:
    return f"| | |\n|---|---|\n{_lines(values)}"


def _lines(values: dict[str, Any]) -> str:
    shown = ((key, ", ".join(map(str, value)) if isinstance(value, list) else value) for key, value in values.items())
    return "".join(f"| {key} | {str(value).replace('|', '/')} |\n" for key, value in shown if value not in (None, ""))


def _hub_id(spec: str) -> str | None:
    """The hub's name of a base; None for the embedded one and for a directory."""
    name = spec.removeprefix("local:")
    return name if spec.startswith("local:") and name.count("/") == 1 and not name.startswith((".", "~", "/")) else None
