"""Templates of notifications: texts with `{placeholders}`, filled in without evaluating anything."""

import re
from collections.abc import Mapping
from typing import Any, Final

from domain.errors import InvalidState, InvalidValue, RecordNotFound
from domain.ports import Clock, NotificationTemplateStore
from domain.records import NotificationKind, NotificationTemplate

MAX_NAME_CHARS: Final = 150
MAX_TITLE_TEMPLATE_CHARS: Final = 255
MAX_CONTENT_TEMPLATE_CHARS: Final = 10_000
MAX_PLACEHOLDER_CHARS: Final = 64

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

Value = str | int | float | bool


def placeholders(template: str, field: str = "template") -> frozenset[str]:
    """The names in a template. `{{` and `}}` stand for braces. InvalidValue for anything but a plain name between
    braces: attributes, items, formats and conversions are not read, so nothing can be reached through a value."""
    names = set()
    for token in _TOKEN.finditer(template):
        if token[0] in ("{{", "}}"):
            continue
        name = token[1]
        if name is None:
            raise InvalidValue(field, "a brace without its other; write {{ or }} for a brace")
        if not name.isidentifier() or name.startswith("__") or len(name) > MAX_PLACEHOLDER_CHARS:
            raise InvalidValue(field, "a placeholder is a plain name between braces")
        names.add(name)
    return frozenset(names)


def fill(template: str, variables: Mapping[str, Value]) -> str:
    """A checked template with its names replaced; what is put in is not looked at again."""

    def replaced(token: re.Match[str]) -> str:
        return token[0][0] if token[1] is None else _text(variables[token[1]])

    return _TOKEN.sub(replaced, template)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class NotificationTemplates:
    """Managing them is for administrators: who calls it has seen to that."""

    def __init__(self, *, store: NotificationTemplateStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self, *, name: str, kind: NotificationKind, title_template: str, content_template: str, is_active: bool = True
    ) -> NotificationTemplate:
        """InvalidValue; Conflict if the name is taken."""
        now_ms = self._clock.now_ms()
        template = NotificationTemplate(
            id=0,
            name=name,
            kind=kind,
            title_template=title_template,
            content_template=content_template,
            is_active=is_active,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )
        _check(template)
        return await self._store.create(template)

    async def get(self, template_id: int) -> NotificationTemplate:
        """RecordNotFound."""
        template = await self._store.get(template_id)
        if template is None:
            raise RecordNotFound("no such template")
        return template

    async def list_all(
        self, *, kind: NotificationKind | None, active_only: bool, offset: int, limit: int
    ) -> tuple[list[NotificationTemplate], int]:
        """Newest first, and how many there are."""
        return await self._store.list_all(kind=kind, active_only=active_only, offset=offset, limit=limit)

    async def update(self, template_id: int, **fields: Any) -> NotificationTemplate:
        """RecordNotFound, InvalidValue, Conflict."""
        changed = await self._store.update(template_id, _check, **fields, updated_at_ms=self._clock.now_ms())
        if changed is None:
            raise RecordNotFound("no such template")
        return changed

    async def delete(self, template_id: int) -> None:
        """What was made of it stays. RecordNotFound."""
        if not await self._store.delete(template_id):
            raise RecordNotFound("no such template")

    async def filled(self, template_id: int, variables: Mapping[str, Value]) -> tuple[NotificationKind, str, str]:
        """Type, title and content. RecordNotFound, InvalidState (switched off), InvalidValue (a variable that is
        missing, or that the template does not have)."""
        template = await self.get(template_id)
        if not template.is_active:
            raise InvalidState("this template is switched off")
        wanted = placeholders(template.title_template) | placeholders(template.content_template)
        for missing in sorted(wanted - variables.keys()):
            raise InvalidValue("variables", f"the template needs {missing}")
        if variables.keys() - wanted:
            raise InvalidValue("variables", f"the template has these alone: {', '.join(sorted(wanted))}")
        return template.kind, fill(template.title_template, variables), fill(template.content_template, variables)


def _check(template: NotificationTemplate) -> None:
    for field, text, limit in (
        ("name", template.name, MAX_NAME_CHARS),
        ("title_template", template.title_template, MAX_TITLE_TEMPLATE_CHARS),
        ("content_template", template.content_template, MAX_CONTENT_TEMPLATE_CHARS),
    ):
        if not text.strip() or len(text) > limit:
            raise InvalidValue(field, f"1 to {limit} characters")
    placeholders(template.title_template, "title_template")
    placeholders(template.content_template, "content_template")
