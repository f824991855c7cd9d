"""What holds for the package as a whole: light import, public names, dependencies in one direction."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sg_agent

PACKAGE = Path(sg_agent.__file__).parent
HEAVY = {
    "torch", "transformers", "trl", "peft", "inspect_ai", "langchain", "langchain_core", "langgraph", "ray", "sklearn"
}  # fmt: skip
LAYERS = ("graphs", "evals", "training")


def test_import_loads_no_model_library() -> None:
    code = "import sys, sg_agent; print(' '.join(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)


def test_the_command_line_imports_no_model_library() -> None:
    code = "import sys, sg_agent.cli; print(' '.join(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)


def test_every_public_name_can_be_had() -> None:
    assert sg_agent.__all__ == sorted(sg_agent.__all__)
    for name in sg_agent.__all__:
        assert getattr(sg_agent, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'guidde'"):
        getattr(sg_agent, "guidde")  # noqa: B009 - the type checker would refuse the attribute


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_dependencies_point_one_way(path: Path) -> None:
    layer = path.relative_to(PACKAGE).parts[0]
    if layer in ("cli", "__init__.py"):
        return
    height = 0 if layer == "serve" else LAYERS.index(layer) if layer in LAYERS else -1
    too_high = {f"sg_agent.{name}" for name in LAYERS[height + 1 :]} | {"sg_agent.cli"}
    too_high |= set() if layer == "serve" else {"sg_agent.serve"}
    for module in imported(path):
        assert not any(module == name or module.startswith(name + ".") for name in too_high), module


def imported(path: Path) -> list[str]:
    """Every module that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    from_imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    named += [f"{node.module}.{alias.name}" for node in from_imports for alias in node.names]
    return named + [str(node.module) for node in from_imports]


def test_the_doors_at_the_top_of_the_repository_are_links_into_the_package() -> None:
    for name in LAYERS:
        assert (PACKAGE.parent / name).resolve() == PACKAGE / name
