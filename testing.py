"""The conformance kit, for authors of plugins: checks that they run in the tests of their plugin.

    import pytest
    from segalarm.testing import checks

    @pytest.mark.parametrize("check", checks("methods", "my-alarm"), ids=str)
    def test_my_alarm_conforms(check, tmp_path):
        check(tmp_path)

`bench check my-alarm` runs the same checks from the command line.
"""

from .benchmark.conformance.plugin_checks import Check, NonconformingError, checks

__all__ = ["Check", "NonconformingError", "checks"]
