"""What syncroom writes into documents is what the SDKs read, without a server between them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syncroom.document.log import EMPTY_UPDATE
from tests.document.schemas import contents, schemas
from tests.document.test_mesh import build, merged, steps
from tests.properties import examples

if TYPE_CHECKING:
    from tests.meshagent.sdk import JSON, Sdk


def told(content: JSON, schema: JSON) -> JSON:
    """Content as the SDKs have it: no attributes of the root, and a text as its characters."""
    ((tag, body),) = content.items()
    kept = {"children": body["children"]} if "children" in body else {}
    return _told({tag: kept}, schema)


def _told(content: JSON, schema: JSON) -> JSON:
    ((tag, body),) = content.items()
    if tag == "text" and "delta" in body and "children" not in body:
        pieces = body["delta"]
        has_place = "children" in schema["$defs"]["text"]["properties"]["text"]["properties"]
        body = {name: value for name, value in body.items() if name != "delta"}
        if not has_place or pieces is None:
            return {tag: body}
        return {tag: {"delta": "".join([piece["insert"] for piece in pieces])}}
    children = [_told(child, schema) for child in body.get("children", [])]
    return {tag: {**body, **({"children": children} if "children" in body else {})}}


def plain(content: Any) -> Any:
    """Content whose texts have no formats: the SDK for Python does not tell them to newcomers."""
    if isinstance(content, dict):
        if set(content) == {"insert", "attributes"}:
            return {**content, "attributes": {}}
        return {name: plain(each) for name, each in content.items()}
    return [plain(each) for each in content] if isinstance(content, list) else content


@settings(
    examples(60),
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(data=st.data())
async def test_any_content_and_any_change_of_it_is_read_by_the_sdks(
    sdk: Sdk, data: st.DataObject
) -> None:
    schema = data.draw(schemas())
    before, after = (plain(data.draw(contents(schema))) for _ in range(2))
    written = build(before, schema) or EMPTY_UPDATE
    changes = steps(after, schema, written, "new")
    # The SDK for Python loses its place in a text that is edited; newcomers read it well.
    follows = sdk.name == "javascript" or "text" not in schema["$defs"]
    updates = [base64.b64encode(each).decode() for each in (written, *changes)]

    followed = await sdk.request(
        "mirror", schema=schema, updates=updates if follows else updates[:1]
    )
    whole = base64.b64encode(merged(written, *changes)).decode()
    (read,) = await sdk.request("mirror", schema=schema, updates=[whole])

    assert told(plain(followed[0]), schema) == told(before, schema)
    assert told(plain(followed[-1]), schema) == told(after if follows else before, schema)
    assert told(plain(read), schema) == told(after, schema)
