"""What the package registers. Imports neither torch nor its own implementation."""

import click
from segalarm import Task, hookimpl


@hookimpl
def register_methods(register):
    register(
        "margin",
        "acme_alarms.margin:Margin",
        summary="one minus the margin between the two likeliest classes",
        tasks=(Task.PIXEL_FAILURE, Task.ANOMALY),
    )


@hookimpl
def register_datasets(register):
    register("stripes", "acme_alarms.stripes:Stripes", summary="striped pictures", tasks=(Task.ANOMALY,))


@hookimpl
def register_commands(cli):
    cli.add_command(click.Command("acme", callback=lambda: click.echo("hello from acme")))
