"""Whoever follows the tutorial gets what it promises."""

from segalarm.tests.support.page_steps import environment, follow


def test_the_tutorial_works_as_it_is_written(tmp_path):
    variables = environment(tmp_path / "environment", tmp_path / "workspace")
    project = tmp_path / "acme-alarms"
    project.mkdir()
    follow("tutorial.md", project, variables)
