"""`python -m sg_agent.cli`: the program, for launchers that start a module."""

from sg_agent.cli import main

if __name__ == "__main__":
    main()
