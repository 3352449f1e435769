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


class Discretion:
    """Takes out of what a crash leaves behind the secrets that the command knows by then."""

    def __init__(self) -> None:
        self._masks: list[Callable[[str], str]] = []

    def add(self, mask: Callable[[str], str]) -> None:
        """Mask with this, too."""
        self._masks.append(mask)

    def __call__(self, text: str) -> str:
        """``text`` without secrets."""
        for mask in self._masks:
            text = mask(text)
        return text


def keep_secret(mask: Callable[[str], str]) -> None:
    """Should the command that runs crash, ``mask`` what that leaves behind."""
    if context := click.get_current_context(silent=True):
        context.ensure_object(Discretion).add(mask)


def exit_code_of(command: Callable[[], object], mask: Callable[[str], str] = str) -> int:
    """Run ``command`` and say how the process should end; an error is printed on standard error.

    What nobody foresaw is shown and recorded as ``mask`` leaves it.
    """
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
        return _show(internal_error(error, state_folder(os.environ), mask), label="internal error")


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


def internal_error(error: Exception, folder: Path, mask: Callable[[str], str] = str) -> ProvisionError:
    """An error for what nobody foresaw; its traceback goes to a file in ``folder``. Both are masked."""
    what = mask(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    message = f"{what}\nThis is a bug in provision, not in what you wrote."
    try:
        file = _record(mask("".join(traceback.format_exception(error))), folder)
    except OSError as trouble:
        return ProvisionError(message, hint=f"please report it; its traceback could not be written: {trouble}")
    return ProvisionError(message, hint=f"please report it, with {file}; running the same command again is safe")


def _record(text: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / f"crash-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as out:
        out.write(text)
    return file


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where provision keeps what is neither configuration nor cache (XDG Base Directory Specification)."""
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or "~", ".local/state").expanduser()
    return Path(base, "provision")
