"""Makes, once, the Debians in the cache into which the packages of build/deb are installed."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import built  # noqa: E402
import chroot  # noqa: E402
import machine  # noqa: E402

if __name__ == "__main__":
    debs = built.debs()
    print(chroot.tarball(chroot.contents(debs)), flush=True)
    print(machine.tarball(*machine.contents(debs)), flush=True)
