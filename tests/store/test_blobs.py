"""Bytes of files on a disk that fills up."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Unavailable
from syncroom.store.blobs import Blobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """No file can grow past a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [100, 1 << 20])
async def test_a_blob_that_the_disk_has_no_room_for_is_refused_and_leaves_nothing(
    tmp_path: Path, size: int
) -> None:
    blobs = Blobs(tmp_path)
    with _room_for(10), pytest.raises(Unavailable):
        async with blobs.writer("demo") as writer:
            await writer.write(b"x" * size)
            await writer.commit()

    assert not _files(tmp_path)


async def test_the_blobs_of_a_room_go_with_it(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    async with blobs.writer("demo") as writer:
        blob = await writer.commit()

    await blobs.delete_room("demo")
    await blobs.delete_room("demo")

    assert not blobs.path("demo", blob).exists()
