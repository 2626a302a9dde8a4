"""The templates of pages and of text."""

from typing import Any


def template(name: str) -> Any:
    """Return a template; an undefined name in it is an error."""
    import jinja2

    from dsocr_symbolic.paths import data_folders

    loader = jinja2.FileSystemLoader([str(folder) for folder in data_folders("templates")])
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown and text, never HTML
    )
    return environment.get_template(name)
