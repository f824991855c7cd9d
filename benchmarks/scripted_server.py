"""Our server over models that answer at once in its own process: what `serve_load` asks for requests a second.

python benchmarks/scripted_server.py PORT
"""

import sys

from fake_upstream import ANSWER, PLAN

from sg_agent import ScriptedModel
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.server import serve


def main() -> None:
    guide = ScriptedModel(replies=lambda _: PLAN, model="guide")
    solver = ScriptedModel(replies=lambda _: ANSWER, model="solver")
    config = ServeConfig(guide=guide, solvers={"solver": solver}, port=int(sys.argv[1]))
    serve(config, on_listening=lambda address: print(f"serving on {address}", file=sys.stderr))


if __name__ == "__main__":
    main()
