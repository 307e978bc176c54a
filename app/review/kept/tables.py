"""The tables as they are now, for queries; the migrations build them. Everything is text or a number, so that SQLite
and PostgreSQL hold the same and a digest is the same from both."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

_SHA256, _NAME, _CODE, _TIME = String(64), String(100), String(20), String(40)
MAX_SLIDE_ID = 255


def _person() -> list[Column[str]]:
    return [
        Column("reviewer", _NAME, nullable=False),
        Column("role", _CODE, nullable=False),
        Column("identity", _CODE, nullable=False),
        Column("subject", _NAME, nullable=False),
        Column("at", _TIME, nullable=False),
    ]


def _case() -> list[Column[str]]:
    return [
        Column("slide_id", String(MAX_SLIDE_ID), nullable=False),
        Column("result_sha256", _SHA256, nullable=False),
        Column("reading", _CODE, nullable=False),
    ]


decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    *_case(),
    Column("version", Integer, nullable=False),
    Column("verdict", _CODE, nullable=False),
    Column("call", _NAME, nullable=False),
    Column("comment", Text, nullable=False),
    *_person(),
    UniqueConstraint("slide_id", "result_sha256", "reading", "version", name="decisions_version"),
)

regions = Table(
    "regions",
    metadata,
    Column("id", Integer, primary_key=True),
    *_case(),
    Column("region_id", String(36), nullable=False),
    Column("version", Integer, nullable=False),
    Column("shape", _CODE, nullable=False),
    Column("rings", Text, nullable=False),
    Column("class", _NAME, nullable=False),
    Column("comment", Text, nullable=False),
    Column("removed", Boolean, nullable=False),
    *_person(),
    UniqueConstraint("slide_id", "result_sha256", "region_id", "version", name="regions_version"),
)

# The one chain through signatures and addenda: each holds the digest of the record before it.
seals = Table(
    "seals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", _CODE, nullable=False),
    Column("slide_id", String(MAX_SLIDE_ID), nullable=False),
    Column("digest", _SHA256, nullable=False),
    Column("previous", _SHA256, nullable=False),
    UniqueConstraint("digest", name="seals_digest"),
    UniqueConstraint("previous", name="seals_previous"),
)

signatures = Table(
    "signatures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seal_id", Integer, ForeignKey("seals.id"), nullable=False),
    Column("decision_id", Integer, ForeignKey("decisions.id"), nullable=False),
    *_case(),
    Column("slide_sha256", _SHA256, nullable=False),
    Column("model_sha256", _SHA256, nullable=False),
    Column("screen", Text, nullable=False),
    Column("screen_sha256", _SHA256, nullable=False),
    Column("content_sha256", _SHA256, nullable=False),
    *_person(),
    UniqueConstraint("seal_id", name="signatures_seal"),
    UniqueConstraint("slide_id", "result_sha256", "reading", name="signatures_reading"),
)

addenda = Table(
    "addenda",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seal_id", Integer, ForeignKey("seals.id"), nullable=False),
    Column("signature_id", Integer, ForeignKey("signatures.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("call", _NAME, nullable=False),
    *_person(),
    UniqueConstraint("seal_id", name="addenda_seal"),
)
