"""The `bench` command. Plugins supply its commands; the built-in commands are in `benchmark/commands`."""

from __future__ import annotations

import sys
from typing import Any

import click
from segalarm.benchmark.interfaces.errors import BenchError, UnknownNameError
from segalarm.benchmark.plugins.registry import load_registry


class CommandLine(click.Group):
    """A group whose commands are those of all plugins, and which shows a `BenchError` as one message.

    The plugins are loaded when a command is first looked up. The exit code of an unknown name is 2, of any
    other `BenchError` 1.
    """

    _loaded = False

    def _load_commands(self) -> None:
        if not self._loaded:
            self._loaded = True
            load_registry().add_commands(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, sorted."""
        self._load_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None."""
        self._load_commands()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, but the message for an unknown command says which plugins are broken."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            broken = [f" Broken plugin '{plugin.name}': {plugin.error}." for plugin in load_registry().broken]
            raise click.UsageError("".join([error.format_message(), *broken]), ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end the process where the command fails or is stopped with Ctrl-C."""
        try:
            return super().invoke(ctx)
        except BenchError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2 if isinstance(error, UnknownNameError) else 1)
        except KeyboardInterrupt:
            click.echo("Stopped. What was finished is kept; the same command goes on from there.", err=True)
            sys.exit(1)


@click.group(
    cls=CommandLine,
    epilog=(
        "\b\nExamples:\n  bench run --method msp,entropy --dataset streethazards-mini\n  bench table 3\n"
    ),
)
@click.version_option(package_name="segalarm")
def main() -> None:
    """Benchmark of failure detection and anomaly segmentation for segmentation networks."""


if __name__ == "__main__":
    main()
