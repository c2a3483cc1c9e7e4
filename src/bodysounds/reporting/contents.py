"""The sections of a page: an anchor at each, and links to them at its beginning."""

from __future__ import annotations

import re

HEADING = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)
PLACE = "<nav></nav>"
"""Where a template wants the links."""


def with_contents(page: str) -> str:
    """Return a page whose `<h2>` have an id each, with links to them in place of `<nav></nav>`.

    A page without that place gets the anchors alone. Ids are lower case, words joined by hyphens;
    a heading that comes again has its number behind it.
    """
    titles: dict[str, str] = {}

    def anchored(found: re.Match[str]) -> str:
        title = found[1].strip()
        name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"&[#\w]+;|<[^>]*>", "", title).lower()).strip("-")
        name = name or "section"
        if name in titles:
            name = f"{name}-{len(titles) + 1}"
        titles[name] = title
        return f'<h2 id="{name}">{title}</h2>'

    anchors = HEADING.sub(anchored, page)
    links = "\n".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in titles.items())
    whole = f'<nav aria-label="Sections"><ul>\n{links}\n</ul></nav>' if titles else ""
    return anchors.replace(PLACE, whole, 1)
