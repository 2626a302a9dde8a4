"""The templates of pages and of text."""

from typing import Any


def template(name: str) -> Any:
    """Return a template; an undefined name is an error. A user's own sees what it is given and runs no code."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from dsocr_symbolic.paths import data_folders

    loader = jinja2.FileSystemLoader([str(folder) for folder in data_folders("templates")])
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["class_name"] = lambda kind: kind.__name__
    return environment.get_template(name)
