"""The structure of a PDF beside its looks (ISO 32000-1, 14.7 and 14.8): what is a heading, a table, a figure.

ReportLab writes none. Nodes are laid out with the story; each part of a page that is drawn adds its mark to its node,
and all else is an artifact.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

Box = tuple[float, float, float, float]


@dataclass(eq=False)
class Node:
    """A structure element of a standard type. `marks` are (page from 1, number on that page)."""

    kind: str
    alt: str = ""
    language: str = ""
    scope: str = ""  # of a header cell: Row or Column
    box: Box | None = None  # of a figure, pt
    children: list[Node] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_drawn(self) -> bool:
        return bool(self.marks) or any(child.is_drawn for child in self.children)


class Tags:
    """The tree of one document, and where in it is written now."""

    def __init__(self) -> None:
        self.root = Node("Document")
        self._open = [self.root]

    def leaf(self, kind: str, **more: Any) -> Node:
        """A new node where is written now."""
        node = Node(kind, **more)
        self._open[-1].children.append(node)
        return node

    @contextmanager
    def within(self, kind: str, **more: Any) -> Iterator[None]:
        """What is laid out inside belongs to a new node."""
        self._open.append(self.leaf(kind, **more))
        try:
            yield
        finally:
            self._open.pop()

    @contextmanager
    def at(self, node: Node) -> Iterator[None]:
        """What is laid out inside belongs to `node`, which stands where it was made."""
        self._open.append(node)
        try:
            yield
        finally:
            self._open.pop()


@contextmanager
def marked_as(canvas: Any, node: Node | None) -> Iterator[None]:
    """What is drawn inside is of `node`; None: an artifact, which a reader passes over."""
    if node is None:
        canvas._code.append("/Artifact BMC")
    else:
        number = canvas.next_mark()
        node.marks.append((canvas.getPageNumber(), number))
        canvas._code.append(f"/{node.kind} <</MCID {number}>> BDC")
    yield
    canvas._code.append("EMC")


def write_structure(canvas: Canvas, tags: Tags, page_count: int) -> None:
    """Puts the tree into the document's catalog, and each page's share of it into the parent tree."""
    from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName

    document = canvas._doc
    top = PDFDictionary({"Type": PDFName("StructTreeRoot")})
    reference = document.Reference(top)
    parents: list[dict[int, Any]] = [{} for _ in range(page_count)]
    top.dict["K"] = _element(document, tags.root, reference, parents)
    entries = []
    for page, marks in enumerate(parents):
        entries += [page, document.Reference(PDFArray([marks[number] for number in sorted(marks)]))]
    top.dict["ParentTree"] = document.Reference(PDFDictionary({"Nums": PDFArray(entries)}))
    top.dict["ParentTreeNextKey"] = page_count
    document.Catalog.StructTreeRoot = reference
    document.Catalog.MarkInfo = PDFDictionary({"Marked": "true"})


def _element(document: Any, node: Node, parent: Any, parents: list[dict[int, Any]]) -> Any:
    """The node's reference; what was never drawn is left out."""
    from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFObjectReference

    told = PDFDictionary({"Type": PDFName("StructElem"), "S": PDFName(node.kind), "P": parent})
    reference = document.Reference(told)
    kids: list[Any] = []
    for page, number in node.marks:
        at = PDFObjectReference(f"Page{page}")
        kids.append(PDFDictionary({"Type": PDFName("MCR"), "Pg": at, "MCID": number}))
        parents[page - 1][number] = reference
    kids += [_element(document, child, reference, parents) for child in node.children if child.is_drawn]
    told.dict |= {"K": PDFArray(kids), **_facts(node)}
    return reference


def _facts(node: Node) -> dict[str, Any]:
    from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFString

    facts: dict[str, Any] = {}
    if node.alt:
        facts["Alt"] = PDFString(node.alt)
    if node.language:
        facts["Lang"] = PDFString(node.language)
    if node.scope:
        facts["A"] = PDFDictionary({"O": PDFName("Table"), "Scope": PDFName(node.scope)})
    if node.box:
        box = PDFArray([round(side, 2) for side in node.box])
        facts["A"] = PDFDictionary({"O": PDFName("Layout"), "Placement": PDFName("Block"), "BBox": box})
    return facts
