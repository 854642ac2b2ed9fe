"""What the SDK for Python makes of a server's rooms, told as JSON; run by the SDK's own Python."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from meshagent.api.client import ConflictError, Meshagent, RoomDisabledError


async def main(url: str, key: str, project: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    client = Meshagent(base_url=url, token=key)
    try:
        made = await client.create_room(
            project_id=project, name="made", metadata={"a": 1}, annotations={"b": "c"}
        )
        told["made"] = made.model_dump()
        try:
            await client.create_room(project_id=project, name="made")
        except ConflictError:
            told["conflict"] = True
        await client.create_room(project_id=project, name="other", if_not_exists=True)
        page = await client.list_rooms_page(project_id=project, page_size=1)
        told["first"] = [room.name for room in page.rooms]
        told["total"] = page.total
        told["all"] = [room.name for room in await client.list_rooms(project_id=project)]
        status = await client.get_room_status(project_id=project, name="made")
        told["status"] = status.status
        told["connected"] = (
            await client.connect_room(project_id=project, room="made")
        ).model_dump()
        jwt = await client.mint_participant_token(
            project_id=project, name="ann", room_name="made", role="agent", api={"messaging": {}}
        )
        token = await client.validate_participant_token(token=jwt)
        told["token"] = {"name": token.name, "role": token.role}
        await client.update_room(project_id=project, room_id=made.id, name="made", enabled=False)
        try:
            await client.connect_room(project_id=project, room="made")
        except RoomDisabledError as error:
            told["disabled"] = str(error)
        await client.delete_room(project_id=project, room_id=made.id)
        told["left"] = [room.name for room in await client.list_rooms(project_id=project)]
        told["projects"] = [each.id for each in (await client.list_projects()).projects]
    finally:
        await client.close()
    return told


print(json.dumps(asyncio.run(main(*sys.argv[1:]))))  # noqa: T201  # it is read by the test
