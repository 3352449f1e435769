"""``provision completion``: what shells need to complete its commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that lets SHELL complete commands, options and files.

    \b
      ~/.bashrc                   eval "$(provision completion bash)"
      ~/.zshrc                    eval "$(provision completion zsh)"
      ~/.config/fish/config.fish  provision completion fish | source
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "provision", "_PROVISION_COMPLETE").source())
