"""How the workflow runs an activity: with limits, and with patience where limits make no sense."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from bodysounds.serving.messages import REFUSED, WAITED_FOR, Patience
from bodysounds.serving.settings import watch_queue

Answer = TypeVar("Answer")

WATCH = "watch_folder"
WATCH_S = 60.0
LONGEST_RETRY_S = 30.0


async def ask(
    name: str,
    request: Any,
    answer: type[Answer] | None,
    patience: Patience,
    tell: Callable[[str | None], None],
    give_up: bool = False,
) -> Answer:
    """Run an activity; wait and try again where the database or the folder is gone.

    `tell` hears what is waited for, and None when it is back. Where an activity fails otherwise,
    as often as `patience` allows, its last error is raised if `give_up`; else it is tried again
    too. What no repetition helps ends the stream.
    """
    wait_s, waited = 1.0, False
    while True:
        try:
            result: Answer = await _once(name, request, answer, patience)
        except ActivityError as error:
            kind = getattr(error.cause, "type", None)
            if is_cancelled_exception(error):
                raise
            if kind == REFUSED:
                raise ApplicationError(said(error), type=REFUSED, non_retryable=True) from error
            if give_up and kind not in WAITED_FOR:
                raise
            tell(said(error))
            waited = True
            await workflow.sleep(wait_s)
            wait_s = min(2 * wait_s, patience.database_s)
        else:
            if waited:
                tell(None)
            return result


def said(error: ActivityError) -> str:
    """Return what an activity's last try failed with."""
    cause = error.cause
    return str(getattr(cause, "message", None) or cause or error)


async def _once(name: str, request: Any, answer: type[Answer] | None, patience: Patience) -> Any:
    watching = name == WATCH
    return await workflow.execute_activity(
        name,
        request,
        result_type=answer,
        task_queue=watch_queue(workflow.info().task_queue) if watching else None,
        start_to_close_timeout=timedelta(seconds=patience.timeout_s + watching * WATCH_S),
        heartbeat_timeout=timedelta(seconds=patience.heartbeat_s),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=patience.retry_s),
            maximum_interval=timedelta(seconds=max(LONGEST_RETRY_S, patience.retry_s)),
            maximum_attempts=patience.attempts,
            non_retryable_error_types=[*WAITED_FOR, REFUSED],
        ),
    )
