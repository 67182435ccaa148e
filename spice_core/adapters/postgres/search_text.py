"""Full text: clauses as tsqueries, misspelled words through the lexicon of the classes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.search_tables import ClassTables
from spice_core.domain.text import Clause, edit_distance

_MOST_SPELLINGS = 2_000


@dataclass(frozen=True, slots=True)
class TextCondition:
    """A text query over the column `words` of alias `m`: which rows meet it, and how well (see `text.relevance`)."""

    condition: sql.Composable
    rank: sql.Composable


def text_condition(connection: Connection, clauses: Sequence[Clause], classes: Iterable[ClassTables]) -> TextCondition:
    """Return what `clauses` mean for the present words of `classes`; no clause finds nothing."""
    if not clauses:
        return TextCondition(sql.SQL("false"), sql.SQL("0"))
    tables = list(classes)
    wanted: list[str] = []
    points: list[sql.Composable] = []
    for clause in clauses:
        spellings = _spellings(connection, clause, tables)
        wanted.append(_query(clause, spellings))
        points.append(_points(clause, spellings))
    condition = sql.SQL("m.words @@ {}").format(_literal(" & ".join(f"({item})" for item in wanted)))
    return TextCondition(condition, sql.SQL(" + ").join(points))


def _points(clause: Clause, spellings: Sequence[str]) -> sql.Composable:
    exact = Clause(clause.words)
    parts = [(8, _query(exact, (), "A")), (4, _query(clause, spellings, "A")), (2, _query(exact, ()))]
    cases = [
        sql.SQL("CASE WHEN m.words @@ {} THEN {} ELSE 0 END").format(_literal(query), sql.Literal(points))
        for points, query in parts
    ]
    return sql.SQL(" + ").join(cases)


def _query(clause: Clause, spellings: Sequence[str], weight: str = "") -> str:
    """Return the tsquery of a clause. Words are letters and digits only, so quotes need no escaping."""
    mark = f":{'*' if clause.is_prefix else ''}{weight}"
    suffix = mark if len(mark) > 1 else ""
    if len(clause.words) > 1:
        return " <-> ".join(f"'{word}'{suffix}" for word in clause.words)
    return " | ".join(f"'{word}'{suffix}" for word in (clause.words[0], *spellings))


def _literal(query: str) -> sql.Composable:
    return sql.SQL("{}::tsquery").format(sql.Literal(query))


def _spellings(connection: Connection, clause: Clause, classes: Sequence[ClassTables]) -> list[str]:
    """Return the other words of the classes that the clause accepts, nearest first.

    A swap of neighbours is one edit for us and two for PostgreSQL's function, which only preselects.
    """
    if not clause.edits:
        return []
    word, edits = clause.words[0], clause.edits
    select = sql.SQL(
        "SELECT word FROM {} WHERE size BETWEEN %(size)s - %(edits)s AND %(size)s + %(edits)s"
        " AND levenshtein_less_equal(word, %(word)s, %(edits)s * 2) <= %(edits)s * 2"
    )
    statement = sql.SQL(" UNION ").join(select.format(tables.lexicon) for tables in classes)
    rows = connection.execute(statement, {"size": len(word), "edits": edits, "word": word}).fetchall()
    near = sorted((edit_distance(found, word, limit=edits), found) for (found,) in rows if found != word)
    return [found for distance, found in near if distance <= edits][:_MOST_SPELLINGS]
