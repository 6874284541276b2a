"""One device key under two products, as the switch `same_key_two_products` wants it: in each job a second task for it.

A device key is unique within its product only [D]. Which task a call means that names the key alone is unknown [U].
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enos_simulator.store import JobTasks, Store


def set_twin(store: Store, held: JobTasks, *, there: bool) -> None:
    """Let a job have such a second task, or not. Searches see at once all that they did not see yet.

    It stands at the end, and is one for the first device that still waits, or else for the first; a job without tasks
    gets none.
    """
    if there and held.info_without_twin is None and held.rows:
        store.show_all()
        first = next((task for task in held.rows if task.status in {"init", "published"}), held.rows[0])
        held.info_without_twin = held.job.info
        _inform(held, {**held.job.info, "productKey": None})  # a job of no one product names none [D]
        store.changed(held)
        store.append(held, dataclasses.replace(first, place=len(held.rows), product_key=f"{first.product_key}-2"))
    elif not there and held.info_without_twin is not None:
        store.show_all()
        store.pop(held)
        _inform(held, held.info_without_twin)
        held.info_without_twin = None
        store.changed(held)


def _inform(held: JobTasks, info: Mapping[str, Any]) -> None:
    held.job = held.seen = dataclasses.replace(held.job, info=info)
