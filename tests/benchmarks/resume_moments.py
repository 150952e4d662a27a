"""Sweeps that are killed (SIGKILL) at random moments and resumed, beside the same sweep without a break.

Usage: python tests/benchmarks/resume_moments.py [--moments 21] [--seed 0]

Each resumed sweep must have the same trials with the same configurations and the same metrics to the last bit, the same
stops and the same winner, and MLflow every metric point once. Schedulers take turns.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from killed_sweeps import Place, assert_same, sweep_arguments

SCHEDULERS = ("asha", "asha-promote", "pbt")
TRIALS, EPOCHS = 6, 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=21)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="resume-moments-") as name:
        wholes = {}
        for scheduler in SCHEDULERS:
            wholes[scheduler] = Place(Path(name) / scheduler)
            wholes[scheduler].run(*sweep_arguments(scheduler, TRIALS, EPOCHS), "--no-register")
            wholes[scheduler].check_mlflow()
        for number in range(arguments.moments):
            scheduler = SCHEDULERS[number % len(SCHEDULERS)]
            place = Place(Path(name) / f"killed-{number}")
            length = len(wholes[scheduler].events())
            kills = []
            process = place.start(*sweep_arguments(scheduler, TRIALS, EPOCHS), "--no-register")
            # some are killed twice
            for _ in range(1 + number % 2):
                at = choose.randint(min(len(place.events()) + 1, length - 1), length - 1)
                if not place.kill_at(process, at):
                    break
                time.sleep(choose.random() * 0.2)
                kills.append(len(place.events()))
                if len(kills) <= number % 2:
                    process = place.start("resume")
            if process.poll() is None:
                process.wait()
            if place.events()[-1].get("status") != "finished":
                place.run("resume")
            assert_same(place, wholes[scheduler])
            print(f"{number + 1}. {scheduler}: killed after {kills} of about {length} events, the same", flush=True)
    print(f"{arguments.moments} of {arguments.moments} the same as without a break")


if __name__ == "__main__":
    main()
