"""Check the links of the repository: `python tools/links.py`.

Every link in a notebook or a markdown file to something in this repository must lead to a file, and to a heading where
it names one. If the documentation is built, its pages are checked too: every link within it leads somewhere, and no
page fetches a script, a style, a font or a picture from outside. Links to other sites are not followed.
"""

import re
import sys
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote

from reading_order import ROOT, markdown_cells, notebooks

BUILT = "docs/_build/html"

CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
MARKDOWN_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HTML_LINK = re.compile(r"<(?:a|img)\b[^>]*?(?:href|src)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
OUTSIDE = re.compile(r"([a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
STYLE_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)|@import\s+['\"]([^'\"]+)['\"]")


def texts(root):
    "The files with links that are written by hand: notebooks and markdown."
    skipped = {".venv", "_build", "reference", ".ipynb_checkpoints", "node_modules", "out"}
    markdown = [path for path in sorted(root.rglob("*.md")) if not skipped & set(path.relative_to(root).parts)]
    written = [path for path in markdown if not path.is_relative_to(root / "docs" / "notebooks")]
    return written + [path for path in notebooks(root) if not path.is_symlink()] + [root / "index.ipynb"]


@cache
def prose(path, keep_code=False):
    "The markdown of a file, without code unless it is kept."
    is_notebook = path.suffix == ".ipynb"
    text = "\n\n".join(markdown_cells(path)) if is_notebook else path.read_text(encoding="utf-8")
    return text if keep_code else CODE.sub("", text)


def links(text):
    "The targets of all links and pictures in a markdown text."
    return MARKDOWN_LINK.findall(text) + HTML_LINK.findall(text)


def slug(heading):
    "The name by which a heading is linked, as on GitHub and in the documentation."
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


def headings(path):
    "The names of all headings of a file."
    return {slug(heading) for heading in HEADING.findall(prose(path, keep_code=True))}


def dead_link(target, source, root):
    "Why a link in a file leads nowhere, or an empty string."
    if OUTSIDE.match(target):
        return ""
    name, _, anchor = unquote(target).partition("#")
    file = (source.parent / name).resolve() if name else source
    built_from = root / "docs" / "notebooks"  # a folder that is made from nbs/
    if file.is_relative_to(built_from):
        file = root / "nbs" / file.relative_to(built_from)
    if not file.is_relative_to(root.resolve()):
        return "leads out of the repository"
    if not file.exists():
        return "leads nowhere"
    if anchor and file.suffix in (".md", ".ipynb") and anchor not in headings(file):
        return f"names no heading: {file.relative_to(root)} has {', '.join(sorted(headings(file)))}"
    return ""


def dead_links(root=ROOT):
    "Lines that name the dead links of the repository."
    found = []
    for source in texts(root):
        for target in links(prose(source)):
            reason = dead_link(target, source, root)
            if reason:
                found.append(f"{source.relative_to(root)}: the link to {target} {reason}")
    return found


class Page(HTMLParser):
    """The links of a built page, what it fetches, and the names in it that can be linked."""

    def __init__(self, text):
        super().__init__()
        self.links = []
        self.fetched = []
        self.names = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = {key: value or "" for key, value in attributes}
        self.names |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and "href" in given and given.get("rel") not in ("canonical", "author", "license"):
            self.fetched.append(given["href"])
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed") and "src" in given:
            self.fetched.append(given["src"])


@cache
def page(path):
    "A built page, read once."
    return Page(path.read_text(encoding="utf-8"))


def faults_of_page(path, built):
    "Lines that say what is wrong with the links of a built page."
    found = []
    where = path.relative_to(built)
    for target in page(path).fetched:
        if OUTSIDE.match(target) and not target.startswith("data:"):
            found.append(f"{where} fetches {target} from outside")
    for target in page(path).links + page(path).fetched:
        if OUTSIDE.match(target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (path.parent / name.partition("?")[0]).resolve() if name else path
        if not file.exists():
            found.append(f"{where}: the link to {target} leads nowhere")
        elif anchor and file.suffix == ".html" and anchor not in page(file).names:
            found.append(f"{where}: the link to {target} names nothing on that page")
    return found


def faults_of_style(path, built):
    "Lines that name what a style sheet fetches from outside."
    targets = [first or second for first, second in STYLE_URL.findall(path.read_text(encoding="utf-8"))]
    outside = [target for target in targets if OUTSIDE.match(target) and not target.startswith("data:")]
    return [f"{path.relative_to(built)} fetches {target} from outside" for target in outside]


def faults_of_built_pages(root=ROOT):
    "Lines that say what is wrong with the built documentation; none if it is not built."
    built = root / BUILT
    found = []
    for file in sorted(built.rglob("*.html")):
        if "_static" not in file.parts:  # templates of the theme
            found += faults_of_page(file, built)
    for file in sorted(built.rglob("*.css")):
        found += faults_of_style(file, built)
    return found


def main():
    faults = dead_links() + faults_of_built_pages()
    for fault in faults:
        print(fault)
    if faults:
        sys.exit(f"{len(faults)} links need mending")


if __name__ == "__main__":
    main()
