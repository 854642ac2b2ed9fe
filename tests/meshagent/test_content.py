"""What syncroom writes into documents is what the SDKs read, without a server between them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syncroom.document.log import EMPTY_UPDATE
from tests.document.schemas import contents, schemas
from tests.document.test_mesh import build, merged
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
async def test_any_content_is_read_by_the_sdks_as_it_was_written_and_changed(
    sdk: Sdk, data: st.DataObject
) -> None:
    schema = data.draw(schemas())
    before, after = (plain(data.draw(contents(schema))) for _ in range(2))
    written = build(before, schema) or EMPTY_UPDATE
    change = build(after, schema, written, "new") or EMPTY_UPDATE
    whole = merged(written, change)

    for update, expected in ((written, before), (whole, after)):
        updates = [base64.b64encode(update).decode()]
        (read,) = await sdk.request("mirror", schema=schema, updates=updates)
        assert told(plain(read), schema) == told(expected, schema)
