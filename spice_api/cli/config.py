"""`spice config`: the settings, where they come from, and whether they can work."""

from cyclopts import App
from pydantic import AliasChoices, SecretStr

from spice_api.cli.report import AsJson, console, print_json, print_table
from spice_api.dev.parts import APPS, platform_parts
from spice_core.settings import Settings, load_settings, process_environment

app = App(name="config", help="Check and show the settings.")
_MASK = "********"


@app.command
def show(*, as_json: AsJson = False) -> int:
    """Show every setting: its variable, its value (secrets masked) and where the value comes from."""
    settings = load_settings()
    rows = [
        {"variable": variable(name), "value": _shown(getattr(settings, name)), "from": _origin(name, settings)}
        for name in Settings.model_fields
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(["variable", "value", "from"], [list(row.values()) for row in rows], whole=["variable"])
    return 0


@app.command
def check(*, as_json: AsJson = False) -> int:
    """Check that the settings can work together; the exit code is 2 if not."""
    settings = load_settings()
    for name in APPS:
        settings.requires_auth(name)
    warnings = list(_warnings(settings))
    if as_json:
        print_json({"ok": True, "warnings": warnings})
    else:
        for warning in warnings:
            console().print(f"[yellow]warning[/] {warning}")
        console().print("[green]ok[/] the settings can work together")
    return 0


def variable(name: str) -> str:
    """Return the (first) environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return str(alias)


def _variables(name: str) -> list[str]:
    alias = Settings.model_fields[name].validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]


def _origin(name: str, settings: Settings) -> str:
    if name not in settings.model_fields_set:
        return "default"
    environment = {key.lower() for key in process_environment()}
    for candidate in _variables(name):
        if candidate.lower() in environment:
            return f"environment {candidate}"
    return ".env"


def _shown(value: object) -> object:
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, list):
        return ",".join(value)
    return value if value is None or isinstance(value, bool) else str(value)


def _warnings(settings: Settings) -> list[str]:
    found = []
    open_apps = [name for name in APPS if not settings.requires_auth(name)]
    if open_apps:
        found.append(f"{', '.join(open_apps)} answer without a token: everybody who reaches the port may change data")
    ports = [part.listens.port for part in platform_parts(settings) if part.listens is not None] + [settings.dagster_port]
    if len(set(ports)) < len(ports):
        found.append("two parts are given the same port")
    if settings.enable_chaos_injection:
        found.append("ENABLE_CHAOS_INJECTION is on: workers may crash on purpose")
    return found
