"""Events without secrets: what a host prints may hold those that it was given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from provision.errors import HostError, ProvisionError, StepFailed
from provision.events import (
    Confidential,
    Event,
    HandlerVerdict,
    HostFinished,
    HostNotReached,
    Notice,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskVerdict,
)
from provision.masking import Mask


class Masking:
    """Turns each event into those that may be shown. Of one host, it is called from one thread at a time."""

    def __init__(self) -> None:
        self._mask = Mask()
        self._held: dict[str, TaskOutput] = {}

    def __call__(self, event: Event) -> Iterator[Event]:
        """The events to show in its place."""
        if isinstance(event, Confidential):
            self._mask.add(event.values, certain=event.certain)
            return
        held = self._held.pop(event.host, None)
        if isinstance(event, TaskOutput):
            yield from self._output(event, held)
            return
        if held:
            yield self._masked(held)
        yield self._masked(event)

    def _output(self, event: TaskOutput, held: TaskOutput | None) -> Iterator[Event]:
        """A secret may come in two pieces, so what may be the first is held back until the next event."""
        text = self._mask((held.text if held else "") + event.text)
        begun = self._mask.begun(text)
        if begun:
            self._held[event.host] = replace(event, text=text[-begun:])
        if shown := text[: len(text) - begun]:
            yield replace(event, task=self._mask(event.task), text=shown)

    def text(self, text: str) -> str:
        """A text that is no event's."""
        return self._mask(text)

    def error(self, error: ProvisionError) -> ProvisionError:
        """A copy of an error whose texts hold no secret."""
        # Not copy.copy(): it calls the class with the arguments of Exception, and ours take others.
        mask, shown = self._mask, type(error).__new__(type(error))
        vars(shown).update(vars(error))
        shown.message, shown.hint = mask(error.message), mask(error.hint)
        shown.args = (shown.message,)
        if isinstance(shown, HostError):
            shown.log = tuple(map(mask, shown.log))
        if isinstance(shown, StepFailed):
            shown.task = mask(shown.task)
        return shown

    def _masked(self, event: Event) -> Event:
        mask = self._mask
        match event:
            # The name of a task may hold the item of its loop.
            case TaskVerdict(task=task, keys=keys, diff=diff):
                return replace(event, task=mask(task), keys=tuple(map(mask, keys)), diff=mask(diff))
            case TaskOutput(task=task, text=text):
                return replace(event, task=mask(task), text=mask(text))
            case TaskStarted(task=task) | TaskFinished(task=task):
                return replace(event, task=mask(task))
            case HandlerVerdict(reason=reason):
                return replace(event, reason=mask(reason))
            case Notice(text=text):
                return replace(event, text=mask(text))
            case HostNotReached(reason=reason):
                return replace(event, reason=mask(reason))
            case HostFinished(error=ProvisionError() as error):
                return replace(event, error=self.error(error))
            case _:
                return event
