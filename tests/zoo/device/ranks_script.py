"""What each of two ranks runs for test_many_cards.py: python ranks_script.py CASE FOLDER. Not a test itself."""

import json
import os
import signal
import sys
from pathlib import Path

case, folder = sys.argv[1], Path(sys.argv[2])
rank = os.environ.get("RANK_ID")
written = []


def watch(event, arguments):
    """Records files that this process opens for writing, or moves, below the runs' folders.

    Moves count too, since safetensors opens its files without an audit event.
    """
    if (
        event == "open"
        and isinstance(arguments[0], (str, bytes))
        and isinstance(arguments[2], int)
        and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    ):
        note(arguments[0])
    elif event == "os.rename":
        note(arguments[1])


def note(file):
    """Adds a file below the runs' folders to what was written."""
    path = Path(os.fsdecode(file)).absolute()
    if path.is_relative_to(folder / "runs"):
        written.append(path.name)


def several_runs():
    """Trains the runs in shared.json; the files that this rank wrote and its final state go to rank_N.json."""
    from mindone_tae.zoo import Trainer, load_recipe, registry
    from mindone_tae.zoo.device import environment
    from mindone_tae.zoo.training.stopping import Stopped

    found = {}
    for name, overrides, resume in json.loads((folder / "shared.json").read_text()):
        trainer = Trainer(load_recipe(folder / "recipe.yaml", overrides), folder / "runs" / name, resume=resume)
        if name == "stopped":
            noise = registry.get("mindone.datasets", "foreign_noise")
            noise.sample = finding_bad_files(noise.sample)
            environment.seed_step = stopping_in_step_3(environment.seed_step)
        try:
            trainer.run()
            stopped = None
        except Stopped as stop:
            stopped = str(stop)
        found[name] = [trainer.ranks.rank, trainer.ranks.count, trainer.checkpoints.step, stopped]
    (folder / f"rank_{rank}.json").write_text(json.dumps({"written": written, "found": found}))


def finding_bad_files(sample):
    """Reading, in which each rank comes upon a file of its own and one of both."""

    def read(self, index, rng, choice=None):
        self.unreadable = [(f"of_{rank}.mp4", "broken"), ("of_both.mp4", "broken")]
        return sample(self, index, rng, choice)

    return read


def stopping_in_step_3(seed_step):
    """What each step begins with, in which rank 1 alone is asked to stop."""

    def seed(of_run, number, of_rank):
        if number == 2 and rank == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        seed_step(of_run, number, of_rank)

    return seed


def one_fails():
    """The command, with a data set that fails on rank 1."""
    from mindone_tae.cli import main
    from mindone_tae.zoo import UserError
    from mindone_tae.zoo.training import batches as loader

    read = loader.BatchLoader._item

    def failing(self, epoch, index, choice):
        if rank == "1" and epoch > 2:
            raise UserError("the disk of rank 1 is gone: mount it")
        return read(self, epoch, index, choice)

    loader.BatchLoader._item = failing
    sys.exit(
        main(
            [
                "train",
                "--config",
                str(folder / "recipe.yaml"),
                "--output_path",
                str(folder / "runs/failing"),
                "env.distributed=true",
                "train.steps=400",
            ]
        )
    )


sys.addaudithook(watch)
{"several": several_runs, "failing": one_fails}[case]()
