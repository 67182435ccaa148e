"""How an object key becomes a path, so that every key has a place of its own.

A folder and a file of the same name cannot stand side by side, and names are limited to 255 bytes, but the keys `a` and
`a/b` may both exist and a key part may have 1,024 characters. So an object's last part gets the ending `.o`, a part over
200 characters is cut into folders ending in `.c`, and a folder that would end like these itself gets a `_` more.
"""

import re

FILE_END = ".o"
_CUT_END = ".c"
_LONGEST = 200
_CONFUSABLE = re.compile(r"\.[oc]_*$")
_ESCAPED = re.compile(r"(\.[oc]_*)_$")


def path_of(key: str) -> str:
    """Return the relative path of `key`."""
    *folders, last = key.split("/")
    parts = [piece for folder in folders for piece in _folder(folder)]
    *cuts, last = _cut(last)
    return "/".join([*parts, *cuts, last + FILE_END])


def folder_of(prefix: str) -> str:
    """Return the deepest folder that holds every key starting with `prefix`."""
    return "/".join(piece for folder in prefix.split("/")[:-1] for piece in _folder(folder))


def key_of(path: str) -> str:
    """Return the key whose path is `path`: the inverse of `path_of`."""
    *folders, last = path.split("/")
    key = ""
    for folder in folders:
        key += folder.removesuffix(_CUT_END) if folder.endswith(_CUT_END) else _ESCAPED.sub(r"\1", folder) + "/"
    return key + last.removesuffix(FILE_END)


def _folder(name: str) -> list[str]:
    *cuts, last = _cut(name)
    return [*cuts, last + "_" if _CONFUSABLE.search(last) else last]


def _cut(name: str) -> list[str]:
    pieces = [name[start : start + _LONGEST] for start in range(0, len(name), _LONGEST)]
    return [*(piece + _CUT_END for piece in pieces[:-1]), pieces[-1]]
