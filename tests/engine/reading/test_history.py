"""What the list of runs is given: which metrics have a course, and in what order they are wanted."""

from small_project import project_in, run

from instep.engine.reading.desk import Desk
from instep.engine.reading.history import runs

COUNTING = """
@step
def trained():
    from instep import log
    for epoch in range(3):
        log(epoch=epoch, loss=1 / (1 + epoch))
    return 1
"""


def test_the_course_of_a_count_comes_after_those_of_what_it_counts(tmp_path):
    root = project_in(tmp_path)
    pipeline = root / "pipeline.py"
    pipeline.write_text(pipeline.read_text() + COUNTING)
    run(root)
    series = [one for one in runs(Desk(root), {})["series"] if one.startswith("trained.")]
    assert series == ["trained.loss", "trained.epoch"]
