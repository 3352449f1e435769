"""Every way a command can end -> an exit code, and what is printed of it. No traceback reaches the terminal."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from provision.errors import ConfigError, Interrupted, ProvisionError


def exit_code_of(command: Callable[[], object]) -> int:
    """Run ``command`` and say how the process should end; an error is printed on standard error."""
    try:
        code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except ProvisionError as error:
        return _show(error)
    except click.UsageError as error:
        if error.ctx:
            click.echo(error.ctx.get_usage(), err=True)
        return _show(usage_error(error))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Interrupted.exit_code
    except BrokenPipeError:
        from provision.report.spool import discard_stdout

        discard_stdout()
        return 1
    except Exception as error:
        return _show(internal_error(error, state_folder(os.environ)), label="internal error")


def _show(error: ProvisionError, label: str = "error") -> int:
    from provision.report import print_error

    print_error(error, label=label)
    return error.exit_code


def usage_error(error: click.UsageError) -> ConfigError:
    """What click, or a command in its manner, says of the command line, in the form of all errors.

    A second line of its message is the hint.
    """
    message, _, hint = error.format_message().partition("\n")
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    command = error.ctx.command_path if error.ctx else "provision"
    return ConfigError(message.rstrip("."), hint=hint or f"see `{command} --help`")


def internal_error(error: Exception, folder: Path) -> ProvisionError:
    """An error for what nobody foresaw; its traceback goes to a file in ``folder``."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    message = f"{what}\nThis is a bug in provision, not in what you wrote."
    try:
        file = _record(error, folder)
    except OSError as trouble:
        return ProvisionError(message, hint=f"please report it; its traceback could not be written: {trouble}")
    return ProvisionError(message, hint=f"please report it, with {file}; running the same command again is safe")


def _record(error: Exception, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f"crash-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as out:
        out.write("".join(traceback.format_exception(error)))
    return file


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where provision keeps what is neither configuration nor cache (XDG Base Directory Specification)."""
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or "~", ".local/state").expanduser()
    return Path(base, "provision")
