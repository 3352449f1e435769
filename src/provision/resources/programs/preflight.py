"""Import the app as its unit will, without a network and with a state folder that is thrown away.

Run by the build's own Python (any since 3.8) with ``PACKAGE.MODULE:VARIABLE``. Ends with 90 where starting the app
cannot succeed: it does not import, or settings are missing. Anything else an import may do wrong here, such as not
reaching its database, is no reason to stop.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback

FATAL = 90
GUESSED = "PROVISION_PREFLIGHT_GUESSED"
"""Names this program has given a value to, in order to find the next ones that are missing."""


def missing_settings(error: BaseException) -> list[str]:
    """The names of the environment variables whose absence ``error`` is about."""
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        found = [entry for entry in error.errors() if entry.get("type") in ("missing", "value_error.missing")]
        return [_variable(str(getattr(error, "title", "")), str(entry["loc"][0])) for entry in found if entry["loc"]]
    if not isinstance(error, KeyError) or not error.args:
        return []
    words = str(error.args[0]).split("'")
    if len(words) == 3 and words[2].startswith(" is missing"):  # starlette.config
        return [words[1]]
    frames = traceback.extract_tb(error.__traceback__)
    # Not os.__file__: the module is frozen since 3.11.
    lookup = type(os.environ).__getitem__.__code__.co_filename
    return [str(error.args[0])] if frames and frames[-1].filename == lookup else []


def _variable(title: str, name: str) -> str:
    """The variable of a field of the settings class ``title``, with the class's ``env_prefix``; an alias as it is."""
    module = sys.modules.get("pydantic_settings")
    classes = list(module.BaseSettings.__subclasses__()) if module else []
    for cls in classes:
        classes.extend(cls.__subclasses__())
        if cls.__name__ == title and name in cls.model_fields:
            return (str(cls.model_config.get("env_prefix", "")) + name).upper()
    return name.upper() if name.islower() else name


def import_app(target: str) -> BaseException | None:
    """What went wrong, None if nothing did."""
    name, _, variable = target.partition(":")
    try:
        module = importlib.import_module(name)
        getattr(module, variable[:-2] if variable.endswith("()") else variable)
    except Exception as error:
        return error
    return None


def print_error(error: BaseException) -> None:
    """A traceback of the app's own frames, short enough to be seen whole."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    print("".join(traceback.format_list(frames[1:][-6:])), end="")
    print("".join(traceback.format_exception_only(type(error), error)), end="")


def main() -> int:
    """Import, and once more with each missing setting filled in, so that one run names them all."""
    # The first entry is this program's folder; `fastapi run` has the working folder there.
    sys.path[0] = os.getcwd()
    error = import_app(sys.argv[1])
    guessed = os.environ.get(GUESSED, "").split()
    missing = missing_settings(error) if error else []
    fresh = [name for name in missing if name not in os.environ]
    if fresh:
        os.environ.update(dict.fromkeys(fresh, "1"), **{GUESSED: " ".join(guessed + fresh)})
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.argv])
    if guessed or missing:
        print("missing settings: " + ", ".join(dict.fromkeys(guessed + missing)))
        print("add them to app_env")
        return FATAL
    if error is None:
        return 0
    print_error(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        print(f"cause: {error.name} is neither in the app's folder nor among its dependencies: add it there")
    if isinstance(error, (ImportError, SyntaxError, NameError)):
        return FATAL
    if isinstance(error, AttributeError) and error.__traceback__ and error.__traceback__.tb_next is None:
        print(f"{sys.argv[1]}: the module has no such attribute; see app_entrypoint")
        return FATAL
    print("note: the import failed here, without a network and without its data; going on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
