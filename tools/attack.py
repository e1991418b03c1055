"""Makes the attacks again that the package promises to survive, and prints one table (docs/reliability.md shows it).

    python tools/attack.py --list
    python tools/attack.py                         # those that take seconds
    python tools/attack.py --all                   # all of them; hours on one core
    python tools/attack.py --only "kill a rank"    # one or several, by name

Commands run in forks of one process that has imported everything. Cases that fell are shown below the table with what
was said.
Exit status 0 where every case was survived, 1 where one was not.
"""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from attacks import files, kills, machine
from attacks.running import Result
from check_recipes import HEAVY

ATTACKS = [*files.ATTACKS, *kills.ATTACKS, *machine.ATTACKS]


def tried(attack, folder):
    """The Results of an attack, in an empty folder of its own; a fault of the attack itself is one that fell."""
    folder.mkdir()
    results = []
    try:
        for result in attack.run(folder):
            results.append(result)
    except Exception:
        results.append(Result("the attack itself", False, traceback.format_exc()[-500:]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the attacks and make none")
    parser.add_argument("--only", action="append", metavar="NAME", help="this one; may be given several times")
    parser.add_argument("--all", action="store_true", help="those that take minutes, too")
    options = parser.parse_args()
    unknown = set(options.only or ()) - {attack.name for attack in ATTACKS}
    if unknown:
        parser.error(f"no such attack: {', '.join(sorted(unknown))}: see --list")
    if options.list:
        for attack in ATTACKS:
            print(f"{attack.name:<20}{'minutes' if attack.slow else 'seconds':<9}{attack.what}")
        return 0
    chosen = [
        attack
        for attack in ATTACKS
        if (attack.name in options.only if options.only else options.all or not attack.slow)
    ]
    for module in HEAVY:
        importlib.import_module(module)
    fallen = []
    print("| attack | tried | survived | minutes | what |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        for number, attack in enumerate(chosen):
            begun = time.monotonic()
            results = tried(attack, Path(folder).resolve() / str(number))
            fallen += [(attack.name, result) for result in results if not result.survived]
            survived, minutes = sum(result.survived for result in results), (time.monotonic() - begun) / 60
            print(f"| {attack.name} | {len(results)} | {survived} | {minutes:.1f} | {attack.what} |", flush=True)
    for name, result in fallen:
        print(f"{name}: {result.case}: {result.seen}", flush=True)
    return 1 if fallen else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # MindSpore's own teardown at times aborts a finished process
