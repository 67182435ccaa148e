"""Everything at once for a few seconds: the same scene that `run_production_tests.sh` plays for minutes."""

import subprocess
from pathlib import Path

import pytest

from tests.faults.chaos import DATABASES, Scene, Stack
from tests.faults.installation import Installation
from tests.faults.load import Load
from tests.faults.model import Judgement
from tests.faults.requests import Answer, Fate, Kind, Request
from tests.faults.senders import ServiceSender

SCRIPT = Path(__file__).parents[1] / "run_production_tests.sh"


def play(place: Installation, *, worker: str, seconds: float, seed: int) -> Judgement:
    """Set up, play one scene with faults of the platform's own processes, and return the judgement."""
    place.set_up(*DATABASES)
    scene = Scene(place, Stack(place.settings), seed=seed, worker=worker)
    found = scene.run(seconds=seconds, kinds=["processes"], tell=print)
    assert scene.faults_done
    return found


@pytest.mark.parametrize("worker", ["spice_workers", "tests.faults.unreliable_worker"], ids=["in order", "out of order"])
def test_a_short_scene_ends_with_nothing_lost_doubled_or_wrong(empty_place: Installation, worker: str):
    found = play(empty_place, worker=worker, seconds=5.0, seed=31)
    assert found.is_good, found.details()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_a_longer_scene_ends_with_nothing_lost_doubled_or_wrong(empty_place: Installation, seed: int):
    found = play(empty_place, worker="tests.faults.unreliable_worker", seconds=90.0, seed=seed)
    assert found.is_good, found.details()


def test_the_judgement_sees_what_is_lost_doubled_and_wrong(place: Installation):
    """A run that is good turns bad with every kind of damage to what clients or stores hold."""
    load = Load(ServiceSender(place.platform.commands), ["shop"], seed=32, clients=2)
    place.start_worker()
    record = load.run(requests=15)
    place.wait_caught_up()
    place.check(record)
    assert place.run("spice_api.cli.main", "check", "--db", "shop") == 0, place.out
    never = Request("0" * 32, Kind.CREATE, "shop", "main", "Owner", "o never", {"owner_id": "o never", "name": "x"})
    record.answers[never.command_id] = never, Answer(Fate.ACCEPTED, number=1)
    assert place.judge(record).lost
    del record.answers[never.command_id]
    known = next(name for name, (_, answer) in record.answers.items() if answer.fate is Fate.ACCEPTED)
    kept = record.answers.pop(known)
    assert place.judge(record).wrong, "a command that nobody sent"
    record.answers[known] = kept[0], Answer(Fate.REFUSED)
    assert place.judge(record).wrong, "a command that was refused"
    record.answers[known] = kept
    place.platform.search.drop("shop")
    assert place.judge(record).wrong, "documents that are gone"
    assert place.run("spice_api.cli.main", "check", "--db", "shop", "--json") == 1, place.out


@pytest.mark.parametrize(("words", "code", "said"), [(["--help"], 0, "SOAK_SECONDS"), (["--chaos"], 2, "unknown option")])
def test_the_script_explains_itself(words: list[str], code: int, said: str):
    done = subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
