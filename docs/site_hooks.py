"""Hooks of the documentation site (mkdocs.yml): the pages of results/ and links that leave docs/.

The pages of results/ are read where they are, with the pictures they show. A link in a page is relative to the file in
the repository; in the site it leads to the same page, and a link to a file that the site lacks becomes plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")  # a relative link, or a picture


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the pages of results/ to the navigation, an overview first."""
    pages = sorted((path.name for path in ROOT.glob("results/*.md")), key=lambda name: (name != "README.md", name))
    assert config.nav is not None
    config.nav.append({"Results": [f"results/{name}" for name in pages]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of results/ and the pictures they show."""
    for page in ROOT.glob("results/*.md"):
        pictures = [page.parent / link[2] for link in LINK.findall(page.read_text("utf-8")) if link[0]]
        for path in (page, *pictures):
            name = path.relative_to(ROOT).as_posix()
            if files.get_file_from_path(name) is None:
                files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    source = Path(page.file.abs_src_path or "").parent
    here = os.path.dirname(page.file.src_uri)  # noqa: PTH120  # a name in the site, no path

    def replace(link: re.Match[str]) -> str:
        picture, text, target, anchor = link.groups()
        path = Path(os.path.normpath(source / target))
        inside = path.relative_to(ROOT / "docs" if path.is_relative_to(ROOT / "docs") else ROOT).as_posix()
        if files.get_file_from_path(inside) is None and path.exists():
            return str(text)
        return f"{picture}[{text}]({os.path.relpath(inside, here or '.')}{anchor or ''})"

    return LINK.sub(replace, markdown)
