"""What the kinds of PostgreSQL share: one reading of a whole server, names and texts in SQL, and how SQL is run.

psql runs as the user postgres over the socket, where Debian lets it in by name (peer); SQL goes to its standard input,
so nothing of it is in argv.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from provision.resources.base import Shell, Step
from provision.shell import Sh, lines, sh

NAME_LIMIT = 63
"""Bytes of a name; the server cuts longer ones (NAMEDATALEN)."""


HBA_WORDS = frozenset({"all", "replication", "samegroup", "samerole", "sameuser"})
"""Words of pg_hba.conf that stand where names stand; no role and no database of ours is called so."""

_ESCAPES = {"%": "%25", "=": "%3D", " ": "%20", "\n": "%0A"}
"""What would end a key in a reading, in this order."""


def check_name(field: str, name: str) -> None:
    """Raise ValueError for what cannot be the name of a role, database or extension."""
    if not name:
        raise ValueError(f"{field} is empty")
    if re.search(r"[\x00-\x1f\x7f]", name):
        raise ValueError(f"{field} {name!r} has a control character in it")
    if len(name.encode()) > NAME_LIMIT:
        raise ValueError(f"{field} {name!r} is longer than {NAME_LIMIT} bytes")


def check_port(port: int) -> None:
    """Raise ValueError for what is no TCP port; the socket's name has it, too."""
    if not 1 <= port <= 65535:
        raise ValueError(f"login_port {port} is not between 1 and 65535")


def identifier(name: str) -> str:
    """A name in SQL.

    >>> print(identifier('app-"x"'))
    "app-""x\"""
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    r"""A text in SQL, the same whatever ``standard_conforming_strings`` says.

    >>> print(literal("it's"), literal("a\\b"))
    'it''s' E'a\\b'
    """
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def key(kind: str, name: str, about: str = "") -> str:
    """The property of a reading that tells of ``role`` or ``database`` ``name``; SERVER writes the same in SQL."""
    for character, code in _ESCAPES.items():
        name = name.replace(character, code)
    return f"{kind} {name} {about}".rstrip()


def server(port: int) -> Shell:
    """Roles and databases of the server at ``port``; nothing where none answers. No password, and no verifier of one.

    ``role X`` and ``database X`` are yes; ``role X LOGIN`` and so on yes or missing; ``role X password`` names the
    method, its salt, and the digest of the keys: what it takes to try a password known here.
    """
    return _reading(port, "postgres", _SERVER)


def extensions(port: int, db: str) -> Shell:
    """``extension X`` is yes for those that are installed in ``db``."""
    return _reading(port, db, _EXTENSIONS)


def run_sql(port: int, statements: Iterable[str], db: str = "postgres") -> Step:
    """A step that runs ``statements`` one by one, up to the first that fails."""
    text = "".join(statement + "\n" for statement in statements)
    return Step(lines(sh("port={} db={}", port, db), _RUN), files={"sql": text.encode()})


def unless_exists(statement: str, catalog: str, column: str, name: str) -> str:
    """``statement``, run only where ``catalog`` has no such row: for what SQL knows no IF NOT EXISTS."""
    return (
        f"SELECT {literal(statement)} WHERE NOT EXISTS (SELECT FROM {catalog} WHERE {column} = {literal(name)})\\gexec"
    )


def _reading(port: int, db: str, query: str) -> Shell:
    return Shell(lines(sh("port={} db={}", port, db), sh("{} -At <<'END'\n{}\nEND", _PSQL, Sh(query))))


# A database by PGDATABASE: with -d, psql takes a name that has "=" in it for a whole connection string.
_PSQL = Sh('PGCLIENTENCODING=UTF8 PGDATABASE=$db runuser -u postgres -- psql -Xq -p "$port"')

_KEY = "replace(replace(replace(replace({}, '%', '%25'), '=', '%3D'), ' ', '%20'), E'\\n', '%0A')"

# rolpassword is METHOD$ITERATIONS:SALT$STORED:SERVER, the keys of RFC 5803; only a digest of the two leaves the host.
_SERVER = f"""\
SELECT concat('role ', name, about, '=', value)
FROM (SELECT *, {_KEY.format("rolname")} AS name FROM pg_authid WHERE rolname !~ '^pg_') AS roles, LATERAL (VALUES
    ('', 'yes'),
    (' connection limit', rolconnlimit::text),
    (' SUPERUSER', CASE WHEN rolsuper THEN 'yes' END),
    (' CREATEROLE', CASE WHEN rolcreaterole THEN 'yes' END),
    (' CREATEDB', CASE WHEN rolcreatedb THEN 'yes' END),
    (' INHERIT', CASE WHEN rolinherit THEN 'yes' END),
    (' LOGIN', CASE WHEN rolcanlogin THEN 'yes' END),
    (' REPLICATION', CASE WHEN rolreplication THEN 'yes' END),
    (' BYPASSRLS', CASE WHEN rolbypassrls THEN 'yes' END),
    (' password', CASE WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN
        regexp_replace(rolpassword, '[^$]*$', encode(sha256(substring(rolpassword, '[^$]*$')::bytea), 'hex'))
        WHEN rolpassword IS NOT NULL THEN 'of another kind' END)
) AS properties (about, value) WHERE value IS NOT NULL;
SELECT concat('database ', name, about, '=', value)
FROM (SELECT *, {_KEY.format("datname")} AS name FROM pg_database) AS databases, LATERAL (VALUES
    ('', 'yes'),
    (' owner', pg_get_userbyid(datdba)),
    (' encoding', pg_encoding_to_char(encoding))
) AS properties (about, value);"""

_EXTENSIONS = f"SELECT concat('extension ', {_KEY.format('extname')}, '=yes') FROM pg_extension;"

_RUN = sh(
    """\
command -v psql >/dev/null || {{
    echo 'PostgreSQL is not installed: add a task `package: {{name: postgresql}}` before this one' >&2
    exit 1
}}
{} -v ON_ERROR_STOP=1 <"$FILES"/sql""",
    _PSQL,
)
