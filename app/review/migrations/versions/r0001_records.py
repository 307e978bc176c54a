"""Decisions, regions, seals, signatures, addenda; and triggers: rows are only added, and never to a signed reading."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SHA256, _NAME, _CODE, _TIME, _ID = sa.String(64), sa.String(100), sa.String(20), sa.String(40), sa.String(255)
TABLES = ("decisions", "regions", "seals", "signatures", "addenda")
# Whatever is inserted here belongs to a reading, which must not be signed yet.
OPEN_ONLY = ("decisions", "regions")


def upgrade() -> None:
    """Builds all of it."""
    _decisions_and_regions()
    _signed()
    triggers = _for_postgresql() if op.get_bind().dialect.name == "postgresql" else _for_sqlite()
    for statement in triggers:
        op.execute(statement)


def _person() -> list[sa.Column[str]]:
    named = [("reviewer", _NAME), ("role", _CODE), ("identity", _CODE), ("subject", _NAME), ("at", _TIME)]
    return [sa.Column(name, kind, nullable=False) for name, kind in named]


def _case() -> list[sa.Column[str]]:
    named = [("slide_id", _ID), ("result_sha256", _SHA256), ("reading", _CODE)]
    return [sa.Column(name, kind, nullable=False) for name, kind in named]


def _texts(*named: tuple[str, sa.types.TypeEngine[str]]) -> list[sa.Column[str]]:
    return [sa.Column(name, kind, nullable=False) for name, kind in named]


def _decisions_and_regions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True),
        *_case(),
        sa.Column("version", sa.Integer, nullable=False),
        *_texts(("verdict", _CODE), ("call", _NAME), ("comment", sa.Text())),
        *_person(),
        sa.UniqueConstraint("slide_id", "result_sha256", "reading", "version", name="decisions_version"),
    )
    op.create_table(
        "regions",
        sa.Column("id", sa.Integer, primary_key=True),
        *_case(),
        sa.Column("region_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        *_texts(("shape", _CODE), ("rings", sa.Text()), ("class", _NAME), ("comment", sa.Text())),
        sa.Column("removed", sa.Boolean, nullable=False),
        *_person(),
        sa.UniqueConstraint("slide_id", "result_sha256", "region_id", "version", name="regions_version"),
    )


def _signed() -> None:
    op.create_table(
        "seals",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts(("kind", _CODE), ("slide_id", _ID), ("digest", _SHA256), ("previous", _SHA256)),
        sa.UniqueConstraint("digest", name="seals_digest"),
        sa.UniqueConstraint("previous", name="seals_previous"),
    )
    op.create_table(
        "signatures",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seal_id", sa.Integer, sa.ForeignKey("seals.id"), nullable=False),
        sa.Column("decision_id", sa.Integer, sa.ForeignKey("decisions.id"), nullable=False),
        *_case(),
        *_texts(("slide_sha256", _SHA256), ("model_sha256", _SHA256), ("screen", sa.Text())),
        *_texts(("screen_sha256", _SHA256), ("content_sha256", _SHA256)),
        *_person(),
        sa.UniqueConstraint("seal_id", name="signatures_seal"),
        sa.UniqueConstraint("slide_id", "result_sha256", "reading", name="signatures_reading"),
    )
    op.create_table(
        "addenda",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seal_id", sa.Integer, sa.ForeignKey("seals.id"), nullable=False),
        sa.Column("signature_id", sa.Integer, sa.ForeignKey("signatures.id"), nullable=False),
        *_texts(("text", sa.Text()), ("call", _NAME)),
        *_person(),
        sa.UniqueConstraint("seal_id", name="addenda_seal"),
    )


_OF_THE_READING = (
    "SELECT 1 FROM signatures s WHERE s.slide_id = NEW.slide_id AND s.result_sha256 = NEW.result_sha256 "
    "AND s.reading = NEW.reading"
)


def _for_sqlite() -> list[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, '{}'); END"
    made = [
        f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
        + refuse.format("records are added, never changed")
        for table in TABLES
        for what in ("UPDATE", "DELETE")
    ]
    return made + [
        f"CREATE TRIGGER {table}_locked BEFORE INSERT ON {table} WHEN EXISTS ({_OF_THE_READING}) "
        + refuse.format("this reading is signed")
        for table in OPEN_ONLY
    ]


def _for_postgresql() -> list[str]:
    made = [
        "CREATE FUNCTION pulmoscope_no_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'records are added, never changed'; END $$",
        "CREATE FUNCTION pulmoscope_locked() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF EXISTS ({_OF_THE_READING}) THEN RAISE EXCEPTION 'this reading is signed'; END IF; "
        "RETURN NEW; END $$",
    ]
    for table in TABLES:
        made += [
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION pulmoscope_no_change()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION pulmoscope_no_change()",
        ]
    return made + [
        f"CREATE TRIGGER {table}_locked BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION pulmoscope_locked()"
        for table in OPEN_ONLY
    ]
