"""What our words mean in a network: which of its symbols and stages play which part."""

from collections.abc import Container, Mapping
from typing import Any

from attrs import Attribute, evolve, fields

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.schema import AMOUNT, BLANK, TEXT, entry, follows, table
from dsocr_symbolic.records import frozen


@frozen(kw_only=True)
class Crops:
    """How a page is cut into a grid, and what grids the network chooses of."""

    columns: str = entry("the symbol of pieces of a page side by side")
    rows: str = entry("the symbol of pieces above one another")
    number: str = entry("the symbol of all of them")
    side: str = entry("the symbol of a piece's side in pixels")
    uncut: int | str = entry(
        "a page with no side longer than that is not cut, in pixels: a number or a symbol; by default a piece's side",
        AMOUNT,
        default=follows(lambda crops: crops.side),
    )
    least: int = entry("the fewest pieces that the network cuts", default=2)
    most: int | str = entry("the most pieces that the network cuts, a number or a symbol", AMOUNT, default=9)
    whole: str = entry("the symbol of the side of the view of a whole page, in pixels", default="")
    squash: int = entry("the largest such side to which an uncut page is squashed, not padded; 0 for none", default=0)
    cut_by: Mapping[str, str] = entry("who cuts at most so many, by number", table(TEXT), default=BLANK)

    @property
    def limit(self) -> str:
        """The symbol of the most pieces; empty if a user cannot set it."""
        return self.most if isinstance(self.most, str) else ""

    def cutting(self, numbers: Mapping[str, Any]) -> dict[str, int]:
        """Return what decides how a page is cut: ``side``, ``uncut``, ``least`` and ``most``, given all symbols."""
        given: dict[str, int | str] = {name: getattr(self, name) for name in ("side", "uncut", "least", "most")}
        return {name: numbers[value] if isinstance(value, str) else value for name, value in given.items()}


@frozen(kw_only=True)
class Roles:
    """The symbols that questions ask of: that of a role's own name unless the file says another; empty if none."""

    batch: str = entry("the symbol of requests at once", default="")
    prompt_tokens: str = entry("the symbol of tokens of a prompt", default="")
    image_tokens: str = entry("the symbol of tokens that an image takes of the prompt", default="")
    new_tokens: str = entry("the symbol of decode steps", default="")
    hit: tuple[str, ...] = entry("the symbols of experts that are hit", default=())
    free: tuple[str, ...] = entry("the symbols that stay free in closed forms; by default those above", default=())
    crops: Crops | None = entry("how a page is cut into pieces", default=None)


@frozen(kw_only=True)
class Architecture:
    """Which config.json files are of a network, and whose code it is."""

    model_types: tuple[str, ...] = entry("what model_type says there")
    architectures: tuple[str, ...] = entry("what stands in architectures there", default=())
    roots: tuple[str, ...] = entry("keys under which the network's own part may stand", default=())
    hub: str = entry("a checkpoint of it", default="")
    oracle: str = entry("class of transformers that counts are held against", default="")


@frozen(kw_only=True)
class Identity:
    """What a report of the network says of it, in the report's own fields."""

    model_id: str = entry("the checkpoint's name")
    model_variant: str = entry("which of its networks")
    vision_backbone: str = entry("the stage whose classes see the page", default="")
    model: Mapping[str, Expression] = entry("formulas of the report's numbers of the network", default=BLANK)
    workload: Mapping[str, Expression] = entry("formulas of its numbers of a workload", default=BLANK)


def played(roles: Roles, by: str, *parts: "Attribute[Any]") -> tuple[Any, ...]:
    """Return what plays some parts; raise where the network, named ``by``, has no such thing."""
    for part in parts:
        if not getattr(roles, part.name):
            raise UserError(f"{by}: roles: the model file gives no '{part.name}', {part.metadata['meaning']}")
    return tuple(getattr(roles, part.name) for part in parts)


def in_roles(declared: Roles, known: Container[str]) -> Roles:
    """Give each role that the file leaves open to the symbol of its name, if there is one."""
    names = [role.name for role in fields(Roles) if role.type is str]
    named: dict[str, Any] = {name: getattr(declared, name) or name * (name in known) for name in names}
    return evolve(declared, **named, free=declared.free or tuple(filter(None, named.values())))


def symbols_of(roles: Roles) -> tuple[str, ...]:
    """Return every symbol that plays a part."""
    crops = roles.crops
    of_pages = (
        (crops.columns, crops.rows, crops.number, crops.side, crops.uncut, crops.most, crops.whole) if crops else ()
    )
    alone = (roles.batch, roles.prompt_tokens, roles.image_tokens, roles.new_tokens)
    return tuple(name for name in (*alone, *roles.hit, *roles.free, *of_pages) if name and isinstance(name, str))
