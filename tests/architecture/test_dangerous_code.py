"""What no file may hold: code that runs what a user sent, and assertions that a `try` swallows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
LOADS_CODE = {("pickle", "loads"), ("pickle", "load"), ("marshal", "loads"), ("yaml", "load"), ("importlib", "import_module")}
SWALLOWS = {"AssertionError", "Exception", "BaseException"}


def code_runners(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls that would run text or bytes as a program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in RUNS_CODE:
                yield node
            if (
                isinstance(called, ast.Attribute)
                and isinstance(called.value, ast.Name)
                and (called.value.id, called.attr) in LOADS_CODE
            ):
                yield node


def swallowed_assertions(tree: ast.AST) -> Iterator[ast.Assert]:
    """Yield assertions inside a `try` whose handler catches them without raising."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(catches_silently(handler) for handler in node.handlers):
            yield from (inner for statement in node.body for inner in ast.walk(statement) if isinstance(inner, ast.Assert))


def catches_silently(handler: ast.ExceptHandler) -> bool:
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else SWALLOWS
    return bool(names & SWALLOWS) and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_must_hold_26_user_provided_code_never_runs_in_a_server_process():
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in files("spice_core", "spice_api", "spice_workers", "spice_assets")
        for call in code_runners(ast.parse(path.read_text()))
        if not isinstance(call.args[0], ast.Constant)
    ]
    assert found == []


def test_must_hold_32_no_assertion_lives_inside_a_try_that_swallows_it():
    found = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in files("tests", "benchmarks")
        for inner in swallowed_assertions(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["eval(request)", "exec(row)", "pickle.loads(body)", "importlib.import_module(name)"])
def test_code_that_runs_input_is_found(text: str):
    assert list(code_runners(ast.parse(text)))


def test_a_swallowed_assertion_is_found_and_a_raised_one_is_not():
    swallowed = "try:\n    assert ready\nexcept Exception:\n    pass\n"
    raised = "try:\n    assert ready\nexcept Exception:\n    raise\n"
    assert list(swallowed_assertions(ast.parse(swallowed)))
    assert not list(swallowed_assertions(ast.parse(raised)))
