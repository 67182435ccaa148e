"""What the demo claims, and whether it holds."""

from dataclasses import dataclass, field

from rich.console import Console

from spice_api.cli.report import shown

_LONGEST_DETAIL = 40


@dataclass(slots=True)
class Findings:
    """Every comparison of the demo, in order; prints each as it is made."""

    console: Console
    failed: list[str] = field(default_factory=list)
    count: int = 0

    def holds(self, claim: str, is_true: bool, detail: str = "") -> None:
        """Note whether `claim` is true."""
        self.count += 1
        if not is_true:
            self.failed.append(claim)
        mark = "[green]holds[/]" if is_true else "[bold red]FAILS[/]"
        self.console.print(f"  {mark}  {shown(claim)}{f' [dim]({shown(detail)})[/]' if detail else ''}")

    def equal(self, claim: str, found: object, expected: object) -> None:
        """Note whether two values that should be equal are."""
        if found != expected:
            self.holds(claim, False, f"{found!r:.300}, not {expected!r:.300}")
        else:
            text = shown(found)
            self.holds(claim, True, text if len(text) <= _LONGEST_DETAIL else "")
