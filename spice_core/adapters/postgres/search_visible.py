"""What a branch shows of a class: its own rows, then those of its sources as they were when it was made.

A row holds from epoch `since` of its layer until `until`. Main's present rows are in the main table; everything else, also
what a branch still sees of a row that main has changed since, is in the overlay table.
"""

from collections.abc import Sequence

from psycopg import sql

from spice_core.adapters.postgres.search_catalogue import OWN, Layer
from spice_core.adapters.postgres.search_tables import ClassTables

_ANY = sql.SQL("true")


def select_keys(tables: ClassTables, chain: tuple[Layer, ...], columns: sql.Composable, keys: Sequence[str]) -> sql.Composed:
    """Return a SELECT of `columns` of the rows (alias `m`) that the branch shows under `keys`."""
    among = sql.SQL("key = ANY ({}::text[])").format(sql.Literal(list(keys)))
    condition = sql.SQL("m.{}").format(among)
    return sql.SQL(" UNION ALL ").join(visible_arms(tables, chain, columns, condition, hidden=sql.SQL("o.{}").format(among)))


def visible_arms(
    tables: ClassTables,
    chain: tuple[Layer, ...],
    columns: sql.Composable,
    condition: sql.Composable,
    *,
    hidden: sql.Composable = _ANY,
) -> list[sql.Composed]:
    """Return SELECTs whose union has `columns` of the rows (alias `m`) that the branch shows and that meet `condition`.

    `hidden` may narrow down which overlay rows (alias `o`) can hide a row of main.
    """
    main = next((layer for layer in chain if layer.is_main), None)
    if main is not None and chain == (main,) and main.at == OWN:
        return [sql.SQL("SELECT {} FROM {} m WHERE {}").format(columns, tables.main, condition)]
    parts = {"columns": columns, "overlay": tables.overlay, "visible": visible_in_overlay(chain), "condition": condition}
    arms = [
        sql.SQL(
            "SELECT {columns} FROM (SELECT DISTINCT ON (o.key) o.* FROM {overlay} o WHERE {visible} ORDER BY o.key, {depth}) m"
            " WHERE {condition}"
        ).format(depth=_depth(chain), **parts)
    ]
    if main is not None:
        arms.append(
            sql.SQL(
                "SELECT {columns} FROM {main} m WHERE m.since <= {at} AND {condition}"
                " AND NOT EXISTS (SELECT FROM {overlay} o WHERE o.key = m.key AND {visible} AND {hidden})"
            ).format(main=tables.main, at=sql.Literal(main.at), hidden=hidden, **parts)
        )
    return arms


def first_of_arms(arms: Sequence[sql.Composable], *, behind: sql.Composable, order: sql.Composable, limit: int) -> sql.Composed:
    """Return the first rows (alias `u`) of every arm: of large ones, so that none is read to its end for one page."""
    first = sql.SQL("(SELECT * FROM ({}) u WHERE {} ORDER BY {} LIMIT {})")
    return sql.SQL(" UNION ALL ").join(first.format(arm, behind, order, sql.Literal(limit)) for arm in arms)


def visible_in_overlay(chain: tuple[Layer, ...]) -> sql.Composable:
    """Return the condition that an overlay row `o` is one that the branch may show."""
    spans = [
        sql.SQL("(o.layer = {} AND o.since <= {} AND o.until > {})").format(
            sql.Literal(layer.id), sql.Literal(layer.at), sql.Literal(layer.at)
        )
        for layer in chain
    ]
    layers = sql.SQL(", ").join(sql.Literal(layer.id) for layer in chain)
    return sql.SQL("(o.layer IN ({}) AND ({}))").format(layers, sql.SQL(" OR ").join(spans))


def inherits_version(tables: ClassTables, chain: tuple[Layer, ...]) -> sql.Composable:
    """Return the condition that a staged row `s` is not above what a branch's sources show."""
    sources = chain[1:]
    if not sources:
        return sql.SQL("false")
    arms = visible_arms(tables, sources, sql.SQL("m.version"), sql.SQL("m.key = s.key AND m.version >= s.version"))
    return sql.SQL("EXISTS ({})").format(sql.SQL(" UNION ALL ").join(arms))


def _depth(chain: tuple[Layer, ...]) -> sql.Composable:
    whens = [sql.SQL("WHEN {} THEN {}").format(sql.Literal(layer.id), sql.Literal(depth)) for depth, layer in enumerate(chain)]
    return sql.SQL("CASE o.layer {} END").format(sql.SQL(" ").join(whens))
