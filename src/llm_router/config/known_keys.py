"""Which keys stand where in the schema, for "did you mean" and for the reference of settings."""

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel

from llm_router.config.document import KeyPath
from llm_router.config.schema import Settings


def known_keys(path: KeyPath) -> Sequence[str]:
    """The keys that the schema knows in the mapping at `path`; empty where names are the user's own."""
    model: type[BaseModel] | None = Settings
    inside_names = False
    for part in path:
        if model is None:
            return ()
        if inside_names:
            inside_names = False
            continue
        field = model.model_fields.get(str(part))
        if field is None:
            return ()
        model, inside_names = _model_in(field.annotation)
    return () if model is None or inside_names else tuple(model.model_fields)


def _model_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:  # noqa: ANN401 - type annotations are objects
    """The model behind an annotation, and whether a name of the user's or an index comes before its keys."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for argument in reversed(get_args(annotation)):
        found, _ = _model_in(argument)
        if found is not None:
            return found, True
    return None, False
