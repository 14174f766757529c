"""What a check may look at is read once, and never raises."""

import threading

from llm_router.config.problems import ConfigError, ConfigMissing
from llm_router.control.supervisor import SupervisorNotRunning
from llm_router.doctor.context import read_json


def test_a_healthy_home(patient):
    """Configuration, plan, door."""
    context = patient.context()

    assert context.loaded is context.loaded is not None
    assert (context.config_error, context.runs, context.units, context.translates) == (None, False, (), False)
    assert isinstance(context.silence, SupervisorNotRunning)
    assert context.door == ("127.0.0.1", patient.ports[0])
    assert context.plan is not None


def test_broken_files(patient):
    """The errors are values; what can still be known is."""
    patient.home.config.write_text("config_version: 3\nnothing: 1\n")
    broken = patient.context()
    assert (broken.loaded, type(broken.config_error)) == (None, ConfigError)
    assert broken.door == ("127.0.0.1", patient.ports[0])

    patient.home.config.unlink()
    patient.home.plan.unlink()
    gone = patient.context()
    assert (type(gone.config_error), gone.plan, gone.door, gone.translates) == (ConfigMissing, None, None, True)


def test_read_once_by_many(patient):
    """Threads that ask at once wait for one reading; a fresh context reads again."""
    context, readings = patient.context(), []
    ready = threading.Barrier(4)

    def ask() -> None:
        ready.wait()
        context.once("thing", lambda: readings.append(1) or 7)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(readings), context.once("thing", lambda: 8), context.fresh().once("thing", lambda: 8)) == (1, 7, 8)


def test_read_json(tmp_path):
    """An object, or an empty one."""
    path = tmp_path / "x.json"
    assert read_json(path) == {}
    for text, held in (("[]", {}), ("{", {}), ('{"a": 1}', {"a": 1})):
        path.write_text(text)
        assert read_json(path) == held
