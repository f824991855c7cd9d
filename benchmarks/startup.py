"""Start-up time: `import sg_agent` and `sg-agent --help`, best of five fresh processes each.

python benchmarks/startup.py [--json]
"""

import json
import subprocess
import sys
import time
from pathlib import Path


def best_of(command: list[str], *, n: int = 5) -> float:
    """The least wall time of `n` runs, in seconds."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    python = best_of([sys.executable, "-c", "pass"])
    result = {
        "import_s": round(best_of([sys.executable, "-c", "import sg_agent"]) - python, 3),
        "help_s": round(best_of([str(Path(sys.executable).with_name("sg-agent")), "--help"]), 3),
    }
    if "--json" in sys.argv:
        print(json.dumps(result))
    else:
        print(f"import sg_agent: {result['import_s']} s beyond Python itself (target 0.2)")
        print(f"sg-agent --help: {result['help_s']} s (target 0.6)")


if __name__ == "__main__":
    main()
