"""A gateway that takes small requests only, before a server that would take any."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from enos_ota.enos import EnosClient

if TYPE_CHECKING:
    import requests


class SmallGateway(HTTPAdapter):
    """Answers requests with a larger body as a Kong gateway does, and passes the others on.

    Args:
        largest: Bytes of a body.
        refused: Gets the size of each body that is refused.
    """

    def __init__(self, largest: int, refused: list[int]) -> None:
        super().__init__()
        self._largest = largest
        self._refused = refused

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        size = len(request.body or b"")
        if size <= self._largest:
            return super().send(request, *args, **kwargs)
        self._refused.append(size)
        body = io.BytesIO(b'{"message": "Request size limit exceeded"}')
        headers = {"Content-Type": "application/json"}
        return self.build_response(request, HTTPResponse(body, headers, 413, preload_content=False))


def behind_a_small_gateway(largest: int, refused: list[int]) -> type[EnosClient]:
    """Clients whose requests go through one."""

    class Client(EnosClient):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, adapter=lambda: SmallGateway(largest, refused), **kwargs)

    return Client
