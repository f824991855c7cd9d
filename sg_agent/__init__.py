"""A small model that you train guides any frozen LLM.

    from sg_agent import guided
    graph = guided("embedded:guide", "openai:gpt-4.1-mini").compile()
    graph.invoke({"question": "..."})["answer"]

Importing the package loads no model library and reads no environment.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sg_agent.errors import SgAgentError
    from sg_agent.evals.config import EvalConfig
    from sg_agent.evals.run import run_eval
    from sg_agent.graphs import Settings, auto, cot, guide, guided, standard
    from sg_agent.graphs.consult import consult_tool
    from sg_agent.graphs.middleware import GuidanceMiddleware
    from sg_agent.models import load_model
    from sg_agent.scripted import ScriptedModel

__all__ = [
    "EvalConfig",
    "GuidanceMiddleware",
    "ScriptedModel",
    "Settings",
    "SgAgentError",
    "auto",
    "consult_tool",
    "cot",
    "guide",
    "guided",
    "load_model",
    "run_eval",
    "standard",
]

_HOMES = {
    "EvalConfig": "sg_agent.evals.config",
    "GuidanceMiddleware": "sg_agent.graphs.middleware",
    "ScriptedModel": "sg_agent.scripted",
    "Settings": "sg_agent.graphs",
    "SgAgentError": "sg_agent.errors",
    "auto": "sg_agent.graphs",
    "consult_tool": "sg_agent.graphs.consult",
    "cot": "sg_agent.graphs",
    "guide": "sg_agent.graphs",
    "guided": "sg_agent.graphs",
    "load_model": "sg_agent.models",
    "run_eval": "sg_agent.evals.run",
    "standard": "sg_agent.graphs",
}


def __getattr__(name: str) -> object:
    """Public names are imported on first use, so that `import sg_agent` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sg_agent' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
