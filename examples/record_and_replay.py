"""
Record a real program once, replay it as often as you like.

    python examples/record_and_replay.py

The recording is a folder that can be committed: secrets have been replaced before anything was written.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from api_simulator.claude import make_scenario_player, make_scenario_recorder

# Stands for a program that is slow, costs money and needs a key: claude -p "..." --output-format stream-json
PROGRAM = "import sys; print('using', sys.argv[1]); print('three findings'); sys.exit(1)"
COMMAND = [sys.executable, "-c", PROGRAM, "--token=made-up-token"]


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with make_scenario_recorder(output_dir=folder / "recording", recipe_name="review") as recorder:
            step = recorder.record_step(step_name="review", tool="claude", args=COMMAND, timeout_s=60)
        print(f"recorded: exit code {step.cassette_exit_code}")
        print((step.cassette_path / "stdout.jsonl").read_text(encoding="utf-8"), end="")

        with make_scenario_player(
            scenario_dir=folder / "recording", output_dir=folder / "out", binary_path=folder / "bin" / "claude"
        ) as player:
            # Code under test would find it on PATH; with another token, as the recording holds none.
            command = [str(player.binary_path), *COMMAND[1:3], "--token=another-one"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"replayed: exit code {done.returncode}")
        print(done.stdout, end="")


if __name__ == "__main__":
    main()
