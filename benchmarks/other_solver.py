"""Pretrains a second solver for transfer: smaller than the embedded base, of another seed, on half the steps.

torchrun --nproc-per-node 2 benchmarks/other_solver.py runs/science/other-solver    # continues; half an hour, idle
"""

import sys
from pathlib import Path

from sg_agent.training.corpus import Mixture
from sg_agent.training.pretrain import Shape, Stage, pretrain

STAGES = (
    Stage("general", (Mixture(800, 1.0, 2), Mixture(2800, 0.2, 2), Mixture(4400, 0.05, 4)), 1e-3, 0.4),
    Stage("unexplained", (Mixture(5200, 0.05, 4, unexplained=0.6),), 5e-4, 0.9),
)

if __name__ == "__main__":
    pretrain(Path(sys.argv[1]), STAGES, batch_size=64, seed=1, shape=Shape(layers=3, width=144))
