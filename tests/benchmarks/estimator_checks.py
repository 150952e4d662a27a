"""All of scikit-learn's checks of an estimator, on both of ours: python tests/benchmarks/estimator_checks.py

Each fits some 45 times. Exit code 1 if a check fails that is not expected to.
"""

import os
import sys
import tempfile
import time
import warnings

from sklearn.utils.estimator_checks import check_estimator

from orchestrator import AutoMLClassifier, AutoMLRegressor

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "rows are split, and dealt to batches, by their number, which "
    "changes when a row is repeated or left out instead of weighing 2 or 0"
}


def main() -> int:
    unexpected = 0
    for kind in (AutoMLClassifier, AutoMLRegressor):
        estimator = kind(trials=2, epochs=20, architecture="mlp", ensemble="none", random_state=0)
        started, used = time.perf_counter(), time.process_time()
        found = check_estimator(estimator, on_fail=None, on_skip=None, expected_failed_checks=EXPECTED)
        counts: dict[str, int] = {}
        for check in found:
            counts[check["status"]] = counts.get(check["status"], 0) + 1
            if check["status"] not in ("passed",):
                print(f"  {check['status']} {check['check_name']}: {check['exception']!r:.300}")
        unexpected += counts.get("failed", 0)
        took = f"{time.perf_counter() - started:.0f} s, {time.process_time() - used:.0f} s of CPU"
        print(f"{kind.__name__}: {', '.join(f'{count} {status}' for status, count in counts.items())} in {took}")
    return int(unexpected > 0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ORCHESTRATOR_HOME"] = folder
        sys.exit(main())
