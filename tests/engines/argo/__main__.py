"""python -m tests.engines.argo start|stop|status: a cluster that stays until it is stopped."""

from __future__ import annotations

import argparse
import sys

from tests.engines.argo import cluster


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.engines.argo", description=cluster.__doc__)
    parser.add_argument("what", choices=["start", "stop", "status"])
    what = parser.parse_args().what
    if what == "start":
        try:
            found = cluster.join(stay=True)
        except cluster.ClusterError as error:
            sys.exit(str(error))
        print(f"API server: https://127.0.0.1:{found.api.port}\nlogs: {found.folder}")
    elif what == "stop":
        print("stopped" if cluster.stop() else "not running")
    else:
        processes = cluster.status()
        if processes is None:
            sys.exit("not running")
        print("\n".join(f"{name}: {process}" for name, process in processes.items()))


if __name__ == "__main__":
    main()
