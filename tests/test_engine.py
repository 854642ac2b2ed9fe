"""What a container engine is asked: images with and without a tag."""

from __future__ import annotations

import pytest

from syncroom.engine import split_tag


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("busybox", ("busybox", "latest")),
        ("busybox:1.36", ("busybox", "1.36")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "latest")),
        ("localhost:5000/a/b:c", ("localhost:5000/a/b", "c")),
        ("a/b@sha256:12", ("a/b", "sha256:12")),
    ],
)
def test_an_image_has_a_name_and_a_tag_or_digest(image: str, parts: tuple[str, str]) -> None:
    assert split_tag(image) == parts
