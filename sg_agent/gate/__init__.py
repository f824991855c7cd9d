"""The learned gate at run time: P(right) per route from what is free to know, in pure Python, from one JSON file.

`load_gate` reads it, `Gate.check` refuses a foreign guide or solver, `Gate.decide` chooses a route for a question and
`Gate.recheck` says whether a cheap answer should go to the stronger solver. Fitting is `sg_agent.evals.gate`.
"""

from sg_agent.gate.decision import Decision, GateRoute
from sg_agent.gate.gate import Gate, Passport, load_gate, save_gate
from sg_agent.gate.reply import CheapAnswer
from sg_agent.gate.signals import GuideSignals, Signals

__all__ = [
    "CheapAnswer", "Decision", "Gate", "GateRoute", "GuideSignals", "Passport", "Signals", "load_gate", "save_gate",
]  # fmt: skip
