"""The graphs: factories over your models that return an uncompiled LangGraph `StateGraph`."""

from sg_agent.graphs.auto import auto
from sg_agent.graphs.cot import cot
from sg_agent.graphs.guide import guide
from sg_agent.graphs.guided import guided
from sg_agent.graphs.standard import standard
from sg_agent.graphs.state import GraphOutput, GuideOutput, QuestionInput, Settings

__all__ = ["GraphOutput", "GuideOutput", "QuestionInput", "Settings", "auto", "cot", "guide", "guided", "standard"]
