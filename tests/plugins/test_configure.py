"""Options from the command line and from files."""

import pytest
from segalarm.benchmark.interfaces import Config, Method, Preset, Protocol
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.benchmark.plugins.configure import configure, merged, parse_options, parse_sweeps, swept


class PartConfig(Config):
    size: int = 1
    name: str = "a"


class WholeConfig(Config):
    part: PartConfig = PartConfig()
    rate: float = 0.5


class Whole(Method):
    Config = WholeConfig

    @classmethod
    def defaults(cls, preset, protocol, dataset):
        return {"part": {"size": 2, "name": "b"}}

    def score(self, batch, context):
        return []


def configured(options):
    return configure(Whole, "whole", options, Preset.SMALL, Protocol.PAPER, None)


def test_values_are_json_where_they_can_be():
    found = parse_options(["m.a=1", "m.b=true", "m.c=text", "m.d=[1,2]", "m.e=null"], None)
    assert found == {"m": {"a": 1, "b": True, "c": "text", "d": [1, 2], "e": None}}


def test_a_nested_key_keeps_its_neighbours():
    found = configured(parse_options(["whole.part.size=3"], None)["whole"])
    assert found.part == PartConfig(size=3, name="b")
    assert found.rate == 0.5


def test_the_command_line_wins_over_the_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[whole]\nrate = 0.1\n[whole.part]\nsize = 7\nname = 'c'\n")
    found = configured(parse_options(["whole.part.size=3"], file)["whole"])
    assert (found.rate, found.part.size, found.part.name) == (0.1, 3, "c")


def test_an_unknown_nested_key_is_named():
    with pytest.raises(BenchError, match=r"whole\.part\.sise"):
        configured({"part": {"sise": 3}})


@pytest.mark.parametrize("pair", ["m", "m.a", "m=1", ".a=1", "m.=1", "m.a..b=1"])
def test_a_malformed_pair_is_refused(pair):
    with pytest.raises(BenchError, match=r"NAME\.KEY=VALUE"):
        parse_options([pair], None)


def test_a_sweep_gives_every_combination():
    sweep = parse_sweeps(["m.a=1,2", "m.b.c=x,y"])["m"]
    found = list(swept({"b": {"d": 0}}, sweep))
    assert found == [{"a": a, "b": {"d": 0, "c": c}} for a in (1, 2) for c in ("x", "y")]
    assert list(swept({"a": 1}, {})) == [{"a": 1}]


def test_merging_leaves_its_arguments_alone():
    one = {"a": {"b": 1}}
    assert merged(one, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}
    assert one == {"a": {"b": 1}}
