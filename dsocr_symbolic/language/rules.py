"""Conditions on values: what is refused where they break, or warned of."""

import re

from attrs import field

from dsocr_symbolic.language.expression import Expression, names, parse
from dsocr_symbolic.language.schema import entry, follows
from dsocr_symbolic.records import frozen

# What a rule says may hold formulas in braces.
BRACES = re.compile(r"\{([^}]*)\}")


@frozen(kw_only=True)
class Rule:
    """A condition on values, to be kept or to be warned of; ``parts`` are the formulas in braces of what it says."""

    require: Expression = entry("a formula that is 1 where the rule holds")
    say: str = entry("what to say where it fails, with formulas in braces")
    waived_by: str = entry("the switch that lifts it", default="")
    parts: tuple[Expression, ...] = field(
        default=follows(lambda rule: tuple(parse(part, "say") for part in BRACES.findall(rule.say)))
    )

    @property
    def names(self) -> set[str]:
        """The symbols that it is about, those of what it says included."""
        return set().union(*(names(formula) for formula in (self.require, *self.parts)))
