"""A CSV of questions, answered a few at a time. The same command continues after Ctrl-C or kill -9.

    python examples/batch_csv.py [QUESTIONS.csv [ANSWERS.jsonl]]

The columns are id, question and task; without a file, questions of the `depot` world are written to one first.
"""

import asyncio
import csv
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from sg_agent import guided
from sg_agent.journal import Journal
from sg_agent.worlds import questions

AT_A_TIME = 4


def write_sample(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "question", "task"])
        rows.writerows([row.id, row.question, row.task] for row in islice(questions("depot", "test"), 12))


async def answer_all(questions_file: Path, answers_file: Path) -> None:
    """Every answer is on disk as soon as it is there; a question that failed is asked again by the next run."""
    with questions_file.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    graph = guided("embedded:guide", "embedded:solver").compile()
    with Journal(answers_file) as answers:
        done = {record["id"] for record in answers.records}
        left = [row for row in rows if row["id"] not in done]
        inputs: list[Any] = [{"question": row["question"], "task": row["task"]} for row in left]
        failed = 0
        async for number, output in graph.abatch_as_completed(
            inputs, {"max_concurrency": AT_A_TIME}, return_exceptions=True
        ):
            if isinstance(output, BaseException):
                failed += 1
                print(f"{left[number]['id']}: {output}", file=sys.stderr)
            else:
                answers.append({"id": left[number]["id"], "answer": output["answer"], "reason": output["reason"]})
        print(f"{len(done)} were answered before, {len(left) - failed} now, {failed} failed: {answers_file}")


questions_file = Path(sys.argv[1] if len(sys.argv) > 1 else "questions.csv")
answers_file = Path(sys.argv[2] if len(sys.argv) > 2 else "answers.jsonl")
if len(sys.argv) == 1:
    write_sample(questions_file)
for _ in range(2):  # the second time shows what a run that continues does
    asyncio.run(answer_all(questions_file, answers_file))

# prints: 0 were answered before, 12 now, 0 failed: answers.jsonl
# prints: 12 were answered before, 0 now, 0 failed: answers.jsonl
