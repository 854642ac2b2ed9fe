"""
Conversations as Anthropic exports them, and as the threads that MeshAgent's agents keep.

A thread is a document with a schema; what it says of one is in ``meshagent-agents`` 0.56.0 on PyPI.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from syncroom.errors import Malformed

if TYPE_CHECKING:
    from pathlib import Path


class _Block(BaseModel):
    type: str = ""
    text: str | None = None


class _File(BaseModel):
    file_name: str | None = None


class _Message(BaseModel):
    uuid: str
    sender: str = ""
    text: str | None = None
    created_at: str | None = None
    content: list[_Block] = Field(default=[])
    attachments: list[_File] = Field(default=[])
    files: list[_File] = Field(default=[])

    def said(self) -> str:
        """What it says; of files alone, their names."""
        text = "".join(it.text or "" for it in self.content if it.type == "text").strip()
        if text or (self.text and not self.content):
            return text or (self.text or "").strip()
        names = dict.fromkeys(it.file_name for it in (*self.attachments, *self.files))
        return ", ".join(f"attached file {name}" for name in names if name)


class Conversation(BaseModel):
    """One conversation of an export."""

    uuid: str = Field(min_length=1)
    name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    chat_messages: list[_Message]

    @property
    def id(self) -> str:
        """A UUID: its own, or one that is always the same for it."""
        try:
            return str(uuid.UUID(self.uuid))
        except ValueError:
            return str(uuid.uuid5(uuid.NAMESPACE_URL, self.uuid))


class Writing(NamedTuple):
    """How conversations become threads."""

    names: dict[str, str]
    """Of the authors, by what senders they are in exports."""
    with_empty: bool
    """Whether also messages that say nothing."""

    def thread(self, conversation: Conversation) -> dict[str, Any]:
        """The content of a thread."""
        at = conversation.updated_at or conversation.created_at or ""
        messages = [
            {
                "id": each.uuid,
                "text": each.said(),
                "created_at": each.created_at or at,
                "author_name": self.names.get(each.sender.lower(), each.sender or "participant"),
            }
            for each in conversation.chat_messages
            if self.with_empty or each.said()
        ]
        authors = dict.fromkeys(each["author_name"] for each in messages) or self.names.values()
        members = {"items": [{"member": {"name": each}} for each in authors]}
        items = {"items": [{"message": each} for each in messages]}
        said = {"external_thread_id": conversation.uuid, **items}
        properties = [{"members": members}, {"messages": said}]
        return {"thread": {"name": conversation.id, "properties": properties}}


def read_export(file: Path) -> list[Conversation | str]:
    """The conversations of an export, or what is wrong with one; raises `Malformed`, `OSError`."""
    try:
        exported = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        exported = None
    if not isinstance(exported, list):
        raise Malformed(f"{str(file)!r} is no export of conversations, which is a JSON array")
    return [_read(number, each) for number, each in enumerate(exported)]


def _read(number: int, exported: object) -> Conversation | str:
    try:
        return Conversation.model_validate(exported)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        return f"conversation {number}: {place}{place and ': '}{wrong['msg']}"


def entry(conversation: Conversation, path: str, now: str) -> dict[str, Any]:
    """What a list of threads says of one."""
    created_at = conversation.created_at or now
    modified_at = conversation.updated_at or created_at
    name = (conversation.name or "").strip() or conversation.id
    told = {"name": name, "path": path, "created_at": created_at, "modified_at": modified_at}
    return {"thread": told}
