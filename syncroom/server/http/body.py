"""The body of a request, within bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from syncroom.errors import LimitExceeded, Malformed

if TYPE_CHECKING:
    from starlette.requests import Request

    from syncroom.limits import Limits


class Body(BaseModel):
    """What a request brings; what is not known here is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


M = TypeVar("M", bound=BaseModel)


async def read_body(request: Request, bytes_max: int, limits: Limits) -> bytes:
    """The body of a request that is permitted; nothing of it was read before.

    Raises `LimitExceeded`, and `Malformed` where it does not come in time.
    """
    parts = bytearray()
    try:
        async with asyncio.timeout(limits.upload_s_max):
            async for part in request.stream():
                parts += part
                if len(parts) > bytes_max:
                    raise LimitExceeded(f"the body has more than {bytes_max} bytes")
    except TimeoutError:
        raise Malformed("the body did not come in time") from None
    return bytes(parts)


async def read_json(request: Request, model: type[M], limits: Limits) -> M:
    """A body of JSON, as large as a whole request may be; raises `Malformed` for any other."""
    body = await read_body(request, limits.handshake_bytes_max, limits)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Malformed(
            f"the body is wrong: {f'{where}: ' if where else ''}{first['msg']}"
        ) from None
