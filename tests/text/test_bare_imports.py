import subprocess
import sys

import pytest


def python(code: str) -> list[str]:
    """The lines that a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_absent_package_is_not_found_within_and_found_after():
    code = """
from stages.text.bare_imports import bare
import gc, sys
finders = list(sys.meta_path)
with bare(["colorsys"], []):
    print(gc.isenabled())
    try:
        import colorsys
    except ImportError:
        print("absent")
print(gc.isenabled(), sys.meta_path == finders)
import colorsys
print(colorsys.rgb_to_hsv(0, 0, 1)[2])
"""
    assert python(code) == ["False", "absent", "True True", "1"]


def test_a_deferred_module_runs_when_it_is_used():
    code = """
from stages.text.bare_imports import bare
import sys
with bare([], ["scipy.stats"]):
    from scipy import stats
print("scipy.stats._stats_py" in sys.modules)
print(round(float(stats.entropy([0.5, 0.5], base=2)), 6), "scipy.stats._stats_py" in sys.modules)
"""
    assert python(code) == ["False", "1.0 True"]


def test_what_was_loaded_before_stays_and_an_error_leaves_nothing_behind():
    code = """
from stages.text.bare_imports import bare
import colorsys, sys
finders = list(sys.meta_path)
try:
    with bare(["colorsys"], []):
        import colorsys as again
        print(again is sys.modules["colorsys"])
        raise ValueError
except ValueError:
    print(sys.meta_path == finders, sys.modules["colorsys"] is colorsys)
"""
    assert python(code) == ["True", "True True"]


@pytest.mark.parametrize("unused", ["altair.vegalite", "scipy.stats._stats_py", "sqlalchemy", "google.auth"])
def test_rules_are_checked_without_what_they_do_not_use(unused):
    code = f"""
import sys
import pandas as pd
from stages.text.expectations import Rule, check
rule = Rule("small", "critical", "ExpectColumnMaxToBeBetween", {{"column": "size", "max_value": 5}})
[result] = check(pd.DataFrame({{"size": [1, 9]}}), [rule])
print(result["success"], result["value"], {unused!r} in sys.modules)
"""
    assert python(code) == ["False 9 False"]
