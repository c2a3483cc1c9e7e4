"""Model cards as Markdown: text that others wrote stays text, whatever it holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bodysounds.reporting.captions import GROUP_TITLES
from bodysounds.reporting.html import FILTERS

# an underscore within a word is one, everywhere else it may start emphasis
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$#]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_SPACE = re.compile(r"\s+")
_BREAKS = re.compile(r"\n{3,}")


def render_card(template: str, front_matter: dict[str, Any], **values: Any) -> str:
    """Return front matter and a Markdown template of this folder; a missing value raises."""
    body = _environment().get_template(template).render(**values)
    front = yaml.safe_dump(
        front_matter, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1 << 20
    )
    return f"---\n{front}---\n\n{_BREAKS.sub(chr(10) * 2, body).strip()}\n"


def one_line(value: object) -> str:
    """Return text in one line, without control characters."""
    return _SPACE.sub(" ", _CONTROL.sub(" ", str(value)))


def escaped(value: object) -> str:
    """Return text in one line that Markdown, a table's cell included, shows as it is."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(value))


def fenced(text: object, language: str = "") -> Markup:
    """Return text as a block of code, fenced by more backticks than it holds."""
    inside = _CONTROL.sub(" ", str(text)).strip("\n")
    longest = max((len(run) for run in re.findall("`+", inside)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}{language}\n{inside}\n{fence}")


def as_yaml(value: Any) -> Markup:
    """Return plain values as a block of YAML."""
    text = yaml.safe_dump(value, sort_keys=True, allow_unicode=True, default_flow_style=None)
    return fenced(text, "yaml")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        # makes what macros return Markup, which `finalize` leaves alone
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else Markup(escaped(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {**FILTERS, "fenced": fenced, "as_yaml": as_yaml}
    environment.globals |= {"group_titles": GROUP_TITLES}
    return environment
