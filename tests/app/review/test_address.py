"""The address of a database: PostgreSQL's alone, its password out of sight, encrypted away from this machine."""

import ssl

import pytest

from app.review.kept.address import connect_arguments, database_url, shown
from app.review.kept.database import HEAD, Database
from app.review.kept.tables import metadata
from app.review.reviews import open_reviews
from wsi.errors import ReviewError, UsageError


@pytest.mark.parametrize(
    "address",
    [
        "mysql://a:secret@h/db",
        "sqlite:////etc/passwd",
        "postgresql://a:secret@h",
        "secret",
        "postgresql://a:secret@h:x/d",
    ],
)
def test_another_address_is_refused_and_not_repeated(address):
    with pytest.raises(UsageError) as told:
        database_url(address)
    assert "secret" not in str(told.value)


def test_the_password_is_not_shown_and_may_come_from_elsewhere(monkeypatch):
    url = database_url("postgresql://anna:secret@host:5433/reviews?sslmode=require")
    assert shown(url) == "postgresql://anna@host:5433/reviews" and url.password == "secret"
    monkeypatch.setenv("PGPASSWORD", "other")
    monkeypatch.setenv("PULMOSCOPE_DATABASE", "postgresql://anna@host/reviews")
    assert database_url(None).password == "other"


@pytest.mark.parametrize(
    ("address", "checked"),
    [
        ("postgresql://a@host/db", ssl.CERT_REQUIRED),
        ("postgresql://a@host/db?sslmode=require", ssl.CERT_NONE),
        ("postgresql://a@host/db?sslmode=disable", None),
        ("postgresql://a@localhost/db", None),
        ("postgresql://a@127.0.0.1/db?sslmode=verify-full", ssl.CERT_REQUIRED),
    ],
)
def test_away_from_this_machine_it_is_encrypted_and_checked(address, checked):
    context = connect_arguments(database_url(address))[1]["ssl_context"]
    assert (context is False) if checked is None else (context.verify_mode == checked)


def test_an_unknown_mode_is_refused():
    with pytest.raises(UsageError, match="sslmode"):
        connect_arguments(database_url("postgresql://a@host/db?sslmode=prefer"))


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    reviews = open_reviews(tmp_path, "postgresql://a:secret@127.0.0.1:1/db")
    with pytest.raises(ReviewError, match="see that the server runs") as told:
        reviews.check()
    assert "secret" not in str(told.value)


def test_the_migrations_build_the_tables_that_are_queried(reviews):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from app.review import migrations

    with reviews.database.writing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert ScriptDirectory(migrations.__path__[0]).get_current_head() == HEAD


def test_a_database_of_a_newer_version_is_refused(reviews):
    with reviews.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ReviewError, match="newer pulmoscope"):
        reviews.states()


def test_what_is_no_file_is_no_database(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "reviews.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReviewError, match="no file of ours"), Database(tmp_path / "reviews.sqlite").writing():
        pass
    assert (tmp_path / "elsewhere").read_bytes() == b""
