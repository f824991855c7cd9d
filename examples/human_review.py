"""A person reviews guidance before the solver sees it: approve, edit or reject.

    python examples/human_review.py

The run stops at the review and is continued by `Command(resume=DECISION)`, from any process that opens the same thread:
for that put `SqliteSaver` or `PostgresSaver` in place of the checkpointer in memory. A list stands in for the person.
"""

from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from sg_agent import guided

QUESTION = "The depot has 20 lamps. On Monday 3 crates of lamps came in. How many lamps are there at the end?"
PERSON: list[dict[str, Any]] = [
    {"type": "edit", "guidance": "1. Start with the lamps.\n2. 3 * 10 = 30, so add 30."},  # computes: asked again
    {"type": "edit", "guidance": "1. Start with the lamps.\n2. Multiply Monday by 10 and add."},
    {"type": "approve"},
    {"type": "reject", "message": "the lamps are not stock"},
]

graph = guided("embedded:guide", "embedded:solver", review=True).compile(checkpointer=InMemorySaver())
decisions = iter(PERSON)
for number in range(3):
    thread: Any = {"configurable": {"thread_id": str(number)}}
    output: Any = graph.invoke({"question": QUESTION, "task": "math"}, thread)
    while "__interrupt__" in output:
        request, decision = output["__interrupt__"][0].value, next(decisions)
        print(f"asked:   {request['guidance']!r}" + (f", since {request['problem']}" if request["problem"] else ""))
        print("decided:", decision)
        output = graph.invoke(Command(resume=decision), thread)
    print(f"answer:  {output['answer']}, {output['reason']}\n")

# prints: since the plan holds a computed value: 3 * 10 = 30
# prints: answer:  50, guidance passed the check (draft 1 of the guide); edited in review
# prints: answer:  56, guidance passed the check (draft 1 of the guide); approved in review
# prints: guidance was rejected in review: «the lamps are not stock»
